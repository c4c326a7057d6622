"""Closing by lines of all directions, which joins the pieces of thin defects, and filling."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

#: Directions of the lines, from 0 to 180 degrees, and the share of a level that a pixel must reach
#: to be filled: both are SuperADD's.
_DIRECTIONS, _SHARE = 16, 0.8


def close_by_lines(values: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """The highest of the grey closings by lines of `length` pixels; nowhere lower than `values`.

    A binary closing of ``values > level`` is the same as ``closed > level`` of the grey one, for
    every level: flat steps and thresholds can change places. As in SuperADD (2026), a pixel is
    filled only if it exceeds 0.8 times the level itself; where values are not positive, nothing is.
    SuperADD thickens the lines of its dilation beside that.

    `values` is float32 (H, W), finite; nothing outside takes part.
    """
    closed: NDArray[Any] = values
    for line in _lines(length):
        one = cv2.morphologyEx(values, cv2.MORPH_CLOSE, line)
        closed = np.maximum(closed, one)
    with np.errstate(over="ignore"):  # infinity limits nothing
        limit = values / np.float32(_SHARE)
    return np.asarray(np.maximum(values, np.minimum(closed, limit)), dtype=np.float32)


def fill_outlines(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each pixel raised to the level at which it is cut off from the border of the map.

    A binary filling of closed outlines in ``values > level`` is the same as ``filled > level``, for
    every level: of all ways from a pixel to the border, by steps to one of four neighbours, the
    highest value on the way that stays lowest. `values` is float32 (H, W), finite.
    """
    filled = np.full_like(values, np.inf)
    for part in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        filled[part] = values[part]
    both = [(filled, values), (filled.T, values.T)]
    while True:
        before = filled.copy()
        for water, walls in both:
            for rows in (range(1, len(water)), range(len(water) - 2, -1, -1)):
                step = 1 if rows.step > 0 else -1
                for y in rows:
                    np.minimum(water[y], water[y - step], out=water[y])
                    np.maximum(water[y], walls[y], out=water[y])
        if np.array_equal(before, filled):
            return filled


def _lines(length: int) -> list[NDArray[np.uint8]]:
    """Lines through the middle of a square of `length` pixels, which is odd."""
    half, found = length // 2, []
    for angle in np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS:
        square = np.zeros((length, length), np.uint8)
        x, y = round(half * float(np.cos(angle))), round(half * float(np.sin(angle)))
        cv2.line(square, (half - x, half - y), (half + x, half + y), 1)
        found.append(square)
    return found
