"""Image files: what they are called, and their pixels."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError
from pyimgano.utils.text import printable

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pnm"}
)
#: Largest image that is decoded by default: 10,000 x 10,000.
MAX_PIXELS = 100_000_000


def is_image_name(name: str) -> bool:
    """Whether a file name is that of an image: a known suffix, in any case, and not hidden."""
    return not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES


def shown(path: str | os.PathLike[str]) -> str:
    """A path as it can be printed anywhere: undecodable bytes and what is unsafe escaped."""
    return printable(os.fsencode(path).decode("utf-8", "backslashreplace"))


def _read_bytes(path: str | os.PathLike[str]) -> bytes:
    try:
        with open(path, "rb", opener=open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ImageReadError(f"cannot read image {shown(path)}: it is not a regular file")
            data = file.read()
    except ImageReadError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise ImageReadError(f"cannot read image {shown(path)}: {reason}") from error
    if not data:
        raise ImageReadError(f"cannot read image {shown(path)}: the file is empty")
    return data


def open_at_once(path: str, flags: int) -> int:
    """Open without waiting: a named pipe without a writer would otherwise block for ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of an image file, EXIF orientation applied, without decoding it."""
    return _header_size(_read_bytes(path), path)


def _header_size(data: bytes, path: str | os.PathLike[str]) -> tuple[int, int]:
    import imagesize  # brings an HTTP client along, which scoring arrays can do without

    try:
        width, height = imagesize.get(io.BytesIO(data))
    except Exception as error:  # a damaged header may make the parser raise anything
        raise ImageReadError(f"cannot read image {shown(path)}: damaged header") from error
    if width <= 0 or height <= 0:
        raise ImageReadError(f"cannot read image {shown(path)}: not an image, or its header is cut")
    return height, width


def _check_header(data: bytes, path: str | os.PathLike[str], max_pixels: int) -> None:
    height, width = _header_size(data, path)
    if width * height > max_pixels:
        raise ImageReadError(
            f"image {shown(path)} is {width} x {height} pixels, above the limit of"
            f" {max_pixels:,} pixels (max_pixels)"
        )


def _decode(path: str | os.PathLike[str], flags: int, max_pixels: int) -> NDArray[Any]:
    data = _read_bytes(path)
    _check_header(data, path, max_pixels)
    try:
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    except cv2.error as error:
        raise ImageReadError(f"cannot decode image {shown(path)}: damaged or cut short") from error
    if image is None:
        raise ImageReadError(f"cannot decode image {shown(path)}: damaged or cut short")
    return np.asarray(image)


def read_image(
    path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Decode an image file as RGB or grey.

    Alpha is dropped and the EXIF orientation applied. The size in the header is checked before
    anything is decoded.

    Parameters
    ----------
    path
        A file with any name that the system allows.
    max_pixels
        Largest width x height that is decoded.

    Returns
    -------
    ndarray
        (H, W) or (H, W, 3), uint8 or uint16.

    Raises
    ------
    ImageReadError
        The file cannot be read or decoded as a whole, or is too large; names the file.
    """
    image = _decode(path, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH, max_pixels)
    if image.dtype not in (np.uint8, np.uint16):
        raise ImageReadError(
            f"image {shown(path)} has {image.dtype} pixels; 8- and 16-bit integers are supported"
        )
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return image


def read_mask(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode a ground-truth mask: uint8 (H, W), 1 where any channel of the file is not zero."""
    # UNCHANGED: label indices must come through untouched by any colour conversion.
    image = _decode(path, cv2.IMREAD_UNCHANGED, max_pixels)
    if image.ndim == 3:
        colour = image[..., :3] if image.shape[2] == 4 else image
        return np.asarray(colour.any(axis=2), dtype=np.uint8)
    return np.asarray(image != 0, dtype=np.uint8)


def join_errors(errors: Sequence[ImageReadError], total: int) -> ImageReadError:
    """One error that names every unreadable file of a list."""
    if len(errors) == 1:
        return errors[0]
    return ImageReadError(
        f"{len(errors)} of {total} images cannot be used: " + "; ".join(str(e) for e in errors)
    )
