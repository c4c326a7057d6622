"""Maps of several layers on one grid: by default as PatchCore does (Roth et al., CVPR 2022, 3.1).

Twice the same arithmetic: on torch tensors, wherever they lie, and on NumPy arrays, by a kernel.
A 3 x 3 mean counts the zeros beyond the border (it always divides by 9); finer grids are reached by
bilinear interpolation with pixel centres at half-integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.kernels import join_maps

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Aggregation:
    """How maps become one row of features per place.

    Attributes
    ----------
    pooled
        Whether each map is averaged over 3 x 3 places, if it is no mean already.
    nearest
        Whether a finer grid takes the nearest value in place of an interpolated one.
    averaged
        Whether layers are averaged, if all have as many channels, in place of joined.
    """

    pooled: bool = True
    nearest: bool = False
    averaged: bool = False

    def parts(self, channels: Sequence[int]) -> tuple[int, ...]:
        """Of which layers' channels the rows consist, in order."""
        is_mean = self.averaged and len(set(channels)) == 1
        return tuple(channels[:1] if is_mean else channels)

    def pools(self, averaged: Sequence[bool], n_maps: int) -> list[bool]:
        """Which maps are averaged; ``averaged`` says which are means, none of them if empty."""
        return [self.pooled and not one for one in averaged or (False,) * n_maps]


#: PatchCore's.
POOLED = Aggregation()


def aggregate(
    maps: Sequence[Tensor], how: Aggregation = POOLED, averaged: Sequence[bool] = ()
) -> Array:
    """Average each map over 3 x 3 patches, bring all to the finest grid, concatenate.

    The maps are float32 (n, c_i, h_i, w_i), all on one device, where it is computed; those that are
    means already, as ``averaged`` says, stay as they are. The result is float32
    (n, h, w, sum of c_i), h and w those of the finest map.
    """
    import torch
    from torch.nn import functional

    grid = max((m.shape[-2:] for m in maps), key=lambda size: size[0] * size[1])
    pooled = []
    with torch.inference_mode():
        for feature_map, is_pooled in zip(maps, how.pools(averaged, len(maps)), strict=True):
            smooth = feature_map
            if is_pooled:
                smooth = functional.avg_pool2d(feature_map, kernel_size=3, stride=1, padding=1)
            if smooth.shape[-2:] != grid:
                smooth = (
                    functional.interpolate(smooth, size=grid, mode="nearest")
                    if how.nearest
                    else functional.interpolate(
                        smooth, size=grid, mode="bilinear", align_corners=False
                    )
                )
            pooled.append(smooth)
        is_mean = len(how.parts([m.shape[1] for m in maps])) < len(maps)
        one = torch.stack(pooled).mean(dim=0) if is_mean else torch.cat(pooled, dim=1)
        joined = one.permute(0, 2, 3, 1).contiguous()
        found: Array = joined.cpu().numpy()
    return found


def aggregate_arrays(
    maps: Sequence[Array], how: Aggregation = POOLED, averaged: Sequence[bool] = ()
) -> Array:
    """What :func:`aggregate` does, on arrays: equal to it within 1e-6 of the largest value."""
    pooled = how.pools(averaged, len(maps))
    rows = join_maps([_last(one) for one in maps], pooled=pooled, nearest=how.nearest)
    if len(how.parts([m.shape[1] for m in maps])) < len(maps):
        found: Array = rows.reshape(*rows.shape[:3], len(maps), -1).mean(axis=3)
        return found
    return rows


def _last(maps: Array) -> Array:
    """(n, c, h, w) as (n, h, w, c), contiguous: a view where it lies so in memory."""
    if maps.transpose(0, 2, 3, 1).flags.c_contiguous:
        return maps.transpose(0, 2, 3, 1)
    n, channels, height, width = maps.shape
    found = np.empty((n, height, width, channels), dtype=np.float32)
    for planes, places in zip(maps, found, strict=True):
        flat = np.ascontiguousarray(planes).reshape(channels, height * width)
        cv2.transpose(flat, dst=places.reshape(height * width, channels))
    return found
