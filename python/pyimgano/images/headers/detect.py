"""Which format a file has."""

from typing import BinaryIO

from pyimgano.images.headers.base import DamagedError, Header, Source, UnsupportedError
from pyimgano.images.headers.bmp import bmp_header
from pyimgano.images.headers.gif import gif_header
from pyimgano.images.headers.heif import heif_header
from pyimgano.images.headers.jp2 import jp2_header
from pyimgano.images.headers.jpeg import jpeg_header
from pyimgano.images.headers.png import png_header
from pyimgano.images.headers.pnm import pnm_header
from pyimgano.images.headers.tiff import tiff_header
from pyimgano.images.headers.webp import webp_header

_PARSERS = (
    (b"\x89PNG\r\n\x1a\n", png_header),
    (b"\xff\xd8", jpeg_header),
    (b"BM", bmp_header),
    (b"GIF8", gif_header),
    (b"RIFF", webp_header),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", jp2_header),
    (b"\xff\x4f\xff\x51", jp2_header),
    (b"II*\x00", tiff_header),
    (b"MM\x00*", tiff_header),
    (b"II+\x00", tiff_header),
    (b"MM\x00+", tiff_header),
    *((b"P%d" % i, pnm_header) for i in range(1, 7)),
)
#: Formats that are known and not read.
_OTHERS = (
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"#?RGBE", "Radiance HDR"),
    (b"PF", "PFM"),
    (b"Pf", "PFM"),
    (b"P7", "PAM"),
    (b"8BPS", "Photoshop"),
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
    (b"<?xml", "SVG"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"DDS ", "DDS"),
    (b"\x00\x00\x01\x00", "icon"),
    (b"\x59\xa6\x6a\x95", "Sun raster"),
    (b"SIMPLE  =", "FITS"),
    (b"IIII", "raw camera"),
)


def read_header(file: BinaryIO) -> Header:
    """The header of an image, as far as possible without reading its pixels."""
    source = Source(file)
    start = source.begins(16)
    if start[4:8] == b"ftyp":
        return heif_header(source)
    for signature, parse in _PARSERS:
        if start.startswith(signature):
            header = parse(source)
            if header.width < 1 or header.height < 1:
                raise DamagedError("damaged header: its size is 0")
            return header
    for signature, name in _OTHERS:
        if start.startswith(signature):
            raise UnsupportedError(f"{name} files are not supported")
    raise DamagedError("not an image of a format that is read, or its header is cut")
