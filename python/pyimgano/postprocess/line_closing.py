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
    from scipy.sparse import coo_array  # here, for it takes long to import
    from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

    levels, inverse = np.unique(values, return_inverse=True)
    ranks = inverse.reshape(values.shape).astype(np.int32) + 1  # a weight of 0 would be no step
    outside = values.size
    at = np.arange(outside, dtype=np.int32).reshape(values.shape)
    border = np.ones(values.shape, np.bool_)
    border[1:-1, 1:-1] = False
    steps = [
        (at[:, 1:], at[:, :-1], np.maximum(ranks[:, 1:], ranks[:, :-1])),
        (at[1:], at[:-1], np.maximum(ranks[1:], ranks[:-1])),
        (at[border], np.full(border.sum(), outside, np.int32), ranks[border]),
    ]
    here, there, weights = (
        np.concatenate([x.ravel() for x in part]) for part in zip(*steps, strict=True)
    )
    graph = coo_array((weights, (here, there)), shape=(outside + 1, outside + 1)).tocsr()
    # The way within a minimum spanning tree is one whose highest step is lowest.
    _, towards = breadth_first_order(minimum_spanning_tree(graph), outside, directed=False)
    towards[outside] = outside
    highest = np.append(ranks.ravel(), np.int32(0))
    while (towards != outside).any():  # each way twice as long as before
        highest = np.maximum(highest, highest[towards])
        towards = towards[towards]
    return np.asarray(levels[highest[:-1] - 1].reshape(values.shape), dtype=np.float32)


def _lines(length: int) -> list[NDArray[np.uint8]]:
    """Lines through the middle of a square of `length` pixels, which is odd."""
    half, found = length // 2, []
    for angle in np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS:
        square = np.zeros((length, length), np.uint8)
        x, y = round(half * float(np.cos(angle))), round(half * float(np.sin(angle)))
        cv2.line(square, (half - x, half - y), (half + x, half + y), 1)
        found.append(square)
    return found
