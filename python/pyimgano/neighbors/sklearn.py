"""scikit-learn's search."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.neighbors.exhaustive import ExhaustiveNeighbors


class SklearnNeighbors(ExhaustiveNeighbors):
    """scikit-learn's brute force in float64, a reference."""

    _epsilon = float(np.finfo(np.float64).eps)

    def _build(self, rows: NDArray[np.float32]) -> Any:
        from sklearn.neighbors import NearestNeighbors

        index = NearestNeighbors(algorithm="brute", metric="euclidean")
        return index.fit(rows.astype(np.float64))

    def _search(
        self, index: Any, queries: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        distances, found = index.kneighbors(queries.astype(np.float64), n_neighbors=k)
        return distances**2, found
