"""JPEG: the segments before the first scan."""

from pyimgano.images.headers.base import (
    DamagedError,
    Header,
    Source,
    UnsupportedError,
    exif_orientation,
)

#: Bytes that fill the room between two segments.
_MOST_FILLING = 65_536
#: What stands for itself: filling, and markers without content.
_BARE = frozenset({0x01, 0xFF, *range(0xD0, 0xD8)})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def jpeg_header(source: Source) -> Header:
    """Size and EXIF orientation; whether the data are whole is checked apart."""
    at, frame, orientation, adobe = 2, None, 1, False
    while True:
        marker, at = _marker(source, at)
        if marker == 0xDA:
            break
        if marker in (0xD9, 0xD8):
            raise DamagedError("damaged or cut short")
        (length,) = source.unpack(">H", at)
        if length < 2:
            raise DamagedError("damaged header")
        if marker in _FRAMES:
            if frame is not None:
                raise DamagedError("damaged header: it gives its size twice")
            frame = source.unpack(">BHHB", at + 2)
        elif marker == 0xE1 and orientation == 1:
            content = source.get(at + 2, length - 2)
            if content.startswith(b"Exif\0"):
                orientation = exif_orientation(content[6:])
        elif marker == 0xEE:
            adobe = source.get(at + 2, min(5, length - 2)) == b"Adobe"
        at += length
    if frame is None:
        raise DamagedError("damaged header")
    _, height, width, components = frame
    if height == 0:
        raise UnsupportedError("a JPEG that tells its height after the pixels is not supported")
    if components == 4 and not adobe:
        raise UnsupportedError("a CMYK JPEG without Adobe's marker is not supported")
    return Header(
        "JPEG",
        width,
        height,
        turned=orientation >= 5,
        channels=1 if components == 1 else 3,
        lossy=True,
    )


def _marker(source: Source, at: int) -> tuple[int, int]:
    """The next marker with a length, and where that is."""
    for _ in range(_MOST_FILLING):
        byte, after = source.get(at, 2)
        if byte != 0xFF or after == 0:
            break
        at += 1 if after == 0xFF else 2
        if after not in _BARE:
            return after, at
    raise DamagedError("damaged header")


def check_jpeg_data(data: bytes, header: Header) -> None:
    """Check the data bit by bit; what is damaged, or coded in a way that is not read, is an
    error.
    """
    from pyimgano._rust import check_jpeg

    try:
        width, height, _ = check_jpeg(data)
    except ValueError as error:
        raise DamagedError(f"damaged or cut short: {error}") from error
    except NotImplementedError as error:
        raise UnsupportedError(f"{error} is not supported") from error
    if (width, height) != (header.width, header.height):
        raise DamagedError("damaged header: it gives its size twice")
