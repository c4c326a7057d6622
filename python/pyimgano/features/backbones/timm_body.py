"""The part of a network of timm that the layers in use need, as a module of torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pyimgano.features.backbones.positions import Grid, Positions
from pyimgano.features.backbones.timm_layers import Layer


class Unfilled(TorchFunctionMode):
    """Parameters of networks that are made meanwhile are not set to random values.

    For those that a file fills: drawing them takes longer than all else.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Leave out what changes a parameter in place."""
        name = getattr(func, "__name__", "")
        given = dict(kwargs or {})
        target = args[0] if args else given.get("tensor")
        in_place = name.endswith("_") and not name.startswith(("_", "requires_"))
        if in_place and isinstance(target, nn.Parameter):
            return target
        return func(*args, **given)


class TimmBody(nn.Module):
    """A batch (n, 3, H, W) in, a dict of maps (n, channels, h, w) by the names of layers out.

    The network is cut after the last of them, and is the body's own from then on.
    """

    network: Any

    def __init__(self, network: nn.Module, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.layers = tuple(layers)
        self.indices = sorted({layer.index for layer in layers})
        is_normed = any(layer.is_normed for layer in layers)
        self.network = network
        self.network.prune_intermediate_layers(
            self.indices, prune_norm=not is_normed, prune_head=True
        )

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """The maps, without the tokens of class and registers."""
        found = self.network.forward_intermediates(
            image, indices=self.indices, stop_early=True, intermediates_only=True
        )
        by_index = dict(zip(self.indices, found, strict=True))
        maps = {}
        for layer in self.layers:
            one = by_index[layer.index]
            if layer.is_normed:  # the norm is of each token by itself
                one = self.network.norm(one.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            maps[layer.info.name] = one
        return maps

    def place_positions(self, rule: str) -> None:
        """Have the table of positions, where the network has one, resized by one of the rules.

        What it adds to the tokens of class and registers is added once and for all.
        """
        network = self.network
        if type(network) not in (VisionTransformer, Eva) or network.pos_embed is None:
            return
        table = network.pos_embed.detach()
        n_prefix = 0 if network.no_embed_class else network.num_prefix_tokens
        start = 0
        for name in ("cls_token", "reg_token"):
            token = getattr(network, name)
            if token is not None and n_prefix:
                stop = start + token.shape[1]
                setattr(network, name, nn.Parameter(token.detach() + table[:, start:stop]))
                start = stop
        positions = Positions(table[:, n_prefix:], network.patch_embed.grid_size, rule)
        network.patch_embed = _PositionedPatches(network.patch_embed, positions)
        network.pos_embed = None

    def fix(self, height: int, width: int) -> None:
        """Hold the positions of images of a size as constants, and take no other from now on."""
        network = self.network
        has_table = isinstance(getattr(network, "patch_embed", None), _PositionedPatches)
        has_angles = getattr(network, "rope", None) is not None
        if not (has_table or has_angles):  # XCiT computes its own, an MLP has none
            return
        grid = network.patch_embed.dynamic_feat_size((height, width))
        with torch.inference_mode(False), torch.no_grad():
            if has_table:
                network.patch_embed.positions.fix(grid)
            if has_angles:
                network.rope = _FixedRotation(network.rope.get_embed(shape=grid))


class _PositionedPatches(nn.Module):
    """A patch embedding of timm that adds the position embeddings.

    It stands in the place of the network's own, which then has no ``pos_embed``.
    """

    patches: Any

    def __init__(self, patches: nn.Module, positions: Positions) -> None:
        super().__init__()
        self.patches = patches
        self.positions = positions

    def forward(self, image: Tensor) -> Tensor:
        """(n, 3, H, W) to (n, h, w, c)."""
        tokens: Tensor = self.patches(image)
        added: Tensor = self.positions(*tokens.shape[1:3])
        return tokens + added

    def dynamic_feat_size(self, size: Grid) -> Grid:
        """The grid of an image of a size."""
        found: Grid = self.patches.dynamic_feat_size(size)
        return found


class _FixedRotation(nn.Module):
    """Rotary position embeddings of one grid, in the place of timm's own of any."""

    table: Tensor

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.register_buffer("table", table.detach().clone())

    def get_embed(self, shape: Grid | None = None) -> Tensor:
        """What the network adds the angles of."""
        return self.table
