"""WebP."""

from pyimgano.images.headers.base import (
    DamagedError,
    Header,
    Source,
    UnsupportedError,
    exif_orientation,
)


def webp_header(source: Source) -> Header:
    """Size, orientation and number of frames."""
    length, name = source.unpack("<I4s", 4)
    if name != b"WEBP":
        raise UnsupportedError("RIFF files other than WebP are not supported")
    end = 8 + length
    if end > source.length:
        raise DamagedError("damaged or cut short")
    at, orientation, frames, lossy = 12, 1, 0, False
    sizes: set[tuple[int, int]] = set()
    while at + 8 <= end:
        name, length = source.unpack("<4sI", at)
        if name == b"VP8X":
            sizes.add(_canvas(source.get(at + 8, 10)))
        elif name == b"VP8 ":
            lossy = True
            sizes.add(_lossy(source.get(at + 8, 10)))
        elif name == b"VP8L":
            sizes.add(_lossless(source.get(at + 8, 5)))
        elif name == b"ANMF":
            frames += 1
        elif name == b"EXIF":
            data = source.get(at + 8, length)
            orientation = exif_orientation(data.removeprefix(b"Exif\0\0"))
        at += 8 + length + length % 2
    if len(sizes) != 1:
        raise DamagedError("damaged header: its sizes contradict each other")
    ((width, height),) = sizes
    return Header(
        "WebP",
        width,
        height,
        turned=orientation >= 5,
        channels=3,
        pages=max(1, frames),
        lossy=lossy,
    )


def _canvas(data: bytes) -> tuple[int, int]:
    return 1 + int.from_bytes(data[4:7], "little"), 1 + int.from_bytes(data[7:10], "little")


def _lossy(data: bytes) -> tuple[int, int]:
    if data[3:6] != b"\x9d\x01\x2a":
        raise DamagedError("damaged header")
    width, height = int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    return width & 0x3FFF, height & 0x3FFF


def _lossless(data: bytes) -> tuple[int, int]:
    if data[0] != 0x2F:
        raise DamagedError("damaged header")
    bits = int.from_bytes(data[1:5], "little")
    return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
