"""JPEG 2000, in its box or bare."""

from pyimgano.images.headers.base import DamagedError, Header, Source, UnsupportedError


def jp2_header(source: Source) -> Header:
    """Size and depth, from the codestream, which is what the decoder goes by."""
    if source.get(0, 2) == b"\xff\x4f":
        return _codestream(source, 0)
    at, found = 0, []
    while at < source.length:
        length, name = source.unpack(">I4s", at)
        head = 8
        if length == 1:
            (length,) = source.unpack(">Q", at + 8)
            head = 16
        length = length or source.length - at
        if length < head:
            raise DamagedError("damaged header")
        if name == b"jp2c":
            found.append(at + head)
        elif name == b"jp2h" and b"pclr" in source.get(at, length):
            raise UnsupportedError("a JPEG 2000 with a palette is not supported")
        at += length
    if len(found) != 1:
        raise DamagedError("damaged header")
    return _codestream(source, found[0])


def _codestream(source: Source, at: int) -> Header:
    start, size, _, _, right, bottom, left, top = source.unpack(">HHHHIIII", at)
    if (start, size) != (0xFF4F, 0xFF51):
        raise DamagedError("damaged header")
    (count,) = source.unpack(">H", at + 40)
    if not 1 <= count <= 4:
        raise UnsupportedError(f"a JPEG 2000 with {count} channels is not supported")
    parts = {source.get(at + 42 + 3 * i, 3) for i in range(count)}
    if len(parts) != 1 or (part := parts.pop())[1:] != b"\1\1":
        raise UnsupportedError("a JPEG 2000 with channels of different kinds is not supported")
    if part[0] & 0x80 or part[0] > 15:
        raise UnsupportedError("a JPEG 2000 with other than 1 to 16 unsigned bits is not supported")
    return Header(
        "JPEG 2000",
        right - left,
        bottom - top,
        channels=1 if count <= 2 else 3,
        white=2 ** (part[0] + 1) - 1,
        lossy=True,
    )
