"""Pictures as bytes and files."""

from __future__ import annotations

import os

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import OutputError
from pyimgano.reporting.files import write_bytes


def encode(suffix: str, picture: NDArray[np.uint8], *, quality: int | None = None) -> bytes:
    """A grey, RGB or RGBA picture as the bytes of an image file."""
    if picture.ndim == 3:
        swap = cv2.COLOR_RGB2BGR if picture.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
        picture = np.asarray(cv2.cvtColor(picture, swap), dtype=np.uint8)
    options = {
        # OpenCV's defaults only pack runs: twice the size. One filter takes half the time of all.
        ".png": [
            *(cv2.IMWRITE_PNG_COMPRESSION, 1),
            *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG),
        ],
        ".webp": [] if quality is None else [cv2.IMWRITE_WEBP_QUALITY, quality],
    }[suffix]
    ok, data = cv2.imencode(suffix, picture, options)
    if not ok:
        raise OutputError(f"cannot encode a picture of shape {picture.shape} as {suffix}")
    return bytes(data.tobytes())


def write_png(path: str | os.PathLike[str], rgb: NDArray[np.uint8]) -> None:
    """Write an RGB picture; the file name may hold any character."""
    write_bytes(path, encode(".png", rgb))
