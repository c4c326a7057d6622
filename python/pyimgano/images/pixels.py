"""Stored pixels as floats: what white is in each number type."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def white_of(array: NDArray[Any], bit_depth: int | None = None) -> float:
    """The value of white: of uint8, of uint16 that uses so many bits, or 1 of float32."""
    if array.dtype == np.float32:
        return 1.0
    return 255.0 if array.dtype == np.uint8 else float(2 ** (bit_depth or 16) - 1)


def as_floats(array: NDArray[Any], bit_depth: int | None = None) -> NDArray[np.float32]:
    """Part of what :meth:`~pyimgano.images.preprocess.ImagePreprocessor.load` gives, however
    stored, as float32 (h, w, 3), RGB in [0, 1]."""
    seen = np.array(array, dtype=np.float32, order="C")
    seen /= white_of(array, bit_depth)
    return seen if seen.ndim == 3 else np.asarray(cv2.cvtColor(seen, cv2.COLOR_GRAY2RGB))
