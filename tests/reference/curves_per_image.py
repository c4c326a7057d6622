"""sPRO, AUPIMO and F1 at a threshold, from counts at every distinct score."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Defect = tuple[int, NDArray, int]


def levels(maps: Sequence[NDArray]) -> NDArray:
    """Distinct scores of all maps, descending: each flags what is not below it."""
    return np.unique(np.concatenate([np.asarray(m, np.float64).ravel() for m in maps]))[::-1]


def spro(
    masks: Sequence[NDArray], maps: Sequence[NDArray], defects: Sequence[Defect], limit: float
) -> float:
    """Mean of min(found / saturation, 1) against the rate of false positives, up to the limit."""
    normal = np.concatenate(
        [m[k == 0].astype(np.float64) for k, m in zip(masks, maps, strict=True)]
    )
    points = [(0.0, 0.0)]
    for level in levels(maps):
        overlaps = [
            min(np.sum(maps[image].ravel()[pixels] >= level) / saturation, 1.0)
            for image, pixels, saturation in defects
        ]
        points.append((float(np.mean(normal >= level)), float(np.mean(overlaps))))
    area = 0.0
    for (x, y), (to, rise) in itertools.pairwise(points):
        end = min(to, limit)
        if end > x:
            at_end = y + (rise - y) * (end - x) / (to - x)
            area += (end - x) * (y + at_end) / 2
    return area / limit


def aupimo(
    masks: Sequence[NDArray], maps: Sequence[NDArray], low: float, high: float
) -> list[float]:
    """Of each image the overlap, integrated over the logarithm of the good images' mean rate."""
    good = [m for k, m in zip(masks, maps, strict=True) if not np.any(k)]
    rates = [0.0, *(float(np.mean([np.mean(m >= t) for m in good])) for t in levels(maps))]
    found = []
    for mask, scores in zip(masks, maps, strict=True):
        if not np.any(mask) or not good:
            found.append(math.nan)
            continue
        inside = scores[mask != 0]
        overlaps = [0.0, *(float(np.mean(inside >= level)) for level in levels(maps))]
        area = 0.0
        for i in range(1, len(rates)):
            start, end = max(rates[i - 1], low), min(rates[i], high)
            if end > start:
                slope = (overlaps[i] - overlaps[i - 1]) / (rates[i] - rates[i - 1])
                # of (base + slope * rate) / rate
                base = overlaps[i - 1] - slope * rates[i - 1]
                area += base * math.log(end / start) + slope * (end - start)
        found.append(area / math.log(high / low))
    return found
