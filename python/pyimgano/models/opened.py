"""Features of images together with their health, whatever reads them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError
from pyimgano.features.pooled import PooledEmbeddedFeatures
from pyimgano.types import ImageInput
from pyimgano.utils.health import ImageHealth, measure_health
from pyimgano.utils.images import read_image
from pyimgano.utils.limits import MAX_PIXELS


def extract_with_health(
    images: Sequence[ImageInput], extractor: Any
) -> tuple[NDArray[np.float32], list[ImageHealth | None]]:
    """What an extractor gives for images, and the health of each.

    This package's own extractor gets one decoded image after the other, so that no file is decoded
    twice. Another gets what was given; of an image that it alone can read the health is None.

    Raises
    ------
    ImageReadError
        A file cannot be read by the extractor.
    """
    if type(extractor) is not PooledEmbeddedFeatures:
        rows = np.asarray(extractor.extract(images), dtype=np.float32)
        return rows, [_try_to_measure(image) for image in images]
    parts, healths = [], []
    for image in images:
        array = _decoded(image, extractor.max_pixels)
        parts.append(extractor.extract([array]))
        healths.append(_measured(array))
    return np.concatenate(parts), healths


def _try_to_measure(image: ImageInput) -> ImageHealth | None:
    try:
        return _measured(_decoded(image, MAX_PIXELS))
    except ImageReadError:
        return None


def _decoded(image: Any, max_pixels: int) -> Any:
    is_path = isinstance(image, (str, os.PathLike))
    return read_image(image, max_pixels=max_pixels) if is_path else image


def _measured(array: Any) -> ImageHealth | None:
    is_image = (
        isinstance(array, np.ndarray)
        and array.dtype in (np.uint8, np.uint16)
        and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3)))
        and array.size > 0
    )
    return measure_health(array) if is_image else None
