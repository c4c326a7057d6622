"""Exact nearest-neighbour search behind one protocol."""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, NotFittedError
from pyimgano.kernels import KnnIndex
from pyimgano.registry import unknown_name
from pyimgano.utils.optional_deps import require

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

        self._index = NearestNeighbors(algorithm="brute", metric="euclidean").fit(X)
        return self

    def kneighbors(self, X: NDArray[np.float32], k: int) -> Neighbors:
        """The ``k`` nearest bank rows of each query."""
        if self._index is None:
            raise NotFittedError("SklearnKNNIndex: call fit first")
        distances, indices = self._index.kneighbors(X, n_neighbors=k)
        return distances.astype(np.float32), indices.astype(np.int64)


class FaissKNNIndex:
    """``faiss.IndexFlatL2`` (extra ``faiss``)."""

    def __init__(self) -> None:
        self._faiss = require("faiss", extra="faiss", purpose='knn_backend="faiss"')
        self._index: Any = None

    def fit(self, X: NDArray[np.float32]) -> Self:
        """Take float32 (n, d) rows as the bank."""
        self._index = self._faiss.IndexFlatL2(X.shape[1])
        self._index.add(np.ascontiguousarray(X))
        return self

    def kneighbors(self, X: NDArray[np.float32], k: int) -> Neighbors:
        """The ``k`` nearest bank rows of each query."""
        if self._index is None:
            raise NotFittedError("FaissKNNIndex: call fit first")
        if not 1 <= k <= self._index.ntotal:
            raise InvalidInputError(f"k must be 1 to {self._index.ntotal}, got {k}")
        squared, indices = self._index.search(np.ascontiguousarray(X), k)
        # faiss expands ||a||^2 + ||b||^2 - 2ab, which may come out a little below zero.
        return np.sqrt(np.maximum(squared, 0.0)), indices.astype(np.int64)


_BACKENDS = {
    "auto": RustKNNIndex,
    "rust": RustKNNIndex,
    "sklearn": SklearnKNNIndex,
    "faiss": FaissKNNIndex,
}


def create_knn_index(knn_backend: str = "auto") -> KNNIndex:
    """An empty index; ``auto`` is always the Rust one, whatever is installed."""
    if knn_backend not in _BACKENDS:
        raise unknown_name("knn_backend", knn_backend, _BACKENDS)
    index: KNNIndex = _BACKENDS[knn_backend]()
    return index
