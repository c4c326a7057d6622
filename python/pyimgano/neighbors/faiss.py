"""faiss' search (extra ``faiss``)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.neighbors.exhaustive import ExhaustiveNeighbors, squarable
from pyimgano.utils.optional_deps import require


class FaissNeighbors(ExhaustiveNeighbors):
    """``faiss.IndexFlatL2``.

    It squares in float32, so that values whose squares leave its range are refused.
    """

    _epsilon = float(np.finfo(np.float32).eps)

    def __init__(self) -> None:
        super().__init__()
        _faiss()

    def _build(self, rows: NDArray[np.float32]) -> Any:
        index = _faiss().IndexFlatL2(rows.shape[1])
        index.add(squarable("rows", rows, "faiss"))
        return index

    def _search(
        self, index: Any, queries: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        squared, found = index.search(squarable("queries", queries, "faiss"), k)
        return squared, found


def _faiss() -> Any:
    return require("faiss", extra="faiss", purpose='knn_backend="faiss"')
