"""Features of images together with what is measured on their pixels, whatever reads them."""

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError
from pyimgano.images.limits import MAX_PIXELS
from pyimgano.images.reading import read_image
from pyimgano.types import ImageInput

T = TypeVar("T")


def extract_and_measure(
    images: Sequence[ImageInput], extractor: Any, measure: Callable[[NDArray[Any]], T]
) -> tuple[NDArray[np.float32], list[T | None]]:
    """What an extractor gives for images, and what ``measure`` gives for the pixels of each.

    This package's own extractor gets one decoded image after the other, so that no file is decoded
    twice. Another gets what was given; of an image that it alone can read nothing is measured.
    """
    from pyimgano.features.patches.pooled import PooledFilterBank, PooledNetwork

    if type(extractor) not in (PooledFilterBank, PooledNetwork):
        rows = np.asarray(extractor.extract(images), dtype=np.float32)
        return rows, [try_to_measure(image, measure) for image in images]
    parts: list[NDArray[np.float32]] = []
    found: list[T | None] = []
    for image in images:
        array = _decoded(image, extractor.max_pixels)
        parts.append(extractor.extract([array]))
        found.append(_measured(array, measure))
    return np.concatenate(parts), found


def try_to_measure(image: ImageInput, measure: Callable[[NDArray[Any]], T]) -> T | None:
    """What ``measure`` gives for the pixels of an image; None if it cannot be read here."""
    try:
        return _measured(_decoded(image, MAX_PIXELS), measure)
    except ImageReadError:
        return None


def _decoded(image: Any, max_pixels: int) -> Any:
    is_path = isinstance(image, (str, os.PathLike))
    return read_image(image, max_pixels=max_pixels) if is_path else image


def _measured(array: Any, measure: Callable[[NDArray[Any]], T]) -> T | None:
    is_image = (
        isinstance(array, np.ndarray)
        and array.dtype in (np.uint8, np.uint16)
        and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3)))
        and array.size > 0
    )
    return measure(array) if is_image else None
