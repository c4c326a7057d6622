"""GIF."""

from pyimgano.images.headers.base import DamagedError, Header, Source, UnsupportedError


def gif_header(source: Source) -> Header:
    """Size and number of frames."""
    width, height, flags = source.unpack("<HHB", 6)
    at, frames, patches = 13 + _table(flags), 0, []
    while (kind := source.get(at, 1)) != b";":
        if kind == b"!":
            (label,) = source.get(at + 1, 1)
            if label == 0xF9:
                packed = source.get(at + 3, 1)[0]
                if packed & 1:  # a colour is transparent: it is a colour all the same
                    patches.append((at + 3, bytes([packed & ~1])))
            at = _skip_blocks(source, at + 2)
        elif kind == b",":
            frame = source.unpack("<HHHH", at + 1)
            (flags,) = source.get(at + 9, 1)
            frames += 1
            if frames == 1 and frame != (0, 0, width, height):
                raise UnsupportedError(
                    "a GIF whose picture does not fill its canvas is not supported"
                )
            at = _skip_blocks(source, at + 11 + _table(flags))
        else:
            raise DamagedError("damaged or cut short")
    if frames == 0:
        raise DamagedError("damaged or cut short")
    return Header("GIF", width, height, channels=3, pages=frames, patches=tuple(patches))


def _table(flags: int) -> int:
    """Bytes of the colour table that some flags announce."""
    return 3 * 2 ** (1 + (flags & 7)) if flags & 0x80 else 0


def _skip_blocks(source: Source, at: int) -> int:
    while length := source.get(at, 1)[0]:
        at += 1 + length
    return at + 1
