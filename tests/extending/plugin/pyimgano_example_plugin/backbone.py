"""A backbone without a network: differences of neighbouring pixels, at two scales."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.extend import BackboneInfo, LayerInfo, register_backbone


class Edges:
    """Strength of horizontal and vertical edges in cells of ``stride`` and twice as many pixels."""

    def __init__(self, stride: int = 4) -> None:
        self.stride = stride
        self.info = BackboneInfo(
            name="edges",
            layers=(LayerInfo("small", 6, stride), LayerInfo("large", 6, 2 * stride)),
            normalization=((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
            size_multiple=2 * stride,
        )

    def layer_maps(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        down = np.abs(np.diff(batch, axis=2, append=batch[:, :, -1:]))
        right = np.abs(np.diff(batch, axis=3, append=batch[:, :, :, -1:]))
        edges = np.concatenate([down, right], axis=1)
        return [self._cells(edges, self.stride), self._cells(edges, 2 * self.stride)]

    def get_params(self) -> dict[str, Any]:
        """What a detector file holds of an object."""
        return {"stride": self.stride}

    def _cells(self, edges: NDArray[np.float32], side: int) -> NDArray[np.float32]:
        n, channels, height, width = edges.shape
        cells = edges.reshape(n, channels, height // side, side, width // side, side)
        return cells.mean(axis=(3, 5))


def register() -> None:
    register_backbone("edges", Edges, summary="Edges in cells, NumPy")
