"""Small image files of many kinds, written byte by byte where OpenCV does not write them."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray


def encoded(suffix: str, image: NDArray, *parameters: int) -> bytes:
    done, data = cv2.imencode(suffix, image, list(parameters))
    assert done, suffix
    return data.tobytes()


def chunk(name: bytes, body: bytes) -> bytes:
    """A PNG chunk with its length and checksum."""
    checksum = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *more: bytes) -> bytes:
    """A PNG of raw rows (each begins with its filter byte); ``more`` chunks come before them."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + body + chunk(b"IEND", b"")


def bmp(width: int, height: int, bits: int, palette: bytes, pixels: bytes) -> bytes:
    offset = 54 + len(palette)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, len(pixels), 0, 0, 0, 0)
    head = b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset)
    return head + info + palette + pixels


def tiff(width: int, height: int, pages: int, channels: int, photometric: int) -> bytes:
    """Uncompressed 8-bit pages; photometric 1 is grey, 2 RGB, 5 CMYK."""
    pixels = bytes(i * 7 % 251 for i in range(width * height * channels))
    out = b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels
    for page in range(pages):
        depths = len(out) + 2 + 9 * 12 + 4
        entries = [
            (256, 4, 1, width),
            (257, 4, 1, height),
            (258, 3, channels, 8 if channels == 1 else depths),
            (259, 3, 1, 1),
            (262, 3, 1, photometric),
            (273, 4, 1, 8),
            (277, 3, 1, channels),
            (278, 4, 1, height),
            (279, 4, 1, len(pixels)),
        ]
        body = struct.pack("<H", 9) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
        after = depths + 2 * channels
        body += struct.pack("<I", after if page + 1 < pages else 0)
        out += body + struct.pack(f"<{channels}H", *[8] * channels)
    return out


def exif(orientation: int) -> bytes:
    """A JPEG segment with one tag."""
    body = b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, 1, 0x112, 3, 1, orientation, 0)
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def apng(image: NDArray) -> bytes:
    """Two frames, the second the same as the first."""
    still = encoded(".png", image)
    height, width = image.shape[:2]
    begin = still.index(b"IDAT") - 4
    size = struct.unpack(">I", still[begin : begin + 4])[0]
    body = still[begin + 8 : begin + 8 + size]

    def frame(number: int) -> bytes:
        return chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, width, height, 0, 0, 1, 10, 0, 0))

    control = chunk(b"acTL", struct.pack(">II", 2, 0))
    second = frame(1) + chunk(b"fdAT", struct.pack(">I", 2) + body)
    stop = begin + 12 + size
    return still[:begin] + control + frame(0) + still[begin:stop] + second + still[stop:]


def _optional(image: NDArray) -> dict[str, bytes]:
    """Formats that not every build of OpenCV writes."""
    found = {}
    for suffix in (".gif", ".avif"):
        with suppress(cv2.error):
            found[f"other{suffix}"] = encoded(suffix, image)
    return found


@cache
def samples() -> dict[str, bytes]:
    """Name with suffix, and content, of valid files."""
    rng = np.random.default_rng(5)
    ramp = np.add.outer(np.arange(24), 3 * np.arange(40)).astype(np.uint8)
    colour = np.dstack([ramp, ramp.T.repeat(2, 0)[:24, :24].repeat(2, 1)[:, :40], 255 - ramp])
    noise = rng.integers(0, 256, (24, 40, 3), dtype=np.uint8)
    deep = (colour.astype(np.uint16) << 8) + 77
    alpha = np.dstack([colour, ramp])
    jpeg = encoded(".jpg", colour)
    bits = b"".join(b"\0" + bytes([0b10110100] * 5) for _ in range(24))
    bytes_of = b"".join(b"\0" + bytes(range(40)) for _ in range(24))
    palette = bytes(i * 3 % 256 for i in range(3 * 64))
    grey = b"".join(struct.pack("BBBB", i, i, i, 0) for i in range(256))
    return {
        "grey.png": encoded(".png", ramp),
        "colour.png": encoded(".png", colour),
        "deep.png": encoded(".png", deep),
        "alpha.png": encoded(".png", alpha),
        "deep alpha.png": encoded(".png", np.dstack([deep, deep[..., 0]])),
        "animated.png": apng(colour),
        "bits.png": png(40, 24, 1, 0, bits),
        "palette.png": png(40, 24, 8, 3, bytes_of, chunk(b"PLTE", palette)),
        "transparent.png": png(
            40, 24, 8, 3, bytes_of, chunk(b"PLTE", palette), chunk(b"tRNS", bytes(range(64)))
        ),
        "grey.jpg": encoded(".jpg", ramp),
        "colour.jpg": jpeg,
        "progressive.jpg": encoded(".jpg", noise, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        "restarts.jpg": encoded(".jpg", noise, cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
        "turned.jpg": jpeg[:2] + exif(6) + jpeg[2:],
        "badly turned.jpg": jpeg[:2] + exif(4711) + jpeg[2:],
        "colour.bmp": encoded(".bmp", colour),
        "palette.bmp": bmp(40, 24, 8, grey, bytes(range(40)) * 24),
        "bits.bmp": bmp(40, 24, 1, b"\0\0\0\0\xff\xff\xff\0", bytes(8) * 12 + b"\xa5" * 96),
        "upside down.bmp": bmp(40, -24, 24, b"", noise.tobytes()),
        "grey.tif": encoded(".tif", ramp),
        "colour.tif": encoded(".tif", colour),
        "deep.tif": encoded(".tif", deep),
        "float.tif": encoded(".tif", colour.astype(np.float32)),
        "plain.tif": tiff(40, 24, 1, 3, 2),
        "pages.tif": tiff(40, 24, 3, 1, 1),
        "cmyk.tif": tiff(40, 24, 1, 4, 5),
        "lossy.webp": encoded(".webp", colour, cv2.IMWRITE_WEBP_QUALITY, 80),
        "lossless.webp": encoded(".webp", alpha, cv2.IMWRITE_WEBP_QUALITY, 101),
        "plain.pgm": b"P5\n# grey\n40 24\n4095\n" + (deep[..., 0] >> 4).astype(">u2").tobytes(),
        "written.ppm": b"P3 40 24 255\n" + b" ".join(b"%d" % v for v in colour.ravel()),
        **_optional(colour),
        "one pixel.png": encoded(".png", ramp[:1, :1]),
        "one pixel.jpg": encoded(".jpg", ramp[:1, :1]),
        "one pixel.bmp": encoded(".bmp", colour[:1, :1]),
        "one pixel.tif": encoded(".tif", ramp[:1, :1]),
    }
