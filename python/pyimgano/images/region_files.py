"""Regions that people draw: a painted picture, a JSON file of polygons, or an array."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError, InvalidInputError
from pyimgano.images.geometry import Size, resize_nearest
from pyimgano.images.reading import inspect_mask, read_image
from pyimgano.images.region import RegionOfInterest, check_aspect
from pyimgano.types import ImageInput
from pyimgano.utils.parameters import Parameter, Unfit, joined
from pyimgano.utils.text import shown

#: What stands for a region that is found from the training images.
AUTO = "auto"
#: A drawing has few colours; a picture with more shades than this over most of it is a photo.
_MOST_COLOURS = 32
#: Polygons are drawn to so many binary digits of a pixel.
_DIGITS = 8
#: Beyond any image; OpenCV draws in whole numbers of 32 bits.
_FARTHEST = 1e5
_MOST_BYTES = 10_000_000


@dataclass(frozen=True)
class Area(Parameter):
    """A file with a region, or a mask as an array (H, W); ``auto`` takes that word too."""

    auto: bool = False

    def _wanted(self) -> str:
        return joined([*self._words(), "an array (H, W) of bool or integers"])

    def _typed(self) -> str:
        return joined(self._words())

    def _words(self) -> list[str]:
        return ["a picture", "a JSON file", *([f'"{AUTO}"'] if self.auto else [])]

    def _plain(self, value: Any) -> Any:
        return value  # as a list of numbers an array would take a hundred times the memory

    def _accept(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            if value.ndim != 2 or value.dtype.kind not in "bui" or not value.size:
                raise Unfit(value, self.wanted)
            return value
        path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
        if not isinstance(path, str) or not path or (path == AUTO and not self.auto):
            raise Unfit(value, self.wanted)
        return path


ROI = Area(
    auto=True,
    none="the whole image",
    stored=False,  # the file has what became of it
    metavar="FILE",
    help="part of the images that counts: a picture painted white on black, a JSON file of"
    " polygons, or auto for what differs among the good images",
)
IGNORE = Area(
    none="nothing",
    stored=False,
    metavar="FILE",
    help="part of the images that does not count: the same kinds of file",
)


@dataclass(frozen=True)
class Polygons:
    """Corners (x, y) of polygons, in pixels of an image of (height, width), or in shares of it."""

    corners: tuple[NDArray[np.float64], ...]
    size: Size | None

    def drawn(self, size: Size) -> NDArray[np.bool_]:
        """The pixels inside of any of them, bool, of an image of (height, width)."""
        height, width = self.size or (1, 1)
        scale = np.array([size[1] / width, size[0] / height])
        mask = np.zeros(size, np.uint8)
        for corners in self.corners:
            # OpenCV's whole numbers are the centres of pixels.
            at = np.rint((corners * scale - 0.5) * 2**_DIGITS).astype(np.int32)
            cv2.fillPoly(mask, [at], 1, shift=_DIGITS)
        return mask.view(np.bool_)


Drawn = NDArray[np.bool_] | Polygons


def read_area(name: str, given: Any) -> Drawn:
    """A region of a file or an array, for parameter ``name``.

    Raises
    ------
    InvalidInputError
        The file cannot be read, or holds no region; names parameter and file.
    """
    if isinstance(given, np.ndarray):
        return np.asarray(given != 0)
    path = os.fspath(given)
    try:
        return _polygons(path) if path.lower().endswith(".json") else _painted(path)
    except ImageReadError as error:
        raise InvalidInputError(f"{name}: {error}") from error
    except _NoRegion as error:
        raise InvalidInputError(f"{name}: {shown(path)} {error}") from error


def draw_region(roi: Drawn | None, ignore: Drawn | None, size: Size) -> RegionOfInterest:
    """The region that is in ``roi`` and not in ``ignore``, at the size (height, width) of images.

    Another aspect, or nothing that is left, is an InvalidInputError.
    """
    inside = np.ones(size, np.bool_) if roi is None else _at("roi", roi, size)
    if ignore is not None:
        inside = inside & ~_at("ignore", ignore, size)
        if not inside.any():
            raise InvalidInputError("ignore leaves no pixel of the images to look at")
    return RegionOfInterest(inside)


def check_is_no_image(name: str, given: Any, images: Iterable[ImageInput]) -> None:
    """Refuse one of the images themselves as a file with a region."""
    if not isinstance(given, (str, os.PathLike)) or os.fspath(given) == AUTO:
        return
    real = os.path.realpath(given)
    for image in images:
        if isinstance(image, (str, os.PathLike)) and os.path.realpath(image) == real:
            raise InvalidInputError(
                f"{name}: {shown(os.fspath(given))} is one of the images, not a mask"
            )


class _NoRegion(Exception):
    """Why a file holds none, in words that follow its name."""


def _at(name: str, drawn: Drawn, size: Size) -> NDArray[np.bool_]:
    if isinstance(drawn, Polygons):
        if drawn.size is not None:
            check_aspect(name, drawn.size, size)
        mask = drawn.drawn(size)
    else:
        check_aspect(name, drawn.shape, size)
        mask = resize_nearest(drawn.view(np.uint8), size).view(np.bool_)
    if not mask.any():
        raise InvalidInputError(f"{name} is empty: it marks no pixel of the images")
    return mask


def _painted(path: str) -> NDArray[np.bool_]:
    """What is not black in a picture."""
    image = read_image(path)
    if inspect_mask(path).lossy:
        raise _NoRegion("is in a lossy format, in which black does not stay black: save it as PNG")
    light = image if image.ndim == 2 else image.max(axis=2)
    values, counts = np.unique(light, return_counts=True)
    if len(values) > _MOST_COLOURS and np.sort(counts)[-2:].sum() < light.size / 2:
        raise _NoRegion(
            f"has {len(values)} shades, as a photo has: paint the region in one colour on black"
        )
    return np.asarray(light > 0)


def _polygons(path: str) -> Polygons:
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise _NoRegion(f"has more than {_MOST_BYTES:,} bytes")
        content = json.loads(data)
    except OSError as error:
        raise _NoRegion(f"cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise _NoRegion("is no JSON") from error
    if not isinstance(content, dict) or not content.get("polygons"):
        raise _NoRegion('lacks "polygons", a list of lists of [x, y]')
    if unknown := sorted(content.keys() - {"polygons", "size"}):
        raise _NoRegion(f'has {unknown[0][:40]!r}: "polygons" and "size" are all that is known')
    size = _size(content.get("size"))
    if not isinstance(content["polygons"], list):
        raise _NoRegion('has "polygons" that are no list')
    corners = [_corners(i, one) for i, one in enumerate(content["polygons"], start=1)]
    if size is None and any(one.min() < 0 or one.max() > 1 for one in corners):
        raise _NoRegion(
            'has corners beyond 0 and 1: shares of the image, unless "size": [width, height] says'
            " of how many pixels it is"
        )
    return Polygons(tuple(corners), size)


def _size(given: Any) -> Size | None:
    if given is None:
        return None
    sides = given if isinstance(given, list) and len(given) == 2 else [0]
    if any(type(side) is not int or not 0 < side < _FARTHEST for side in sides):
        raise _NoRegion('has a "size" that is not [width, height] in whole pixels')
    return sides[1], sides[0]


def _corners(number: int, given: Any) -> NDArray[np.float64]:
    if not isinstance(given, list) or len(given) < 3:
        n = len(given) if isinstance(given, list) else 0
        raise _NoRegion(f"has a polygon of {n} points (number {number}): at least three are needed")
    for point in given:
        pair = isinstance(point, list) and len(point) == 2
        if not pair or not all(_is_place(one) for one in point):
            raise _NoRegion(f"has a point in polygon {number} that is not [x, y] in numbers")
    return np.array(given, dtype=np.float64)


def _is_place(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and -_FARTHEST < value < _FARTHEST
