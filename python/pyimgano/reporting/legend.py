"""What the colours and outlines of a picture mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.reporting.lettering import LINE_HEIGHT, text_width, write
from pyimgano.reporting.overlay import MapScale, heat_overlay

_WIDEST, _MARGIN, _BAR, _TICK, _GAP, _BOX = 520, 8, 14, 5, 14, 15
_GREY = 140


def legend(
    width: int,
    scale: MapScale,
    values: Sequence[tuple[str, float]],
    outlines: Mapping[str, tuple[int, int, int]],
) -> NDArray[np.uint8]:
    """The colour scale with values marked on it, over grey, and a key to the outlines.

    Returns uint8 (height, width, 3), RGB, on white. ``values`` are finite values of the map and
    what they are; ``outlines`` are colours by what they outline.
    """
    bar_width = min(width, _WIDEST) - 2 * _MARGIN
    units = (np.arange(bar_width) + 0.5) / bar_width
    bar = np.full((_BAR, bar_width, 3), _GREY, dtype=np.uint8)
    bar = heat_overlay(bar, np.tile(scale.value(units), (_BAR, 1)), scale)
    lines = 2 if outlines else 1
    height = 2 * _MARGIN + _BAR + _TICK + lines * LINE_HEIGHT
    picture = np.full((height, width, 3), 255, dtype=np.uint8)
    picture[_MARGIN : _MARGIN + _BAR, _MARGIN : _MARGIN + bar_width] = bar
    top = _MARGIN + _BAR + _TICK
    values = sorted(values, key=lambda item: item[1])
    reached = scale.unit(np.array([value for _, value in values]))
    spots = [_MARGIN + min(bar_width - 2, int(unit * bar_width)) for unit in reached]
    for spot in spots:
        picture[_MARGIN:top, spot : spot + 2] = 0
    labels = [f"{name} {value:.4g}" for name, value in values]
    for label, left in zip(labels, _places(labels, spots, width), strict=True):
        write(picture, label, (left, top))
    _key(picture, outlines, top + LINE_HEIGHT)
    return picture


def _places(labels: list[str], spots: list[int], width: int) -> list[int]:
    """Where labels begin: in order, below their spots, or as near as they do not meet."""
    widths = [text_width(label) for label in labels]
    lefts: list[int] = []
    free = 2
    for spot, wide in zip(spots, widths, strict=True):
        lefts.append(max(free, spot - wide // 2))
        free = lefts[-1] + wide + _GAP
    end = width - 2
    for number in reversed(range(len(labels))):
        lefts[number] = max(2, min(lefts[number], end - widths[number]))
        end = lefts[number] - _GAP
    return lefts


def _key(
    picture: NDArray[np.uint8], outlines: Mapping[str, tuple[int, int, int]], top: int
) -> None:
    left = _MARGIN
    for name, colour in outlines.items():
        upper = top + (LINE_HEIGHT - _BOX) // 2
        picture[upper : upper + _BOX, left : left + _BOX] = _GREY
        corner = (left + _BOX - 4, upper + _BOX - 4)
        cv2.rectangle(picture, (left + 3, upper + 3), corner, colour, 2)
        write(picture, name, (left + _BOX + 5, top))
        left += _BOX + 5 + text_width(name) + _GAP
