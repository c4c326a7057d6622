"""BMP."""

from pyimgano.images.headers.base import DamagedError, Header, Source, UnsupportedError

_PLAIN, _RLE8, _RLE4, _FIELDS, _ALPHA_FIELDS = 0, 1, 2, 3, 6


def bmp_header(source: Source) -> Header:
    """Size, and how long the file must be."""
    start, length = source.unpack("<II", 10)
    if length == 12:
        width, height, _, bits = source.unpack("<HHHH", 18)
        packing = _PLAIN
    elif length >= 40:
        width, height, _, bits, packing = source.unpack("<iiHHI", 18)
    else:
        raise DamagedError("damaged header")
    if packing not in (_PLAIN, _RLE8, _RLE4, _FIELDS, _ALPHA_FIELDS):
        raise UnsupportedError(f"a BMP with compression {packing} is not supported")
    if bits not in (1, 4, 8, 16, 24, 32):
        raise UnsupportedError(f"a BMP with {bits} bits per pixel is not supported")
    if width < 1 or height == 0:
        raise DamagedError("damaged header")
    row = (width * bits + 31) // 32 * 4
    packed = packing in (_RLE8, _RLE4)
    return Header("BMP", width, abs(height), least_bytes=0 if packed else start + row * abs(height))
