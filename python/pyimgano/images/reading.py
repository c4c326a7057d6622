"""Image files: what they are called, and their pixels."""

import io
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError, MissingDependencyError
from pyimgano.images.decoding import decode, reads_heic, to_white
from pyimgano.images.headers.base import Header, HeaderError, UnsupportedError
from pyimgano.images.limits import MAX_PIXELS
from pyimgano.types import ImageInput
from pyimgano.utils.text import shown

#: Suffixes of files that are taken for images; what they hold is told by their content.
IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".gif"}
    | {".pbm", ".pgm", ".ppm", ".pnm", ".jp2", ".j2k", ".avif"}
)
#: Those of files that need the extra ``heif``.
HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif"})


class TooLargeError(HeaderError):
    """A header that announces more pixels than are decoded."""


def is_image_name(name: str) -> bool:
    """Whether a file name is that of an image: a known suffix, in any case, and not hidden.

    HEIC files count where the extra ``heif`` is there to read them.
    """
    suffix = Path(name).suffix.lower()
    readable = suffix in IMAGE_SUFFIXES or (suffix in HEIF_SUFFIXES and reads_heic())
    return readable and not name.startswith(".")


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of an image file, shown upright; reads no more than its header.

    Raises
    ------
    ImageReadError
        It is no image that is read, or its header is damaged; names the file.
    """
    with _named(path), _opened(path) as file:
        return _header(file).size


def size_if_readable(image: ImageInput) -> tuple[int, int] | None:
    """Height and width of an image file or array; None if it cannot be read or is no image."""
    if isinstance(image, np.ndarray):
        return (image.shape[0], image.shape[1]) if image.ndim >= 2 and image.size else None
    try:
        return image_size(image)
    except ImageReadError:
        return None


def first_size(images: Iterable[ImageInput]) -> tuple[int, int] | None:
    """Height and width of the first of some images that can be read; None if there is none."""
    return next(filter(None, map(size_if_readable, images)), None)


def read_image(
    path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS, bit_depth: int | None = None
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Decode an image file as RGB or grey.

    The format is told by the content. Alpha is dropped and the orientation applied. The size in
    the header is checked before anything is decoded, and what was decoded is compared with it.

    Parameters
    ----------
    path
        A file with any name that the system allows.
    max_pixels
        Largest width x height that is decoded.
    bit_depth
        Bits that a 16-bit file really uses (12 for a 12-bit camera). None: all 16.

    Returns
    -------
    ndarray
        (H, W) or (H, W, 3), uint8 or uint16; white is 255, or ``2**bit_depth - 1`` in uint16.

    Raises
    ------
    ImageReadError
        The file cannot be read or decoded as a whole, is too large, holds more than one page, is
        of a kind that is not read right, or has a value above ``2**bit_depth - 1``; names the
        file.
    """
    with _named(path):
        image, header = _decode(path, max_pixels)
        return to_white(image, header.white, bit_depth)


@dataclass(frozen=True)
class Mask:
    """A ground-truth mask and what casts doubt on it.

    Attributes
    ----------
    pixels
        uint8 (H, W), 1 where any channel of the file is not zero.
    lossy, values
        Its format may have changed values; different values other than zero, of all channels.
    labels
        (H, W), the values themselves; None for a file of several channels.
    """

    pixels: NDArray[np.uint8]
    lossy: bool
    values: int
    labels: NDArray[Any] | None


def read_mask(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode a ground-truth mask: uint8 (H, W), 1 where any channel of the file is not zero."""
    return inspect_mask(path, max_pixels=max_pixels).pixels


def inspect_mask(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Mask:
    """Decode a ground-truth mask as :func:`read_mask` does, and look at its values."""
    with _named(path):
        # Label indices must come through untouched by any colour conversion.
        image, header = _decode(path, max_pixels, unchanged=True)
    colour = image[..., :3] if image.ndim == 3 and image.shape[2] == 4 else image
    marked = colour.any(axis=2) if colour.ndim == 3 else colour != 0
    values = np.unique(colour[marked])
    pixels = np.asarray(marked, dtype=np.uint8)
    labels = None if colour.ndim == 3 else colour
    return Mask(pixels, header.lossy, int(np.count_nonzero(values)), labels)


def _header(file: BinaryIO) -> Header:
    from pyimgano.images.headers.detect import read_header  # here: it brings a file per format

    return read_header(file)


def _decode(
    path: str | os.PathLike[str], max_pixels: int, *, unchanged: bool = False
) -> tuple[NDArray[Any], Header]:
    """The decoded pixels, and the header that they were checked against."""
    with _opened(path) as file:
        data = file.read()
    if not data:
        raise UnsupportedError("the file is empty")
    header = _header(io.BytesIO(data))
    height, width = header.size
    if width * height > max_pixels:
        raise TooLargeError(
            f"is {width} x {height} pixels, above the limit of {max_pixels:,} pixels (max_pixels)"
        )
    if header.pages > 1:
        raise UnsupportedError(
            f"it holds {header.pages} pages or frames: split it into files of one each"
        )
    return decode(data, header, unchanged=unchanged), header


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A regular file, or an error that says what it is."""
    try:
        with open(path, "rb", opener=open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UnsupportedError("it is not a regular file")
            yield file
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise UnsupportedError(str(getattr(error, "strerror", None) or error)) from error


@contextmanager
def _named(path: str | os.PathLike[str]) -> Iterator[None]:
    """Put the file's name before the reason."""
    try:
        yield
    except TooLargeError as error:
        raise ImageReadError(f"image {shown(path)} {error}") from error
    except (HeaderError, MissingDependencyError) as error:
        raise ImageReadError(f"cannot read image {shown(path)}: {error}") from error


def open_at_once(path: str, flags: int) -> int:
    """Open without waiting: a named pipe without a writer would otherwise block for ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def join_errors(errors: Sequence[ImageReadError], total: int) -> ImageReadError:
    """One error that names every unreadable file of a list."""
    if len(errors) == 1:
        return errors[0]
    return ImageReadError(
        f"{len(errors)} of {total} images cannot be used: " + "; ".join(str(e) for e in errors)
    )
