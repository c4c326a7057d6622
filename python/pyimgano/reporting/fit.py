"""The size at which an image, its map and its masks are shown."""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.images.geometry import resize_image

#: A panel has at most so many pixels, and no side longer than this.
MOST_PIXELS, LONGEST_SIDE = 768 * 768, 2048
#: Whole pixels of smaller images become squares, as large as fit into this.
_ENLARGED_SIDE = 512


def panel_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width at which an image of this shape is shown: a fraction or a whole multiple."""
    height, width = shape[:2]
    factor = min(1.0, LONGEST_SIDE / max(height, width), math.sqrt(MOST_PIXELS / (height * width)))
    if factor < 1.0:
        return max(1, round(height * factor)), max(1, round(width * factor))
    times = max(1, _ENLARGED_SIDE // max(height, width))
    return height * times, width * times


def thumbnail_size(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    """Height and width with the longer one at most ``side``."""
    height, width = shape[:2]
    factor = min(1.0, side / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def fit_image(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """An image at a size of :func:`panel_size`: averaged if it shrinks, never blurred if not."""
    times = size[0] // image.shape[0]
    if times > 1:
        return image.repeat(times, axis=0).repeat(times, axis=1)
    return resize_image(image, size)


def fit_mask(mask: NDArray[Any], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A mask, 0 or 255, that keeps even its thinnest part: any of its pixels marks the small one.

    ``size`` is smaller, the same, or one of :func:`panel_size`.
    """
    times = size[0] // mask.shape[0]
    if times > 1:
        return fit_image(np.where(mask, np.uint8(255), np.uint8(0)), size)
    share = cv2.resize(
        (mask != 0).astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_AREA
    )
    return np.where(share > 0, np.uint8(255), np.uint8(0))
