"""What is decoded is what was checked: headers that give two sizes, and OpenCV's own limit."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from pyimgano.errors import ImageReadError
from pyimgano.images.limits import MAX_PIXELS
from pyimgano.images.reading import read_image
from tests.conftest import REPO, texture
from tests.fuzz.samples import chunk, encoded
from tests.images.test_tiff import tiff


def refused(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "liar.png"
    path.write_bytes(data)
    with pytest.raises(ImageReadError, match=rf"liar\.png.*{reason}"):
        read_image(path)


@pytest.mark.parametrize("tag", [256, 257])
@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_that_gives_a_side_twice_is_refused(tag: int, big: bool, tmp_path: Path) -> None:
    small = np.zeros((8, 8), np.uint8)
    for further in ((tag, 4, (30_000,)), (tag, 3, (8,))):
        data = tiff(small, 1, (tag, 3, (8,)), further, big=big)
        refused(tmp_path, data, f"tag {tag} stands in it twice")


def test_a_tiff_whose_pages_follow_in_a_ring_is_refused(tmp_path: Path) -> None:
    data = bytearray(tiff(np.zeros((8, 8), np.uint8), 1))
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    struct.pack_into("<I", data, start + 2 + 12 * count, start)
    refused(tmp_path, bytes(data), "in a ring")


def test_an_avif_with_a_false_size_is_refused(tmp_path: Path) -> None:
    try:
        data = bytearray(encoded(".avif", texture(0, (240, 320))))
    except cv2.error:
        pytest.skip("this build of OpenCV writes no AVIF")
    at = data.find(b"ispe")
    for size in ((8, 8), (320, 239), (640, 480)):
        struct.pack_into(">II", data, at + 8, *size)
        refused(tmp_path, bytes(data), "sizes contradict each other")


def test_a_webp_whose_canvas_is_not_its_picture_is_refused(tmp_path: Path) -> None:
    plain = encoded(".webp", texture(0), cv2.IMWRITE_WEBP_QUALITY, 80)
    extra = b"VP8X\x0a\0\0\0" + bytes(4) + b"\x07\0\0\x07\0\0"
    body = b"WEBP" + extra + plain[12:]
    refused(tmp_path, b"RIFF" + struct.pack("<I", len(body)) + body, "contradict")


def test_a_png_with_two_headers_is_refused(tmp_path: Path) -> None:
    plain = encoded(".png", texture(0))
    second = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    refused(tmp_path, plain[:33] + second + plain[33:], "twice")


def test_a_gif_whose_picture_is_larger_than_its_canvas_is_refused(tmp_path: Path) -> None:
    data = bytearray(encoded(".gif", texture(0)))
    struct.pack_into("<HH", data, 6, 8, 8)
    refused(tmp_path, bytes(data), "canvas")


def test_a_jpeg2000_goes_by_its_codestream(tmp_path: Path) -> None:
    data = bytearray(encoded(".jp2", texture(0)))
    at = data.find(b"\xff\x51")
    struct.pack_into(">II", data, at + 6, 30_000, 30_000)
    refused(tmp_path, bytes(data), "30000 x 30000 pixels, above the limit")


def test_an_anymap_is_read_by_one_reader_alone(tmp_path: Path) -> None:
    # A carriage return ends the comment for some readers and not for others.
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5\n#\r30000 30000 255 \n8 8\n255\n" + bytes(64))
    with pytest.raises(ImageReadError, match="30000 x 30000 pixels, above the limit"):
        read_image(path)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
@pytest.mark.slow
def test_a_lying_header_takes_no_memory(tmp_path: Path) -> None:
    side = 20_000
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(bytes(side)) for _ in range(side)) + packer.flush()
    begin = 8 + len(data)
    tags = [
        *((256, 4, side), (256, 3, 8), (257, 4, side), (257, 3, 8)),
        *((258, 3, 8), (259, 3, 8), (262, 3, 1), (273, 4, 8)),
        *((277, 3, 1), (278, 4, side), (279, 4, len(data))),
    ]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    head = b"II*\0" + struct.pack("<I", begin)
    path = tmp_path / "bomb.tif"
    path.write_bytes(head + data + struct.pack("<H", len(tags)) + entries + bytes(4))
    program = (
        "import sys; from pyimgano.errors import ImageReadError\n"
        "from pyimgano.images.reading import read_image\n"
        "peak = lambda: int([l for l in open('/proc/self/status') if 'VmHWM' in l][0].split()[1])\n"
        "before = peak()\n"
        "try: read_image(sys.argv[1])\n"
        "except ImageReadError: print(peak() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.fspath(REPO / "python")},
    )
    assert int(done.stdout) < 60_000


@pytest.mark.parametrize(("given", "expected"), [(None, str(MAX_PIXELS)), ("4096", "4096")])
def test_opencvs_own_limit_is_set_before_it_is_imported_unless_the_user_has(
    given: str | None, expected: str
) -> None:
    name = "OPENCV_IO_MAX_IMAGE_PIXELS"
    environment = {k: v for k, v in os.environ.items() if k != name}
    if given is not None:
        environment[name] = given
    program = (
        f"import os, sys, pyimgano; assert 'cv2' not in sys.modules; print(os.environ[{name!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**environment, "PYTHONPATH": os.fspath(REPO / "python")},
    )
    assert done.stdout.strip() == expected


def test_an_image_above_opencvs_limit_says_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENCV_IO_MAX_IMAGE_PIXELS", "3000")
    refused(tmp_path, encoded(".png", texture(0)), "set OPENCV_IO_MAX_IMAGE_PIXELS")
