"""A small backbone of NumPy whose layers are alike, as the blocks of a transformer are."""

from __future__ import annotations

import numpy as np

from pyimgano.extend import BackboneInfo, LayerInfo


class Cells:
    """Means, spreads and edges in cells, two layers of six channels: as blocks of a transformer."""

    def __init__(self, stride: int = 48, second: int = 6) -> None:
        self.stride = stride
        layers = (LayerInfo("a", 6, stride), LayerInfo("b", second, stride))
        self.info = BackboneInfo("cells", layers, ((0.5,) * 3, (0.25,) * 3), stride)

    def layer_maps(self, batch: np.ndarray) -> list[np.ndarray]:
        n, c, height, width = batch.shape
        side = self.stride
        cells = batch.reshape(n, c, height // side, side, width // side, side)
        first = np.concatenate([cells.mean(axis=(3, 5)), cells.std(axis=(3, 5))], axis=1)
        second = np.concatenate([cells.max(axis=(3, 5)), cells.min(axis=(3, 5))], axis=1)
        return [first, np.ascontiguousarray(second[:, : self.info.layers[1].channels])]
