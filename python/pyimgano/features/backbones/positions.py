"""Position embeddings of vision transformers on the grid of an image of any size.

A network has learnt one vector per place of the grid that it was trained on. For an image of
another size the table is resized, and each network's authors do that in a way of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

#: (h, w) of a table of position embeddings, or of the patches of an image.
Grid = tuple[int, int]


def _dinov2(old: Grid, new: Grid) -> dict[str, Any]:
    # The authors gave sizes as factors, and a tenth of a place on top against rounding down; the
    # factor is what places are computed with, too.
    return {"scale_factor": tuple((n + 0.1) / o for n, o in zip(new, old, strict=True))}


#: How a table is resized by torch: always bicubic, and further by the names of these rules.
RULES: dict[str, Callable[[Grid, Grid], dict[str, Any]]] = {
    # facebookresearch/dinov2, networks without register tokens.
    "dinov2": _dinov2,
    # timm, for every network; and facebookresearch/dinov2 for those with register tokens.
    "timm": lambda old, new: {"size": new, "antialias": True},
    # torchvision.models.vision_transformer.interpolate_embeddings.
    "torchvision": lambda old, new: {"size": new, "align_corners": True},
}


def resized(table: Tensor, grid: Grid, rule: str) -> Tensor:
    """A table (1, h, w, c) on another grid, by one of `RULES`; on its own, as it is."""
    old = (table.shape[1], table.shape[2])
    if old == grid:
        return table
    planes = table.permute(0, 3, 1, 2)
    how = RULES[rule](old, grid)
    return functional.interpolate(planes, mode="bicubic", **how).permute(0, 2, 3, 1)


class Positions(nn.Module):
    """A table of position embeddings.

    Parameters
    ----------
    table
        float32 (1, h * w, c), row by row of the grid; without those of class and register tokens.
    grid
        (h, w).
    rule
        One of `RULES`.
    """

    table: Tensor

    def __init__(self, table: Tensor, grid: Grid, rule: str) -> None:
        super().__init__()
        self.rule = rule
        self.is_fixed = False
        self.register_buffer("table", table.detach().reshape(1, *grid, -1).clone())

    def forward(self, height: int, width: int) -> Tensor:
        """The table for a grid, float32 (1, height, width, c)."""
        return self.table if self.is_fixed else resized(self.table, (height, width), self.rule)

    def fix(self, grid: Grid) -> None:
        """Hold the table for a grid, as a constant, and no other from now on."""
        self.table = self(*grid).contiguous()
        self.is_fixed = True
