"""Which part of the images counts: a region of interest, at any size of the images."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.images.geometry import Geometry, Size, resize_nearest
from pyimgano.images.references import rotated

#: A place of a grid counts where at least this share of it is inside.
_SHARE = 0.5
#: Grids that are remembered.
_MOST_KNOWN = 64


class NoPatchInsideError(InvalidInputError):
    """A region of interest has no patch of an image: the region is to blame, not the image."""


@dataclass(frozen=True, eq=False)
class RegionOfInterest:
    """The pixels of an image that count; all others are neither learnt nor scored.

    Attributes
    ----------
    mask
        bool (H, W), True inside. It is scaled to images of the same aspect.
    """

    mask: NDArray[np.bool_]
    _known: dict[Any, NDArray[np.bool_]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.mask.any():
            raise InvalidInputError("the region of interest is empty: no pixel is left to look at")

    @property
    def share(self) -> float:
        """The share of the pixels that are inside."""
        return float(self.mask.mean())

    def at(self, size: Size) -> NDArray[np.bool_]:
        """The pixels inside of an image of that height and width, bool (H, W).

        An image of another aspect is an InvalidInputError.
        """
        self.check(size)
        return _scaled(self.mask, size)

    def check(self, size: Size) -> None:
        """Refuse images of a height and width of another aspect: an InvalidInputError."""
        check_aspect("the region of interest", self.mask.shape, size)

    def on_grid(self, geometry: Geometry, shape: Size, degrees: float = 0.0) -> NDArray[np.bool_]:
        """The places inside of a grid over what a network sees of an image, bool (h, w).

        A place is inside where at least half of it is.

        Parameters
        ----------
        geometry
            Of the image.
        shape
            Height and width of the grid.
        degrees
            By how much the image is turned, counterclockwise about its centre.

        Raises
        ------
        InvalidInputError
            The image has another aspect, or no place is inside.
        """
        self.check(geometry.source)
        # Not by the source: images that are brought to one size have the same places.
        key = (geometry.resized, geometry.crop, shape, degrees)
        found = self._known.get(key)
        if found is None:
            found = self._on_grid(geometry, shape, degrees)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()  # another thread may ask at the same time
            self._known[key] = found
        return found

    def on_seen(self, geometry: Geometry) -> NDArray[np.bool_]:
        """The pixels inside of what a network sees of an image, bool (h, w), by :meth:`on_grid`."""
        return self.on_grid(geometry, geometry.size)

    def _on_grid(self, geometry: Geometry, shape: Size, degrees: float) -> NDArray[np.bool_]:
        mask = self.mask.astype(np.uint8)
        if degrees:
            mask = rotated(mask, degrees, border=cv2.BORDER_CONSTANT, method=cv2.INTER_NEAREST)
        if geometry.size != geometry.resized:
            top, left, height, width = geometry.crop
            mask = _scaled(mask, geometry.resized)[top : top + height, left : left + width]
        # Each place of the grid has pixels of its own, so that their mean is its share.
        mask = _scaled(mask, (max(mask.shape[0], shape[0]), max(mask.shape[1], shape[1])))
        shares = cv2.resize(
            mask.astype(np.float32), (shape[1], shape[0]), interpolation=cv2.INTER_AREA
        )
        # Sums of float32 may come out a little below the half that they are.
        inside = np.asarray(shares >= _SHARE - 1e-6)
        if not inside.any():
            turned = f" turned by {degrees:g} degrees" if degrees else ""
            raise NoPatchInsideError(
                f"the region of interest (roi, ignore) covers no patch of an image{turned}:"
                f" none of {shape[0]} x {shape[1]} is half inside; draw it larger, or set a larger"
                " image_size"
            )
        return inside

    def to_state(self) -> dict[str, NDArray[Any]]:
        """Arrays of the mask for a file: eight pixels a byte, row by row."""
        size = np.array(self.mask.shape, dtype=np.float64)
        return {"roi": np.packbits(self.mask, axis=1), "roi_size": size}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        """The region of :meth:`to_state`; arrays that cannot be one are an InvalidInputError."""
        packed, size = state["roi"], state["roi_size"]
        fits = packed.ndim == 2 and packed.dtype == np.uint8 and size.shape == (2,)
        if not fits or packed.shape != (size[0], -(-size[1] // 8)):
            raise InvalidInputError(f"a region {packed.shape} and its size do not go together")
        width = int(size[1])
        return cls(np.unpackbits(packed, axis=1, count=width).astype(np.bool_))


def check_aspect(name: str, mask: Size, image: Size) -> None:
    """Refuse a mask whose sides are no multiple of an image's, but for rounding to whole pixels.

    Sizes are (height, width); the InvalidInputError begins with the name.
    """
    apart = abs(mask[0] * image[1] - mask[1] * image[0])
    # Half a pixel more or less on the sides of the smaller one moves the difference by so much.
    if apart > max(sum(mask), sum(image)) / 2:
        raise InvalidInputError(
            f"{name} is {mask[1]} x {mask[0]} pixels, of another aspect than an image of"
            f" {image[1]} x {image[0]}"
        )


def _scaled(mask: NDArray[Any], size: Size) -> NDArray[Any]:
    scaled = resize_nearest(mask.view(np.uint8), size)
    return scaled.view(mask.dtype)
