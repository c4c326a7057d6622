"""Portable anymaps: header and pixels, which are plain enough to be read right here."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.images.headers.base import DamagedError, Header, Source, UnsupportedError

_TOKEN = re.compile(rb"(?:[ \t\n\v\f\r]|#[^\n\r]*[\n\r])*(\d+)")
_COMMENT = re.compile(rb"#[^\n\r]*")
_ANOTHER = re.compile(rb"\s*P[1-6]\s")
#: A header with its comments is not longer than this.
_HEAD = 65_536


def pnm_header(source: Source) -> Header:
    """Size and largest value."""
    return _parse(source.begins(_HEAD))[0]


def _parse(data: bytes) -> tuple[Header, int]:
    """The header, and where the pixels begin."""
    kind = data[1] - ord("0")
    numbers, at = [], 2
    for _ in range(2 if kind in (1, 4) else 3):
        found = _TOKEN.match(data, at)
        if found is None or len(found[1]) > 10:
            raise DamagedError("damaged header")
        numbers.append(int(found[1]))
        at = found.end()
    if not data[at : at + 1].isspace():
        raise DamagedError("damaged header")
    white = numbers[2] if len(numbers) == 3 else 1
    if not 1 <= white <= 65_535:
        raise DamagedError("damaged header: its largest value must be 1 to 65535")
    channels = 3 if kind in (3, 6) else 1
    return Header("PNM", numbers[0], numbers[1], channels=channels, white=white), at + 1


def decode_pnm(data: bytes) -> NDArray[Any]:
    """The pixels, uint8 or uint16, (H, W) or (H, W, 3), RGB."""
    header, at = _parse(data)
    if header.channels is None or header.white is None:
        raise DamagedError("damaged header")
    kind = data[1] - ord("0")
    wanted = (header.height, header.width, header.channels)
    if kind == 4:
        row = (header.width + 7) // 8
        packed = _raw(data, at, np.dtype(np.uint8), row * header.height)
        bits = np.unpackbits(packed.reshape(header.height, row), axis=1, count=header.width)
        return 1 - bits
    deep = np.dtype(np.uint8) if header.white < 256 else np.dtype(">u2")
    values = (
        _raw(data, at, deep, int(np.prod(wanted)))
        if kind >= 4
        else _written(data[at - 1 :], int(np.prod(wanted)), single=kind == 1)
    )
    if values.size and values.max() > header.white:
        raise DamagedError(f"damaged: a value is above the largest, {header.white}")
    pixels = values.astype(deep.newbyteorder("=")).reshape(wanted)
    if kind == 1:
        pixels = 1 - pixels
    return pixels[..., 0] if header.channels == 1 else pixels


def _raw(data: bytes, at: int, kind: np.dtype[Any], count: int) -> NDArray[Any]:
    end = at + count * kind.itemsize
    if end > len(data):
        raise DamagedError("damaged or cut short")
    if _ANOTHER.match(data, end):
        raise UnsupportedError("it holds more than one picture: split it into files of one each")
    return np.frombuffer(data, kind, count, at)


def _written(text: bytes, count: int, *, single: bool) -> NDArray[Any]:
    """Numbers written with digits; in a bitmap each digit is one."""
    text = _COMMENT.sub(b"", text)
    tokens = list(b"".join(text.split()).decode("ascii", "replace")) if single else text.split()
    if len(tokens) < count:
        raise DamagedError("damaged or cut short")
    try:
        values = np.array(tokens[:count]).astype(np.int64)
    except (ValueError, OverflowError) as error:
        raise DamagedError("damaged: it holds something other than numbers") from error
    if count and values.min() < 0:
        raise DamagedError("damaged: a value is negative")
    return values
