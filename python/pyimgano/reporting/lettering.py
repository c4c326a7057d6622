"""Text on pictures, in the scripts that OpenCV holds, and the legend of their colours."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.reporting.overlay import MapScale, heat_overlay

LINE_HEIGHT = 21
_SIZE, _BASELINE, _MARGIN = 15, 16, 4
_REGULAR, _BOLD = 400, 600
_INK = (20, 20, 20)
#: A longer paragraph loses its middle.
_MOST_LINES = 5

# Hebrew, Arabic and their like, with blanks, digits and marks in between. Brackets and slashes end
# a run: each part of a path stays in its place.
_RTL = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe"
_RTL_RUN = re.compile(rf"[{_RTL}](?:[{_RTL}\d .,_-]*[{_RTL}])?")
#: Of the legend, in pixels, and the grey that is under its colours.
_WIDEST, _EDGE, _BAR, _TICK, _GAP, _BOX = 520, 8, 14, 5, 14, 15
_GREY = 140


def band(text: str, width: int) -> NDArray[np.uint8]:
    """Lines of text on white, the first one bold: uint8 (lines * LINE_HEIGHT, width, 3), RGB.

    What is wider than ``width`` pixels goes on in the next line.
    """
    first, *others = (_wrapped(as_drawn(line), width - 2 * _MARGIN) for line in text.split("\n"))
    lines = [(line, _BOLD) for line in first]
    lines += [(line, _REGULAR) for wrapped in others for line in wrapped]
    picture = np.full((LINE_HEIGHT * len(lines), width, 3), 255, dtype=np.uint8)
    for number, (line, weight) in enumerate(lines):
        write(picture, line, (_MARGIN, number * LINE_HEIGHT), weight=weight)
    return picture


def as_drawn(text: str) -> str:
    r"""The characters of a text from left to right, what has no glyph escaped (``\U0001f600``).

    Text of scripts that run from right to left is turned. Arabic letters are not joined: OpenCV
    does not shape text.
    """
    composed = unicodedata.normalize("NFC", text)
    return "".join(_glyph(char) for char in _RTL_RUN.sub(_turned, composed))


def write(
    picture: NDArray[np.uint8], text: str, corner: tuple[int, int], *, weight: int = _REGULAR
) -> None:
    """Write characters, as :func:`as_drawn` gives them, into a line whose corner is (x, y)."""
    place = (corner[0], corner[1] + _BASELINE)
    cv2.putText(picture, text, place, _INK, _font(), _SIZE, weight)


def text_width(text: str) -> int:
    """How many pixels a text is wide at most."""
    return int(cv2.getTextSize((0, 0), text, (0, 0), _font(), _SIZE, _BOLD)[2])


@cache
def _font() -> cv2.FontFace:
    return cv2.FontFace("sans")


def _turned(run: re.Match[str]) -> str:
    parts = re.findall(r"\d+|.", run[0])  # numbers run from left to right in these scripts too
    return "".join(reversed(parts))


@lru_cache(maxsize=4096)
def _glyph(char: str) -> str:
    if char.isascii() and char.isprintable():
        return char
    kind = unicodedata.category(char)
    if kind == "Zs":
        return " "
    # A mark that did not compose with its letter would be drawn beside it.
    if kind[0] in "MC" or not _has_glyph(char):
        return char.encode("unicode_escape").decode()
    return char


def _has_glyph(char: str) -> bool:
    """OpenCV draws a question mark, or nothing, in place of what its fonts do not hold."""
    drawn, unknown, nothing = (_drawn_alone(one) for one in (char, "?", " "))
    return not np.array_equal(drawn, unknown) and not np.array_equal(drawn, nothing)


def _drawn_alone(char: str) -> NDArray[np.uint8]:
    picture = np.full((2 * LINE_HEIGHT, 2 * LINE_HEIGHT, 3), 255, dtype=np.uint8)
    write(picture, char, (_MARGIN, _MARGIN))
    return picture


def _wrapped(text: str, width: int) -> list[str]:
    lines = []
    while text_width(text) > width:
        fits = 1
        while text_width(text[: fits + 1]) <= width:
            fits += 1
        blank = text.rfind(" ", fits // 2, fits + 1)
        cut = fits if blank < 1 else blank
        lines.append(text[:cut])
        text = text[cut:].lstrip(" ")
    lines.append(text)
    if len(lines) > _MOST_LINES:
        lines = [*lines[:2], "...", *lines[2 - _MOST_LINES + 1 :]]
    return lines


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
    bar_width = min(width, _WIDEST) - 2 * _EDGE
    units = (np.arange(bar_width) + 0.5) / bar_width
    bar = np.full((_BAR, bar_width, 3), _GREY, dtype=np.uint8)
    bar = heat_overlay(bar, np.tile(scale.value(units), (_BAR, 1)), scale)
    lines = 2 if outlines else 1
    height = 2 * _EDGE + _BAR + _TICK + lines * LINE_HEIGHT
    picture = np.full((height, width, 3), 255, dtype=np.uint8)
    picture[_EDGE : _EDGE + _BAR, _EDGE : _EDGE + bar_width] = bar
    top = _EDGE + _BAR + _TICK
    values = sorted(values, key=lambda item: item[1])
    reached = scale.unit(np.array([value for _, value in values]))
    spots = [_EDGE + min(bar_width - 2, int(unit * bar_width)) for unit in reached]
    for spot in spots:
        picture[_EDGE:top, spot : spot + 2] = 0
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
    left = _EDGE
    for name, colour in outlines.items():
        upper = top + (LINE_HEIGHT - _BOX) // 2
        picture[upper : upper + _BOX, left : left + _BOX] = _GREY
        corner = (left + _BOX - 4, upper + _BOX - 4)
        cv2.rectangle(picture, (left + 3, upper + 3), corner, colour, 2)
        write(picture, name, (left + _BOX + 5, top))
        left += _BOX + 5 + text_width(name) + _GAP
