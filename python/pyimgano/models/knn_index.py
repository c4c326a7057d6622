"""Exact nearest-neighbour search behind one protocol."""

from __future__ import annotations

import math
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, InvalidTypeError, NotFittedError
from pyimgano.kernels import KnnIndex
from pyimgano.registry import unknown_name
from pyimgano.utils.checks import check_text
from pyimgano.utils.optional_deps import require

#: Where all values are smaller, float32 has no room for the squares of their differences.
_LEAST_SQUARED = 1e-15

Neighbors = tuple[NDArray[np.float32], NDArray[np.int64]]


class KNNIndex(Protocol):
    """Euclidean (not squared) distances and row numbers, nearest first."""

    def fit(self, X: NDArray[np.float32]) -> Self:
        """Take float32 (n, d) rows as the bank."""
        ...

    def kneighbors(self, X: NDArray[np.float32], k: int) -> Neighbors:
        """Distances float32 (m, k) and indices int64 (m, k) of the ``k`` nearest bank rows."""
        ...


class RustKNNIndex:
    """:class:`pyimgano.kernels.KnnIndex` behind the protocol; the default and the fastest here."""

    def __init__(self, n_threads: int | None = None) -> None:
        self.n_threads = n_threads
        self._index: KnnIndex | None = None

    def fit(self, X: NDArray[np.float32]) -> Self:
        """Take float32 (n, d) rows as the bank."""
        self._index = KnnIndex(X, n_threads=self.n_threads)
        return self

    def kneighbors(self, X: NDArray[np.float32], k: int) -> Neighbors:
        """The ``k`` nearest bank rows of each query; ties by lower index."""
        if self._index is None:
            raise NotFittedError("RustKNNIndex: call fit first")
        return self._index.query(X, k, n_threads=self.n_threads)


class SklearnKNNIndex:
    """scikit-learn's brute force, a reference."""

    def __init__(self) -> None:
        self._index: Any = None

    def fit(self, X: NDArray[np.float32]) -> Self:
        """Take float32 (n, d) rows as the bank."""
        from sklearn.neighbors import NearestNeighbors

        self._bank = _rows("X", X)
        self._index = NearestNeighbors(algorithm="brute", metric="euclidean").fit(self._bank)
        return self

    def kneighbors(self, X: NDArray[np.float32], k: int) -> Neighbors:
        """The ``k`` nearest bank rows of each query."""
        if self._index is None:
            raise NotFittedError("SklearnKNNIndex: call fit first")
        queries, found = _queries(X, k, self._bank), min(k, len(self._bank))
        if not len(queries):
            return _padded(np.empty((0, found), np.float32), np.empty((0, found), np.int64), k)
        indices = self._index.kneighbors(queries, n_neighbors=found, return_distance=False)
        return _padded(*_direct(queries, self._bank, indices), k)


class FaissKNNIndex:
    """``faiss.IndexFlatL2`` (extra ``faiss``).

    It squares in float32, so that values whose squares leave its range are refused. A pickle holds
    the bank; the index is made anew of it.
    """

    def __init__(self) -> None:
        self._faiss = _faiss()
        self._index: Any = None

    def fit(self, X: NDArray[np.float32]) -> Self:
        """Take float32 (n, d) rows as the bank."""
        bank = _squarable("X", _rows("X", X))
        self._index = self._faiss.IndexFlatL2(bank.shape[1])
        self._index.add(bank)
        self._bank = bank
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {} if self._index is None else {"bank": self._bank}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._faiss, self._index = _faiss(), None
        if state:
            self.fit(state["bank"])

    def kneighbors(self, X: NDArray[np.float32], k: int) -> Neighbors:
        """The ``k`` nearest bank rows of each query."""
        if self._index is None:
            raise NotFittedError("FaissKNNIndex: call fit first")
        queries = _squarable("queries", _queries(X, k, self._bank))
        _, indices = self._index.search(queries, min(k, len(self._bank)))
        return _padded(*_direct(queries, self._bank, indices), k)


def _rows(name: str, X: Any) -> NDArray[np.float32]:
    """Finite float32 (n, d) rows, contiguous, at least one: what the Rust index asks for too."""
    rows = np.asarray(X)
    if rows.dtype != np.float32:
        raise InvalidTypeError(f"{name} must be float32, got {rows.dtype}: cast it first")
    if rows.ndim != 2 or rows.shape[1] == 0 or (name == "X" and not len(rows)):
        raise InvalidInputError(f"{name} must have shape (n, d), n and d above 0: {rows.shape}")
    if not np.isfinite(rows).all():
        raise InvalidInputError(f"{name} holds values that are not finite")
    return np.ascontiguousarray(rows)


def _queries(X: Any, k: int, bank: NDArray[np.float32]) -> NDArray[np.float32]:
    queries = _rows("queries", X)
    if queries.shape[1] != bank.shape[1]:
        raise InvalidInputError(
            f"queries have {queries.shape[1]} columns, the bank has {bank.shape[1]}"
        )
    if k < 1:
        raise InvalidInputError(f"k must be at least 1, got {k}")
    return queries


def _faiss() -> Any:
    return require("faiss", extra="faiss", purpose='knn_backend="faiss"')


def _squarable(name: str, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Refuse rows whose distances faiss would find infinite, or zero though they differ."""
    largest = float(np.abs(rows).max(initial=0.0))
    limit = math.sqrt(float(np.finfo(np.float32).max) / (4 * rows.shape[1]))
    if largest >= limit or 0 < largest < _LEAST_SQUARED:
        raise InvalidInputError(
            f"{name} has magnitudes up to {largest:.3g}, of which faiss cannot square the"
            ' differences in float32: use knn_backend="rust"'
        )
    return rows


def _direct(
    queries: NDArray[np.float32], bank: NDArray[np.float32], indices: NDArray[Any]
) -> Neighbors:
    """Distances by subtraction, nearest first, ties by lower index.

    A search expands ||a||^2 + ||b||^2 - 2ab: near zero that leaves nothing but rounding.
    """
    distances = np.empty(indices.shape, dtype=np.float32)
    order = np.array(indices, dtype=np.int64)
    for i, query in enumerate(queries):
        offsets = bank[order[i]].astype(np.float64) - query
        exact = np.sqrt(np.einsum("ij,ij->i", offsets, offsets))
        by = np.lexsort((order[i], exact))
        order[i], distances[i] = order[i][by], exact[by]
    return distances, order


def _padded(distances: NDArray[np.float32], indices: NDArray[np.int64], k: int) -> Neighbors:
    """Infinity and -1 where the bank has fewer than ``k`` rows, as the Rust index says."""
    lacking = k - distances.shape[1]
    if lacking <= 0:
        return distances, indices
    pad = ((0, 0), (0, lacking))
    return (
        np.pad(distances, pad, constant_values=np.inf),
        np.pad(indices, pad, constant_values=-1),
    )


_BACKENDS = {
    "auto": RustKNNIndex,
    "rust": RustKNNIndex,
    "sklearn": SklearnKNNIndex,
    "faiss": FaissKNNIndex,
}


def create_knn_index(knn_backend: str = "auto") -> KNNIndex:
    """An empty index; ``auto`` is always the Rust one, whatever is installed."""
    check_text("knn_backend", knn_backend)
    if knn_backend not in _BACKENDS:
        raise unknown_name("knn_backend", knn_backend, _BACKENDS)
    index: KNNIndex = _BACKENDS[knn_backend]()
    return index
