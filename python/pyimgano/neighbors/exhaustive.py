"""Exact neighbours by a search of another library that rounds.

A fast search compares every query with every row by ||a||^2 + ||b||^2 - 2ab, of which nothing but
rounding is left where two rows are close. It finds candidates here; their distances are computed
again by subtraction in float64. Where a row that is no candidate could be as near, within the
search's own rounding, all rows are computed.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, NotFittedError
from pyimgano.kernels.arguments import at_least, float32_rows, group_ids
from pyimgano.neighbors.base import Neighbors

#: Candidates beyond the neighbours asked for.
_SPARE = 16
#: Where all values are smaller, float32 has no room for the squares of their differences.
_LEAST_SQUARED = 1e-15


class ExhaustiveNeighbors(ABC):
    """Base of the searches by other libraries. A copy holds the rows and makes its index anew."""

    #: The machine epsilon of the numbers that the library computes with.
    _epsilon: ClassVar[float]

    def __init__(self) -> None:
        self._rows: NDArray[np.float32] | None = None
        self._groups: NDArray[np.int64] | None = None
        self._index: Any = None

    @abstractmethod
    def _build(self, rows: NDArray[np.float32]) -> Any:
        """The library's own index of these rows."""

    @abstractmethod
    def _search(
        self, index: Any, queries: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        """Squared distances (n, k), ascending, and row numbers, as the library computes them."""

    def fit(self, rows: NDArray[np.float32], groups: NDArray[np.int64] | None = None) -> Self:
        """Take float32 (m, d) rows to search, with an id per row or without."""
        self._rows, self._groups = _checked("rows", rows, groups)
        if not len(self._rows):
            raise InvalidInputError("rows must be at least one")
        self._index = self._build(self._rows)
        return self

    def kneighbors(
        self,
        queries: NDArray[np.float32],
        k: int = 1,
        groups: NDArray[np.int64] | None = None,
    ) -> Neighbors:
        """The ``k`` nearest rows of each query."""
        if self._rows is None:
            raise NotFittedError(f"{type(self).__name__}: call fit first")
        k = at_least("k", k, 1)
        queries, groups = _checked("queries", queries, groups)
        if queries.shape[1] != self._rows.shape[1]:
            raise InvalidInputError(
                f"queries have {queries.shape[1]} columns, the rows have {self._rows.shape[1]}"
            )
        if (groups is None) != (self._groups is None):
            raise InvalidInputError("groups must be given for the rows and for the queries")
        distances = np.full((len(queries), k), np.inf, dtype=np.float32)
        indices = np.full((len(queries), k), -1, dtype=np.int64)
        for chosen, eligible in self._parts(len(queries), groups):
            found = min(k, len(eligible))
            if found and len(chosen):
                nearest = self._nearest(queries[chosen], eligible, found)
                with np.errstate(over="ignore"):  # beyond float32 a distance is infinite
                    distances[chosen, :found], indices[chosen, :found] = nearest
        return distances, indices

    def _parts(
        self, n_queries: int, groups: NDArray[np.int64] | None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Numbers of queries, and of the rows that these may find."""
        assert self._rows is not None
        if groups is None:
            yield np.arange(n_queries), np.arange(len(self._rows))
            return
        for group in np.unique(groups):
            yield np.flatnonzero(groups == group), np.flatnonzero(self._groups != group)

    def _nearest(
        self, queries: NDArray[np.float32], eligible: NDArray[np.int64], k: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Distances and row numbers (n, k) among the eligible rows, of which there are ``k``."""
        assert self._rows is not None
        whole = len(eligible) == len(self._rows)
        rows = self._rows if whole else self._rows[eligible]
        index = self._index if whole else self._build(rows)
        squared, candidates = self._search(index, queries, min(k + _SPARE, len(rows)))
        settled = [_settle(*one, rows, k) for one in zip(queries, candidates, strict=True)]
        distances, found = (np.stack(both) for both in zip(*settled, strict=True))
        if squared.shape[1] < len(rows):
            # The rounding of n terms is at most n * epsilon / 2 of their sum; 8 for the rest.
            norms = np.linalg.norm(queries.astype(np.float64), axis=1) + _largest_norm(rows)
            slack = (rows.shape[1] + 8) * self._epsilon * norms**2
            unseen = squared[:, -1].astype(np.float64) * (1 - 1e-12) - slack
            for i in np.flatnonzero(distances[:, -1] ** 2 >= unseen):
                distances[i], found[i] = _settle(queries[i], np.arange(len(rows)), rows, k)
        return distances, eligible[found]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_index": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._rows is not None:
            self._index = self._build(self._rows)


def _settle(
    query: NDArray[np.float32],
    candidates: NDArray[np.int64],
    rows: NDArray[np.float32],
    k: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The ``k`` nearest candidates by subtraction, ties by lower number."""
    offsets = rows[candidates].astype(np.float64) - query
    exact = np.sqrt(np.einsum("ij,ij->i", offsets, offsets))
    order = np.lexsort((candidates, exact))[:k]
    return exact[order], candidates[order]


def _largest_norm(rows: NDArray[np.float32]) -> float:
    return math.sqrt(float(np.einsum("ij,ij->i", rows, rows, dtype=np.float64).max()))


def _checked(
    name: str, values: Any, groups: Any
) -> tuple[NDArray[np.float32], NDArray[np.int64] | None]:
    """Finite float32 (n, d), and int64 (n,) or None: what the Rust index takes."""
    rows, ids = float32_rows(name, values), group_ids(groups)
    if rows.shape[1] == 0:
        raise InvalidInputError(f"{name} must have columns, got shape {rows.shape}")
    if not np.isfinite(rows).all():
        raise InvalidInputError(f"{name} holds values that are not finite")
    if ids is not None and len(ids) != len(rows):
        raise InvalidInputError(f"groups has {len(ids)} ids for {len(rows)} {name}")
    return rows, ids


def squarable(name: str, rows: NDArray[np.float32], library: str) -> NDArray[np.float32]:
    """Refuse rows whose float32 distances would be infinite, or zero though they differ."""
    largest = float(np.abs(rows).max(initial=0.0))
    limit = math.sqrt(float(np.finfo(np.float32).max) / (4 * rows.shape[1]))
    if largest >= limit or 0 < largest < _LEAST_SQUARED:
        raise InvalidInputError(
            f"{name} has magnitudes up to {largest:.3g}, of which {library} cannot square the"
            ' differences in float32: use knn_backend="rust"'
        )
    return rows
