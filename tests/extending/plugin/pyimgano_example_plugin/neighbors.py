"""A search by NumPy, one query at a time."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.extend import register_neighbors


class TableNeighbors:
    """Distances to all rows, sorted."""

    def fit(self, rows: NDArray[np.float32], groups: NDArray[np.int64] | None = None) -> Self:
        self.rows, self.groups = rows.astype(np.float64), groups
        return self

    def kneighbors(
        self, queries: NDArray[np.float32], k: int = 1, groups: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        distances = np.full((len(queries), k), np.inf, np.float32)
        indices = np.full((len(queries), k), -1, np.int64)
        for i, query in enumerate(queries):
            to_all = np.sqrt(((self.rows - query) ** 2).sum(axis=1))
            order = np.argsort(to_all, kind="stable")
            if groups is not None:
                order = order[self.groups[order] != groups[i]]
            nearest = order[:k]
            distances[i, : len(nearest)], indices[i, : len(nearest)] = to_all[nearest], nearest
        return distances, indices


def register() -> None:
    register_neighbors("table", TableNeighbors, summary="NumPy, one query at a time")
