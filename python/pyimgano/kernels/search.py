"""Greedy coreset and exact nearest neighbours."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyimgano import _rust
from pyimgano.errors import InvalidInputError
from pyimgano.kernels.arguments import at_least, float32_rows, group_ids, threads
from pyimgano.kernels.stats import SearchStats, counters


def greedy_coreset(
    features: ArrayLike,
    n_samples: int,
    *,
    start: int | None = None,
    random_state: "int | np.random.Generator | None" = None,
    n_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
    stats: SearchStats | None = None,
) -> NDArray[np.int64]:
    """Greedy k-center selection: the rows that a PatchCore memory bank keeps.

    Beginning with `start`, the row farthest from everything picked so far is picked next, until
    there are `n_samples`. The result is that of the plain algorithm, exactly: distances that decide
    are float64, of equally far rows the lowest is picked first, and no row is picked twice (where
    all rows left are copies of picked ones, the lowest is next).

    Parameters
    ----------
    features : array-like of float32, shape (n, d)
        Finite values of any magnitude. Used in place where C-contiguous, never written to: an array
        of :class:`numpy.memmap`, read-only or not, stays in its file.
    n_samples : int
        Number of rows to pick, 1 to n.
    start : int, optional
        The first pick. Drawn from `random_state` if not given.
    random_state : int, numpy.random.Generator or None
        Where `start` is drawn from; None draws a new one each time. Unused if `start` is given.
    n_threads : int, optional
        Threads to use: 1 to 1,024; default ``PYIMGANO_NUM_THREADS``, else one per core.
    progress : callable, optional
        Called a few times a second as ``progress(done, total)`` in picks, from the calling thread.
        What it raises ends the selection and propagates.
    stats : SearchStats, optional
        Counters that this selection is added to: what lower bounds spared it.

    Returns
    -------
    ndarray of int64, shape (n_samples,)
        Row numbers in pick order.

    Raises
    ------
    InvalidInputError
        (a ValueError) on a bad shape, no rows, NaN or infinity, and numbers out of range.
    InvalidTypeError
        (a TypeError) if `features` is not float32; the message names the cast.

    Notes
    -----
    The features are not copied, whatever they hold. Extra memory: about 430 bytes per row,
    however many columns there are, and a few MB; 16 bytes per row where
    the largest magnitude is outside 1e-12 to 1e12. There float32 bounds are of no use, so that
    every distance is computed in float64: as exact, but slower. Values up to float32's largest are
    fine: nothing overflows.

    Rows of little use are never looked at twice: picks are made in batches, short images of the
    rows along their principal axes rule most pairs out, and only what is left is settled on the
    rows themselves, in float64.

    References
    ----------
    T. Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical Computer
    Science 38, 1985; used for memory banks by K. Roth et al., "Towards Total Recall in Industrial
    Anomaly Detection", CVPR 2022, section 3.2 and algorithm 1.

    Examples
    --------
    >>> points = np.array([[0.0], [1.0], [5.0], [10.0]], dtype=np.float32)
    >>> greedy_coreset(points, 3, start=0)
    array([0, 3, 2])
    """
    rows = float32_rows("features", features)
    n_samples = at_least("n_samples", n_samples, 1)
    if start is None:
        if len(rows) == 0:
            raise InvalidInputError(f"features must have at least one row, got shape {rows.shape}")
        start = int(np.random.default_rng(random_state).integers(len(rows)))
    else:
        start = at_least("start", start, 0)
    return _rust.greedy_coreset(
        rows, n_samples, start, threads(n_threads), progress, *counters(stats)
    )


class KnnIndex:
    """Exact Euclidean nearest neighbours in a bank of rows.

    Parameters
    ----------
    bank : array-like of float32, shape (n, d)
        The rows to search, finite, at least one.
    groups : array-like of int, shape (n,), optional
        An id per row. A query skips the rows of its own group: a training image's patches can so
        be scored against those of all other images.
    n_threads : int, optional
        Threads to build with: 1 to 1,024; default ``PYIMGANO_NUM_THREADS``, else one per core.
    copy : bool, optional
        Whether the index has its own copy of the rows. Without one it reads `bank` at every query,
        which must stay as it is: an array that has changed gives arbitrary answers, and a file
        that is cut short or written anew in place ends the process (SIGBUS). Deleting the file, or
        replacing it by a rename, is safe on POSIX systems. Default: rows in a file (a C-contiguous
        :class:`numpy.memmap`) are not copied, all others are.

    Raises
    ------
    InvalidInputError
        (a ValueError) on a bad shape, no rows, NaN or infinity; with `copy` False also where `bank`
        is not C-contiguous and aligned.
    InvalidTypeError
        (a TypeError) if `bank` is not float32; the message names the cast.

    Notes
    -----
    Extra memory: a copy of `bank`; from 1,024 rows on about 420 bytes per row, and where the CPU
    has AVX-512 VNNI or the dot product of ARMv8.2 about 110 bytes and one per column in their
    place (400 while they are made); 8 bytes per row with `groups`. Without a copy the same but for
    that, and the same answers.

    It can be copied and pickled: the rows go along, the rest is built anew on arrival, on as many
    threads as are the default there.

    Examples
    --------
    >>> index = KnnIndex(np.array([[0.0], [3.0], [10.0]], dtype=np.float32))
    >>> distances, indices = index.query(np.array([[4.0]], dtype=np.float32), k=2)
    >>> distances, indices
    (array([[1., 4.]], dtype=float32), array([[1, 0]]))
    """

    def __init__(
        self,
        bank: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        n_threads: int | None = None,
        copy: bool | None = None,
    ) -> None:
        rows, ids = float32_rows("bank", bank), group_ids(groups)
        usable = isinstance(bank, np.ndarray) and np.may_share_memory(rows, bank)
        copied = not (usable and isinstance(bank, np.memmap)) if copy is None else copy
        if not (copied or usable or rows.size == 0):  # which is refused as such below
            raise InvalidInputError("bank must be a C-contiguous array where copy is False")
        self._rows = None if copied else rows
        if copied:
            self._index = _rust.KnnIndex(rows, ids, threads(n_threads))
        else:
            self._index = _rust.KnnIndex(rows, ids, threads(n_threads), copy=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles hold the rows; the index is built anew of them, and answers alike."""
        rows, groups = self._index.content()
        return _rebuilt, (self._rows if rows is None else rows, groups)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the bank."""
        return self._index.shape

    def query(
        self,
        queries: ArrayLike,
        k: int = 1,
        *,
        groups: ArrayLike | None = None,
        n_threads: int | None = None,
        stats: SearchStats | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The `k` nearest rows of the bank for each query, nearest first.

        Parameters
        ----------
        queries : array-like of float32, shape (m, d)
            Finite values; m may be 0.
        k : int
            Neighbours per query, at least 1; may exceed the number of rows.
        groups : array-like of int, shape (m,), optional
            An id per query, exactly where the bank has groups: its rows of that id are skipped.
        n_threads : int, optional
            Threads to use: 1 to 1,024; default ``PYIMGANO_NUM_THREADS``, else one per core.
        stats : SearchStats, optional
            Counters that this search is added to: what lower bounds spared it.

        Returns
        -------
        distances : ndarray of float32, shape (m, k)
            Euclidean, not squared, in the unit of the rows: float64 sums of squared differences,
            rounded at the end. Infinity where fewer than `k` rows are eligible, and for distances
            beyond float32's range.
        indices : ndarray of int64, shape (m, k)
            Row numbers in the bank; equal distances by the lower one. -1 where fewer than `k` rows
            are eligible.

        Raises
        ------
        InvalidInputError
            (a ValueError) on a bad shape, NaN or infinity, `k` below 1, groups on one side only.
        InvalidTypeError
            (a TypeError) if `queries` is not float32; the message names the cast.

        Notes
        -----
        Extra memory: the result, 350 + 16 `k` bytes per query, and up to 1 MB + 512 times the bytes
        of a row per thread; never a matrix of queries by bank.
        """
        rows, ids = float32_rows("queries", queries), group_ids(groups)
        k = at_least("k", k, 1)
        counts = next(iter(counters(stats)), None)
        if self._rows is None:
            return self._index.query(rows, k, ids, threads(n_threads), counts)
        return self._index.query(rows, k, ids, threads(n_threads), counts, self._rows)


def _rebuilt(bank: NDArray[np.float32], groups: NDArray[np.int64] | None) -> KnnIndex:
    return KnnIndex(bank, groups=groups)
