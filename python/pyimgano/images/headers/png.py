"""PNG: the header, and the chunks for animation and orientation. The decoder checks all sums."""

from pyimgano.images.headers.base import DamagedError, Header, Source, exif_orientation

_GREY = (0, 4)


def png_header(source: Source) -> Header:
    """Size, orientation and number of frames."""
    length, name, width, height, _, colour = source.unpack(">I4sIIBB", 8)
    if name != b"IHDR" or length != 13:
        raise DamagedError("damaged header")
    at, orientation, frames = 8 + 12 + length, 1, 1
    while at + 8 <= source.length:  # a file that is cut is the decoder's to refuse
        length, name = source.unpack(">I4s", at)
        if name == b"IEND":
            break
        if name == b"IHDR":
            raise DamagedError("damaged header: it gives its size twice")
        if name == b"acTL":
            (frames,) = source.unpack(">I", at + 8)
        elif name == b"eXIf":
            orientation = exif_orientation(source.get(at + 8, length))
        at += 12 + length
    channels = 1 if colour in _GREY else 3
    return Header(
        "PNG", width, height, turned=orientation >= 5, channels=channels, pages=max(1, frames)
    )
