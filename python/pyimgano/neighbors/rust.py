"""The package's own search."""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import NotFittedError
from pyimgano.kernels import KnnIndex
from pyimgano.neighbors.base import Neighbors


class RustNeighbors:
    """:class:`pyimgano.kernels.KnnIndex` as a :class:`~pyimgano.neighbors.NearestNeighbors`.

    Parameters
    ----------
    n_threads
        Threads to use; None: the default of the kernels.
    """

    def __init__(self, n_threads: int | None = None) -> None:
        self.n_threads = n_threads
        self._index: KnnIndex | None = None

    def fit(self, rows: NDArray[np.float32], groups: NDArray[np.int64] | None = None) -> Self:
        """Take float32 (m, d) rows to search, with an id per row or without."""
        self._index = KnnIndex(rows, groups=groups, n_threads=self.n_threads)
        return self

    def kneighbors(
        self,
        queries: NDArray[np.float32],
        k: int = 1,
        groups: NDArray[np.int64] | None = None,
    ) -> Neighbors:
        """The ``k`` nearest rows of each query."""
        if self._index is None:
            raise NotFittedError("RustNeighbors: call fit first")
        return self._index.query(queries, k, groups=groups, n_threads=self.n_threads)
