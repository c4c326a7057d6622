"""PatchCore's neighbourhood aggregation over feature maps (Roth et al., CVPR 2022, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def aggregate(maps: Sequence[Tensor]) -> Tensor:
    """Average each map over 3 x 3 patches, bring all to the finest grid, concatenate.

    Parameters
    ----------
    maps
        (n, c_i, h_i, w_i) float32.

    Returns
    -------
    Tensor
        (n, h, w, sum of c_i), contiguous, h and w those of the finest map.
    """
    import torch
    from torch.nn import functional

    grid = max((m.shape[-2:] for m in maps), key=lambda size: size[0] * size[1])
    pooled = []
    for feature_map in maps:
        smooth = functional.avg_pool2d(feature_map, kernel_size=3, stride=1, padding=1)
        if smooth.shape[-2:] != grid:
            smooth = functional.interpolate(smooth, size=grid, mode="bilinear", align_corners=False)
        pooled.append(smooth)
    return torch.cat(pooled, dim=1).permute(0, 2, 3, 1).contiguous()
