"""faiss' search (extra ``faiss``)."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.neighbors.exhaustive import ExhaustiveNeighbors
from pyimgano.utils.optional_deps import require

#: Where all values are smaller, float32 has no room for the squares of their differences.
_LEAST_SQUARED = 1e-15


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
        index.add(_squarable("rows", rows))
        return index

    def _search(
        self, index: Any, queries: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        squared, found = index.search(_squarable("queries", queries), k)
        return squared, found


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
