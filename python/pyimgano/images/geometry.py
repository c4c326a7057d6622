"""Which source pixel is this: the way from a source image to what a network sees, and back."""

from dataclasses import dataclass
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, NotEnoughMemoryError

Size = tuple[int, int]


def resize_image(image: NDArray[Any], size: Size) -> NDArray[Any]:
    """Resize to (height, width): area interpolation down, bilinear up."""
    height, width = image.shape[:2]
    if (height, width) == size:
        return image
    shrinks = size[0] * size[1] < height * width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    try:
        return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=method))
    except cv2.error as error:
        if error.code != cv2.Error.StsNoMem:
            raise
        raise NotEnoughMemoryError(
            f"not enough memory to resize an image to {size[0]} x {size[1]} pixels"
        ) from error


def resize_nearest(mask: NDArray[Any], size: Size) -> NDArray[Any]:
    """Resize a mask to (height, width): of each new pixel the old one nearest to its centre."""
    if mask.shape[:2] == size:
        return mask
    found = cv2.resize(mask, (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(found)


def size_within(source: Size, box: Size | None, multiple: int = 1) -> Size:
    """The largest size within a box that keeps the aspect of a source; None: its own size.

    Each side is then rounded to a multiple, though not beyond the box, and is one at least.
    """
    outer = box or source
    share = min(b / s for b, s in zip(outer, source, strict=True))
    height, width = (
        max(1, min(round(s * share / multiple), b // multiple)) * multiple
        for s, b in zip(source, outer, strict=True)
    )
    return height, width


@dataclass(frozen=True)
class Geometry:
    """Where the pixels of a network's input come from: resized first, then cropped.

    Attributes
    ----------
    source
        Height and width of the source image.
    resized
        Height and width that it is brought to.
    crop
        Top, left, height and width of the part that is kept after that.
    """

    source: Size
    resized: Size
    crop: tuple[int, int, int, int]

    @classmethod
    def of(cls, source: Size, resize: Size | None = None, center_crop: Size | None = None) -> Self:
        """The geometry of one image by its height and width, those to bring it to, or None, and
        those of a centred crop after that, or None.

        A crop larger than the resized image is an InvalidInputError.
        """
        outer = resize or source
        inner = center_crop or outer
        if inner[0] > outer[0] or inner[1] > outer[1]:
            raise InvalidInputError(f"center_crop {inner} is larger than the image {outer}")
        top, left = (outer[0] - inner[0]) // 2, (outer[1] - inner[1]) // 2
        return cls(source, outer, (top, left, *inner))

    @classmethod
    def covering(cls, source: Size, box: Size, multiple: int) -> Self:
        """The geometry of an image at the smallest size that covers a box and keeps the aspect, cut
        at the right and the bottom to multiples, of which there is one at least.
        """
        share = max(b / s for b, s in zip(box, source, strict=True))
        height, width = (max(multiple, int(s * share + 1e-6)) for s in source)
        crop = (0, 0, height // multiple * multiple, width // multiple * multiple)
        return cls(source, (height, width), crop)

    @property
    def size(self) -> Size:
        """Height and width of the network's input."""
        return self.crop[2:]

    def forward(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """What a network sees of an image, (H, W) or (H, W, 3) of any number type.

        Returns a new float32 (h, w, 3) array in the same range of values; a grey image has three
        equal channels. An array of another shape is an InvalidInputError.
        """
        if image.ndim != 2 and (image.ndim != 3 or image.shape[2] != 3):
            raise InvalidInputError(f"an image is (H, W) or (H, W, 3), not {image.shape}")
        seen = self.forward_stored(image.astype(np.float32))
        if seen.ndim == 2:
            seen = cv2.cvtColor(seen, cv2.COLOR_GRAY2RGB)
        return np.ascontiguousarray(seen, dtype=np.float32)

    def forward_stored(self, image: NDArray[Any]) -> NDArray[Any]:
        """The same in the number type and with the channels that it has, where it rounds."""
        top, left, height, width = self.crop
        return resize_image(image, self.resized)[top : top + height, left : left + width]

    def to_source(self, seen: NDArray[np.float32]) -> NDArray[np.float32]:
        """A map of the network's input, float32 (h, w), as one of the source image, (H, W),
        bilinear.

        What was cropped away gets the map's lowest value: nothing was seen there. A map of another
        size is an InvalidInputError.
        """
        if seen.shape != self.size:
            raise InvalidInputError(f"a map of {seen.shape} for an input of {self.size}")
        if self.size != self.resized:
            top, left, height, width = self.crop
            frame = np.full(self.resized, seen.min(), dtype=np.float32)
            frame[top : top + height, left : left + width] = seen
            seen = frame
        if self.resized == self.source:
            return seen
        height, width = self.source
        return np.asarray(cv2.resize(seen, (width, height), interpolation=cv2.INTER_LINEAR))
