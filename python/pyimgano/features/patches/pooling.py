"""Maps of several layers on one grid: by default as PatchCore does (Roth et al., CVPR 2022, 3.1).

Twice the same arithmetic: on torch tensors, wherever they lie, and on NumPy arrays where no torch
is to be had. A 3 x 3 mean counts the zeros beyond the border (it always divides by 9); finer grids
are reached by bilinear interpolation with pixel centres at half-integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Aggregation:
    """How maps become one row of features per place.

    Attributes
    ----------
    pooled
        Whether each map is averaged over 3 x 3 places.
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


#: PatchCore's.
POOLED = Aggregation()


def aggregate(maps: Sequence[Tensor], how: Aggregation = POOLED) -> Array:
    """Average each map over 3 x 3 patches, bring all to the finest grid, concatenate.

    The maps are float32 (n, c_i, h_i, w_i), all on one device, where it is computed; the result is
    float32 (n, h, w, sum of c_i), h and w those of the finest map.
    """
    import torch
    from torch.nn import functional

    grid = max((m.shape[-2:] for m in maps), key=lambda size: size[0] * size[1])
    pooled = []
    with torch.inference_mode():
        for feature_map in maps:
            smooth = feature_map
            if how.pooled:
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


def aggregate_arrays(maps: Sequence[Array], how: Aggregation = POOLED) -> Array:
    """What :func:`aggregate` does, on arrays: equal to it within 1e-6 of the largest value."""
    height, width = max((m.shape[-2:] for m in maps), key=lambda size: size[0] * size[1])
    depth = sum(m.shape[1] for m in maps)
    out = np.empty((len(maps[0]), height, width, depth), dtype=np.float32)
    for number, image in enumerate(out):
        start = 0
        for feature_map in maps:
            stop = start + feature_map.shape[1]
            values = _average(feature_map[number]) if how.pooled else _last(feature_map[number])
            if how.nearest:
                image[:, :, start:stop] = _nearest(values, height, width)
            else:
                _enlarge(values, image[:, :, start:stop])
            start = stop
    if len(how.parts([m.shape[1] for m in maps])) < len(maps):
        found: Array = out.reshape(*out.shape[:3], len(maps), -1).mean(axis=3)
        return found
    return out


def _last(feature_map: Array) -> Array:
    """(c, h, w) as (h, w, c): a view where it lies so in memory."""
    channels, height, width = feature_map.shape
    if feature_map.transpose(1, 2, 0).flags.c_contiguous:
        return feature_map.transpose(1, 2, 0)
    flat = np.ascontiguousarray(feature_map).reshape(channels, height * width)
    return np.asarray(cv2.transpose(flat), dtype=np.float32).reshape(height, width, channels)


def _nearest(values: Array, height: int, width: int) -> Array:
    """The value of the cell in which each place of a finer grid begins, as torch has it."""
    rows = np.arange(height) * values.shape[0] // height
    columns = np.arange(width) * values.shape[1] // width
    found: Array = values[rows[:, None], columns]
    return found


def _average(feature_map: Array) -> Array:
    """3 x 3 means of (c, h, w), as (h, w, c)."""
    values = _last(feature_map)
    rows = values.copy()
    rows[1:] += values[:-1]
    rows[:-1] += values[1:]
    # Neighbours along a row are `channels` apart: whole planes again.
    sums = rows.copy()
    sums[:, 1:] += rows[:, :-1]
    sums[:, :-1] += rows[:, 1:]
    sums *= np.float32(1 / 9)
    return sums


def _enlarge(values: Array, out: Array) -> None:
    """Bilinear interpolation of (h, w, c) to the grid of ``out``, which it fills.

    Row by row: what is in between stays in the cache.
    """
    if values.shape == out.shape:
        out[:] = values
        return
    left, right, across = _positions(values.shape[1], out.shape[1])
    across = across[:, None]
    row, part = np.empty_like(values[0]), np.empty_like(values[0])
    for line, low, high, share in zip(out, *_positions(values.shape[0], out.shape[0]), strict=True):
        np.multiply(values[low], 1 - share, out=row)
        row += np.multiply(values[high], share, out=part)
        np.multiply(row[left], 1 - across, out=line)
        line += row[right] * across


@lru_cache(maxsize=64)
def _positions(n: int, wanted: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """For each of ``wanted`` points over ``n`` cells: cells below and above, share of the latter.

    In float32 as torch has it, so that shares agree to the last bit.
    """
    scale = np.float32(n) / np.float32(wanted)
    at = np.maximum(scale * (np.arange(wanted, dtype=np.float32) + np.float32(0.5)) - 0.5, 0)
    low = np.minimum(at.astype(np.intp), n - 1)
    return low, np.minimum(low + 1, n - 1), (at - low).astype(np.float32)
