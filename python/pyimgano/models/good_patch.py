"""The place of a good photo that a place of another image was compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from pyimgano.images.geometry import Geometry


@dataclass(frozen=True, eq=False)
class GoodPatch:
    """A patch of a training image.

    Attributes
    ----------
    number, file
        The training image: its number, and its path; empty for one that was no file.
    image
        Its pixels as they are stored, (H, W) or (H, W, 3); None where they cannot be had any more,
        which ``missing`` then tells.
    box
        x, y, width and height of the patch in it, pixels; None where the patch comes from a turned
        copy of the image.
    missing
        Why there is no image.
    """

    number: int
    file: str
    image: NDArray[Any] | None = None
    box: tuple[int, int, int, int] | None = None
    missing: str = ""


def patch_at(geometry: Geometry, grid: tuple[int, int], x: float, y: float) -> tuple[int, int]:
    """Row and column of the patch, of a grid (h, w), that a pixel of the source image lies in.

    A pixel that was cropped away has the patch nearest to it.
    """
    top, left, height, width = geometry.crop
    seen_y = (y + 0.5) * geometry.resized[0] / geometry.source[0] - top
    seen_x = (x + 0.5) * geometry.resized[1] / geometry.source[1] - left
    row, column = int(seen_y * grid[0] // height), int(seen_x * grid[1] // width)
    return min(max(row, 0), grid[0] - 1), min(max(column, 0), grid[1] - 1)


def box_of(geometry: Geometry, grid: tuple[int, int], patch: int) -> tuple[int, int, int, int]:
    """x, y, width and height in the source image of a patch, numbered row by row of its grid."""
    row, column = divmod(patch, grid[1])
    top, left, height, width = geometry.crop
    across = geometry.source[1] / geometry.resized[1]
    down = geometry.source[0] / geometry.resized[0]
    x, right = ((left + c * width / grid[1]) * across for c in (column, column + 1))
    y, bottom = ((top + r * height / grid[0]) * down for r in (row, row + 1))
    x, y = min(int(x), geometry.source[1] - 1), min(int(y), geometry.source[0] - 1)
    return x, y, max(1, round(right - x)), max(1, round(bottom - y))
