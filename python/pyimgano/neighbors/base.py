"""The protocol of a search for the nearest rows."""

from typing import Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: Distances float32 (n, k) and row numbers int64 (n, k).
Neighbors: TypeAlias = tuple[NDArray[np.float32], NDArray[np.int64]]


class NearestNeighbors(Protocol):
    """An exact search among rows, such as those of a memory bank.

    Distances are Euclidean, not squared, in the unit of the rows. An object of your own may come
    from :func:`~pyimgano.neighbors.register_neighbors` or be given as ``knn_backend``; a
    detector copies it (``copy.deepcopy``) and fits the copy.
    """

    def fit(self, rows: NDArray[np.float32], groups: NDArray[np.int64] | None = None) -> Self:
        """Take the rows to search.

        Parameters
        ----------
        rows
            float32 (m, d), finite, m and d at least 1.
        groups
            int64 (m,), an id per row; None: no groups.
        """
        ...

    def kneighbors(
        self,
        queries: NDArray[np.float32],
        k: int = 1,
        groups: NDArray[np.int64] | None = None,
    ) -> Neighbors:
        """The ``k`` nearest rows of each query, nearest first.

        Parameters
        ----------
        queries
            float32 (n, d), finite; n may be 0.
        k
            At least 1; may exceed the number of rows.
        groups
            int64 (n,), exactly where the rows have groups: a query skips the rows of its own.

        Returns
        -------
        distances
            float32 (n, k); infinity where fewer than ``k`` rows are eligible.
        indices
            int64 (n, k), row numbers; equal distances by the lower one. -1 where fewer than ``k``
            rows are eligible.
        """
        ...
