"""Text on pictures, in the scripts that OpenCV's own fonts hold."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

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
