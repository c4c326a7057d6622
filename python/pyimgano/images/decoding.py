"""From the bytes of a file to pixels, as its header says they must come out."""

from functools import cache
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.images.headers.base import DamagedError, Header, UnsupportedError
from pyimgano.images.limits import opencv_refuses
from pyimgano.utils.optional_deps import require


@cache
def reads_heic() -> bool:
    """Whether the package that decodes HEIC is installed."""
    return find_spec("pi_heif") is not None


def decode_heic(data: bytes) -> NDArray[Any]:
    """The picture of a HEIC file, shown upright: uint8 (H, W, 3), RGB."""
    heif: Any = require("pi_heif", extra="heif", purpose="HEIC files")
    try:
        picture = heif.open_heif(data, convert_hdr_to_8bit=True)
        pixels = np.asarray(picture)
    except (ValueError, EOFError, RuntimeError, OSError, SyntaxError) as error:
        raise DamagedError("damaged or cut short") from error
    return pixels[..., :3] if pixels.ndim == 3 else pixels


def decode(data: bytes, header: Header, *, unchanged: bool = False) -> NDArray[Any]:
    """Decode a whole file: uint8 or uint16, (H, W) or (H, W, 3), RGB, shown upright.

    ``unchanged`` keeps every channel as it is stored, alpha included, in any order: for label
    indices. A file that cannot be decoded as a whole, or is not what its header says, is a
    HeaderError.
    """
    if len(data) < header.least_bytes:
        raise DamagedError("damaged or cut short")
    if header.kind == "JPEG":
        from pyimgano.images.headers.jpeg import check_jpeg_data

        check_jpeg_data(data, header)
    if header.kind == "PNM":
        from pyimgano.images.headers.pnm import decode_pnm

        image = decode_pnm(data)
    elif header.kind == "HEIC":
        image = decode_heic(data)
    else:
        image = _by_opencv(data, header, unchanged=unchanged)
    if image.dtype not in (np.uint8, np.uint16):
        raise UnsupportedError(f"it has {image.dtype} pixels; 8- and 16-bit integers are supported")
    if header.kind == "AVIF":  # the decoder leaves the turns to others
        image = _turned(image, header.turns)
    if image.shape[:2] != header.size:
        raise DamagedError("damaged: its pixels are not of the size that its header says")
    if header.inverted:
        image = _top(image) - image
    if header.channels == 1 and image.ndim == 3 and not unchanged:
        image = image[..., 0]
    return np.ascontiguousarray(image)


def _by_opencv(data: bytes, header: Header, *, unchanged: bool) -> NDArray[Any]:
    if refusal := opencv_refuses(header.width * header.height):
        raise UnsupportedError(refusal)
    buffer = np.frombuffer(data, dtype=np.uint8)
    if header.patches:
        buffer = buffer.copy()
        for at, patch in header.patches:
            buffer[at : at + len(patch)] = np.frombuffer(patch, np.uint8)
    # Straight to RGB where that is the same for sure: it saves a pass.
    direct = header.kind == "JPEG" and header.channels == 3 and not unchanged
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
    if direct:
        flags = cv2.IMREAD_COLOR_RGB
    elif unchanged or header.opaque:
        flags = cv2.IMREAD_UNCHANGED
    image = _imdecode(buffer, flags, header.kind)
    if unchanged or direct or image.ndim == 2:
        return image
    if image.shape[2] == 4:
        if header.opaque and (image[..., 3] != _top(image)).any():
            raise UnsupportedError(
                "colours that are multiplied by alpha (associated alpha) are not supported"
            )
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGRA2RGB))
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def _imdecode(buffer: NDArray[np.uint8], flags: int, kind: str) -> NDArray[Any]:
    try:
        image = cv2.imdecode(buffer, flags)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError from error
        image = None
    if image is None:
        raise DamagedError(f"damaged or cut short, or a {kind} that OpenCV does not decode")
    return np.asarray(image)


def _top(image: NDArray[Any]) -> int:
    return int(np.iinfo(image.dtype).max)


def _turned(image: NDArray[Any], turns: tuple[int | str, ...]) -> NDArray[Any]:
    for turn in turns:
        if turn == "h":
            image = image[:, ::-1]
        elif turn == "v":
            image = image[::-1]
        else:
            image = np.rot90(image, int(turn))
    return image


def to_white(image: NDArray[Any], white: int | None, bit_depth: int | None) -> NDArray[Any]:
    """Bring white to 255, or to ``2**bit_depth - 1`` in 16 bits; a value above is a DamagedError.

    ``white`` is the largest value that the file can have; None, 255 and 65535: that of the array's
    type.
    """
    deep = image.dtype == np.uint16
    top = 2 ** (bit_depth or 16) - 1 if deep else 255
    if white is not None and white not in (_top(image), top):
        scaled = np.rint(image.astype(np.float64) * top / white)
        return np.minimum(scaled, top).astype(image.dtype)
    if deep and bit_depth is not None and bit_depth < 16 and image.size and image.max() > top:
        raise DamagedError(
            f"a value of {image.max()} is above {top}, the largest with bit_depth={bit_depth}"
        )
    return image
