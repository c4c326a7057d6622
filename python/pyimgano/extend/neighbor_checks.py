"""Checks of a search for nearest rows."""

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import CheckFailedError
from pyimgano.neighbors import NearestNeighbors, Neighbors, create_neighbors

_Ids = NDArray[np.int64] | None


def check_neighbors(index: NearestNeighbors) -> None:
    """Check that a search finds what the package's own finds.

    With groups and without: ordinary rows, equally far ones, rows far from the origin, rows that
    are not contiguous, more neighbours than rows, no queries.

    Parameters
    ----------
    index
        Not fitted; it stays as it is.

    Raises
    ------
    CheckFailedError
        (an AssertionError) names every check that failed, and why.

    Examples
    --------
    >>> from pyimgano.neighbors.rust import RustNeighbors
    >>> check_neighbors(RustNeighbors())
    """
    failed = []
    for name, rows, queries, k in _cases():
        for groups, own in ((None, None), (np.arange(len(rows)) % 3, np.arange(len(queries)) % 4)):
            try:
                wrong = _difference(index, rows, queries, k, groups, own)
            except Exception as error:  # whatever a search may raise
                wrong = f"{type(error).__name__}: {error}"
            if wrong is not None:
                failed.append(f"{name}{'' if groups is None else ', with groups'}: {wrong}")
    if failed:
        lines = "; ".join(failed)
        raise CheckFailedError(f"{type(index).__name__} fails {len(failed)} checks: {lines}")


def _cases() -> list[tuple[str, NDArray[np.float32], NDArray[np.float32], int]]:
    wide = np.random.default_rng(0).normal(size=(240, 16)).astype(np.float32)
    rows, queries = wide[:200], wide[200:]
    corners = np.tile(np.eye(8, dtype=np.float32), (6, 1))
    return [
        ("ordinary rows", rows, queries, 5),
        ("equally far rows", corners, np.zeros((2, 8), np.float32), 20),
        ("rows far from the origin", rows + np.float32(1000), queries + np.float32(1000), 3),
        ("rows that are not contiguous", rows[::2, ::3], queries[:, ::3], 3),
        ("more neighbours than rows", rows[:4], queries[:2], 6),
        ("no queries", rows, queries[:0], 2),
    ]


def _difference(
    index: NearestNeighbors,
    rows: NDArray[np.float32],
    queries: NDArray[np.float32],
    k: int,
    groups: _Ids,
    own: _Ids,
) -> str | None:
    """How what is found differs from what there is to find; None if it does not."""
    before = rows.copy(), queries.copy()
    expected = _found("rust", rows, queries, k, groups, own)
    distances, indices = _found(index, rows, queries, k, groups, own)
    if not np.allclose(distances, expected[0], rtol=1e-6, atol=0):
        return "the distances are not those of the nearest rows"
    if not np.array_equal(indices, expected[1]):
        return "the indices are not the nearest rows, ties by the lower number"
    if not (np.array_equal(rows, before[0]) and np.array_equal(queries, before[1])):
        return "it writes into what it is given"
    return None


def _found(
    index: str | NearestNeighbors,
    rows: NDArray[np.float32],
    queries: NDArray[np.float32],
    k: int,
    groups: _Ids,
    own: _Ids,
) -> Neighbors:
    return create_neighbors(index).fit(rows, groups).kneighbors(queries, k, own)
