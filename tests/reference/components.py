"""Connected components by flood fill, one pixel at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def label(mask: NDArray, connectivity: int = 8) -> tuple[NDArray[np.int32], int]:
    """Labels 1, 2, ... in raster order of first pixels, and their number."""
    height, width = mask.shape
    labels = np.zeros((height, width), np.int32)
    steps = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
    if connectivity == 4:
        steps = [(dy, dx) for dy, dx in steps if dy == 0 or dx == 0]
    count = 0
    for start in np.argwhere(mask):
        if labels[tuple(start)]:
            continue
        count += 1
        stack = [tuple(start)]
        while stack:
            y, x = stack.pop()
            if 0 <= y < height and 0 <= x < width and mask[y, x] and not labels[y, x]:
                labels[y, x] = count
                stack += [(y + dy, x + dx) for dy, dx in steps]
    return labels, count


def filter_components(
    anomaly_map: NDArray[np.float32],
    threshold: float,
    min_area: int,
    min_score: float | None,
    connectivity: int,
) -> NDArray[np.float32]:
    """What stays, component by component."""
    labels, count = label(anomaly_map > threshold, connectivity)
    kept = np.zeros_like(anomaly_map)
    for number in range(1, count + 1):
        inside = labels == number
        high = min_score is None or anomaly_map[inside].max() >= np.float32(min_score)
        if inside.sum() >= min_area and high:
            kept[inside] = anomaly_map[inside]
    return kept
