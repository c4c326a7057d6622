"""The part of a vision transformer of torchvision that the layers in use need, for any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pyimgano.features.backbones.base import LayerInfo
from pyimgano.features.backbones.positions import Grid, resized

_PATCHES, _BLOCK, _NORM = "conv_proj", "encoder.layers.encoder_layer_", "encoder.ln"


def layer_names(network: Any) -> list[str]:
    """The embedding of the patches, each block, and the last block through the last norm."""
    blocks = [f"{_BLOCK}{i}" for i in range(len(network.encoder.layers))]
    return [_PATCHES, *blocks, _NORM]


def default_layers(
    network: Any, blocks: Callable[[int], Sequence[int] | None] | None
) -> tuple[str, ...]:
    """Those blocks, else the last one through the norm."""
    picked = None if blocks is None else blocks(len(network.encoder.layers))
    return (_NORM,) if picked is None else tuple(f"{_BLOCK}{i}" for i in picked)


class TransformerBody(nn.Module):
    """A batch (n, 3, H, W) in, a dict of maps (n, channels, h, w) by the names of layers out.

    The parameters have torchvision's names. Its own code takes images of one size; here the table
    of positions is brought to others as ``interpolate_embeddings`` there does.
    """

    encoder: Any

    def __init__(self, network: Any, layers: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(layers)
        self.patch = int(network.patch_size)
        side = network.image_size // self.patch
        self.grid = (side, side)
        self.channels = int(network.hidden_dim)
        self.conv_proj = network.conv_proj
        self.encoder = None
        known = layer_names(network)
        n_blocks = min(max(known.index(name) for name in layers), len(network.encoder.layers))
        if n_blocks == 0:  # the patches alone
            return
        self.encoder = network.encoder
        self.class_token = network.class_token
        self.encoder.layers = self.encoder.layers[:n_blocks]
        if _NORM not in layers:
            self.encoder.ln = nn.Identity()

    @property
    def infos(self) -> tuple[LayerInfo, ...]:
        """Facts about the layers."""
        return tuple(LayerInfo(name, self.channels, self.patch) for name in self.names)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """The maps, without the class token."""
        if image.shape[2] % self.patch or image.shape[3] % self.patch:
            raise ValueError(f"its sides must be multiples of {self.patch}")
        planes = self.conv_proj(image)
        found = {_PATCHES: planes}
        if self.encoder is not None:
            grid = (planes.shape[2], planes.shape[3])
            for_class = self.class_token.expand(len(image), -1, -1)
            tokens = torch.cat([for_class, planes.flatten(2).transpose(1, 2)], dim=1)
            tokens = tokens + self._positions(grid)
            for i, block in enumerate(self.encoder.layers):
                tokens = block(tokens)
                if f"{_BLOCK}{i}" in self.names:
                    found[f"{_BLOCK}{i}"] = _as_map(tokens, grid)
            if _NORM in self.names:
                found[_NORM] = _as_map(self.encoder.ln(tokens), grid)
        return {name: found[name] for name in self.names}

    def fix(self, height: int, width: int) -> None:
        """Hold the positions of images of a size as constants, and take no other from now on."""
        grid = (height // self.patch, width // self.patch)
        if self.encoder is not None:
            with torch.no_grad():
                self.encoder.pos_embedding = nn.Parameter(self._positions(grid).clone())
        self.grid = grid

    def _positions(self, grid: Grid) -> Tensor:
        table: Tensor = self.encoder.pos_embedding
        if grid == self.grid:
            return table
        patches = table[:, 1:].reshape(1, *self.grid, -1)
        return torch.cat([table[:, :1], resized(patches, grid, "torchvision").flatten(1, 2)], dim=1)


def _as_map(tokens: Tensor, grid: Grid) -> Tensor:
    n, _, channels = tokens.shape
    return tokens[:, 1:].transpose(1, 2).reshape(n, channels, *grid)
