"""A backbone without a network: differences of neighbouring pixels, at two scales."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.extend import BackboneInfo, Count, LayerInfo, Parameter, register_backbone


class Edges:
    """Strength of horizontal and vertical edges in cells of ``stride`` and twice as many pixels."""

    kind = "edges"  # what detector files call it
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"stride": Count(1, 64)}

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

    def to_state(self) -> dict[str, Any]:
        """Nothing is learnt."""
        return {}

    @classmethod
    def from_state(cls, parameters: Mapping[str, Any], state: Mapping[str, Any]) -> Self:
        return cls(**parameters)

    def _cells(self, edges: NDArray[np.float32], side: int) -> NDArray[np.float32]:
        n, channels, height, width = edges.shape
        cells = edges.reshape(n, channels, height // side, side, width // side, side)
        return cells.mean(axis=(3, 5))


def register() -> None:
    register_backbone(Edges.kind, Edges, summary="Edges in cells, NumPy")
