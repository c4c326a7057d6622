"""Images of which only an extractor knows how it reads them: opened for their health."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyimgano.errors import ImageReadError
from pyimgano.features.pooled import PooledEmbeddedFeatures
from pyimgano.types import ImageInput
from pyimgano.utils.health import ImageHealth, measure_health
from pyimgano.utils.images import MAX_PIXELS, read_image

#: An image as the extractor takes it, and its health where it is known.
Opened = tuple[ImageInput, ImageHealth | None]


def open_images(images: Sequence[ImageInput], extractor: Any) -> list[Opened]:
    """Each image as the extractor takes it, and its health.

    This package's own extractor gets the decoded image, so that no file is decoded twice. Another
    gets what was given; of an image that it alone can read the health stays unknown.

    Raises
    ------
    ImageReadError
        A file cannot be read by this package's own extractor.
    """
    own = type(extractor) is PooledEmbeddedFeatures
    return [_open(image, extractor.max_pixels if own else MAX_PIXELS, own) for image in images]


def _open(image: ImageInput, max_pixels: int, own: bool) -> Opened:
    array: Any = image
    if isinstance(image, (str, os.PathLike)):
        try:
            array = read_image(image, max_pixels=max_pixels)
        except ImageReadError:
            if own:
                raise
            return image, None
    return array if own else image, measure_health(array) if _is_image(array) else None


def _is_image(array: Any) -> bool:
    return (
        isinstance(array, np.ndarray)
        and array.dtype in (np.uint8, np.uint16)
        and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3)))
        and array.size > 0
    )
