"""The distance to the nearest row of every group."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyimgano import _rust
from pyimgano.errors import InvalidInputError
from pyimgano.kernels.arguments import float32_rows, group_ids, threads


class GroupIndex:
    """Rows in groups, which tells how near each group comes to a query, exactly.

    It is what mutual scoring compares images by: each image is a group of patches, and a patch
    is scored by its distances to the nearest patches of all other images.

    Parameters
    ----------
    bank : array-like of float32, shape (n, d)
        The rows of all groups, finite, at least one. The index keeps its own copy.
    groups : array-like of int, shape (n,)
        An id per row, in any order.
    n_threads : int, optional
        Threads to build with: 1 to 1,024; default ``PYIMGANO_NUM_THREADS``, else one per core.

    Raises
    ------
    InvalidInputError
        (a ValueError) on a bad shape, no rows, NaN or infinity.
    InvalidTypeError
        (a TypeError) if `bank` is not float32 or `groups` are not integers.

    Notes
    -----
    Extra memory: as of a :class:`KnnIndex` of as many rows. The rows of each group count as a
    multiple of 64: the index suits groups of hundreds of rows, and takes many times the memory of
    groups of one row.

    References
    ----------
    X. Li et al., "MuSc: Zero-Shot Industrial Anomaly Classification and Segmentation with Mutual
    Scoring of the Unlabeled Images", ICLR 2024, section 3.3.

    Examples
    --------
    >>> rows = np.array([[0.0], [1.0], [5.0], [9.0]], dtype=np.float32)
    >>> index = GroupIndex(rows, groups=[7, 7, 3, 3])
    >>> index.ids, index.nearest(np.array([[2.0]], dtype=np.float32))
    (array([3, 7]), array([[3., 1.]], dtype=float32))
    """

    def __init__(self, bank: ArrayLike, groups: ArrayLike, *, n_threads: int | None = None) -> None:
        rows, ids = float32_rows("bank", bank), group_ids(groups)
        if ids is None:
            raise InvalidInputError("groups must hold an id for each row of bank, got None")
        self._index = _rust.GroupIndex(rows, ids, threads(n_threads))

    @property
    def ids(self) -> NDArray[np.int64]:
        """int64 (g,), the ids of the groups, ascending: the columns of :meth:`nearest`."""
        return self._index.ids

    def nearest(
        self,
        queries: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        n_threads: int | None = None,
    ) -> NDArray[np.float32]:
        """The distance of each query to the nearest row of each group.

        Parameters
        ----------
        queries : array-like of float32, shape (m, d)
            Finite values; m may be 0.
        groups : array-like of int, shape (m,), optional
            An id per query, of the group that it belongs to itself and is not compared with. An id
            of no group is fine.
        n_threads : int, optional
            Threads to use: 1 to 1,024; default ``PYIMGANO_NUM_THREADS``, else one per core.

        Returns
        -------
        ndarray of float32, shape (m, g)
            Euclidean, not squared, in the unit of the rows: float64 sums of squared differences,
            rounded at the end; column j is of group ``ids[j]``. Infinity for a query's own group,
            and for distances beyond float32's range.

        Raises
        ------
        InvalidInputError
            (a ValueError) on a bad shape, NaN or infinity.
        InvalidTypeError
            (a TypeError) if `queries` is not float32; the message names the cast.

        Notes
        -----
        Extra memory: the result, and a few MB per thread; never a matrix of queries by rows.
        """
        rows = float32_rows("queries", queries)
        return self._index.nearest(rows, group_ids(groups), threads(n_threads))
