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
from pyimgano.images.reading import image_size, read_image, read_mask
from pyimgano.utils.text import shown
from tests.conftest import texture, write_image

LOSSLESS = [".png", ".bmp", ".tif", ".tiff", ".ppm"]


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_colour_comes_back_as_rgb(tmp_path: Path, suffix: str) -> None:
    image = texture(0)
    path = write_image(tmp_path / f"a{suffix}", image)
    np.testing.assert_array_equal(read_image(path), image)


def test_grey_stays_two_dimensional(tmp_path: Path) -> None:
    grey = texture(1)[..., 0]
    np.testing.assert_array_equal(read_image(write_image(tmp_path / "a.png", grey)), grey)


def test_sixteen_bits_are_kept(tmp_path: Path) -> None:
    deep = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21
    read = read_image(write_image(tmp_path / "a.png", deep))
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, deep)


def test_alpha_is_dropped_without_blending(tmp_path: Path) -> None:
    image = texture(2)
    bgra = np.dstack([image[..., ::-1], np.zeros(image.shape[:2], np.uint8)])
    (tmp_path / "a.png").write_bytes(cv2.imencode(".png", bgra)[1].tobytes())
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), image)


def exif_jpeg(image: np.ndarray, orientation: int) -> bytes:
    """A JPEG with an EXIF orientation tag put in by hand."""
    data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"MM\x00*" + struct.pack(">IH", 8, 1) + entry + struct.pack(">I", 0)
    app1 = b"Exif\x00\x00" + tiff
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(app1) + 2) + app1 + data[2:]


def test_exif_orientation_is_applied_to_pixels_and_to_the_size(tmp_path: Path) -> None:
    image = texture(3)  # 48 high, 64 wide
    upright = tmp_path / "upright.jpg"
    upright.write_bytes(exif_jpeg(image, 1))
    turned = tmp_path / "turned.jpg"
    turned.write_bytes(exif_jpeg(image, 6))  # to be shown turned clockwise by 90 degrees
    np.testing.assert_array_equal(read_image(turned), np.rot90(read_image(upright), -1))
    assert image_size(turned) == (64, 48)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".webp"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_file_cut_short_is_an_error_that_names_it(
    tmp_path: Path, suffix: str, share: float
) -> None:
    path = tmp_path / f"cut{suffix}"
    write_image(path, texture(4, (96, 128)))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ImageReadError, match=f"cut{suffix}"):
        read_image(path)


def test_empty_text_and_missing_files_are_errors_that_name_them(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("not an image at all, but some text of a certain length")
    for name, why in (("empty", "empty"), ("text", "not an image"), ("missing", "No such file")):
        with pytest.raises(ImageReadError, match=rf"{name}\.png.*{why}"):
            read_image(tmp_path / f"{name}.png")
    with pytest.raises(OSError, match="cannot read"):
        read_image(tmp_path)


def test_the_size_limit_is_checked_before_decoding(tmp_path: Path) -> None:
    # 50,000 x 50,000 in the header and no pixels: decoding would fail in another way.
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    (tmp_path / "huge.png").write_bytes(png + struct.pack(">I", zlib.crc32(chunk)))
    with pytest.raises(ImageReadError, match=r"huge\.png is 50000 x 50000 pixels, above the limit"):
        read_image(tmp_path / "huge.png")
    write_image(tmp_path / "small.png", texture(5))
    with pytest.raises(ImageReadError, match="max_pixels"):
        read_image(tmp_path / "small.png", max_pixels=48 * 64 - 1)
    assert read_image(tmp_path / "small.png", max_pixels=48 * 64).shape == (48, 64, 3)


def test_any_path_name_works(tmp_path: Path) -> None:
    image = texture(6)
    for name in ("mit Leerzeichen.png", "füße-検査.png", "quote'\".png"):
        np.testing.assert_array_equal(read_image(write_image(tmp_path / name, image)), image)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_not_utf8_works_and_can_be_printed(tmp_path: Path) -> None:
    source = write_image(tmp_path / "a.png", texture(7))
    strange = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    os.rename(os.fsencode(source), strange)
    listed = os.fsdecode(strange)
    assert read_image(listed).shape == (48, 64, 3)
    Path(listed).write_bytes(b"")
    with pytest.raises(ImageReadError) as caught:
        read_image(listed)
    assert r"\xff\xfe.png" in str(caught.value).encode("ascii").decode()


def test_masks_are_zero_and_one_whatever_the_file_holds(tmp_path: Path) -> None:
    labels = np.zeros((4, 5), np.uint8)
    labels[1, 2], labels[2, 3] = 1, 255
    expected = (labels > 0).astype(np.uint8)
    np.testing.assert_array_equal(read_mask(write_image(tmp_path / "g.png", labels)), expected)
    colour = np.zeros((4, 5, 3), np.uint8)
    colour[1, 2, 2], colour[2, 3, 0] = 7, 1
    np.testing.assert_array_equal(read_mask(write_image(tmp_path / "c.png", colour)), expected)
    opaque = np.dstack([np.zeros((4, 5, 3), np.uint8), np.full((4, 5), 255, np.uint8)])
    (tmp_path / "a.png").write_bytes(cv2.imencode(".png", opaque)[1].tobytes())
    assert not read_mask(tmp_path / "a.png").any()  # alpha says nothing about defects


def test_importing_the_package_alone_loads_nothing_heavy() -> None:
    code = (
        "import sys, pyimgano; heavy = {'torch', 'faiss', 'pyod', 'anomalib', 'sklearn',"
        " 'matplotlib', 'cv2', 'numpy'}; print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_name_with_a_zero_byte_is_an_unreadable_image() -> None:
    with pytest.raises(ImageReadError, match="null byte"):
        read_image("a\0.png")  # as a list written by find -print0 has it


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_without_waiting_for_someone_to_write(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(ImageReadError, match="not a regular file"):
        read_image(tmp_path / "a.png")


@pytest.mark.skipif(os.name != "posix", reason="Windows allows no such names")
def test_a_name_cannot_break_a_line_or_reach_the_terminal() -> None:
    assert shown("a\nb\x1b[31m\x9b é.png") == r"a\nb\x1b[31m\x9b é.png"
    with pytest.raises(ImageReadError, match=r"image a\\nb\.png: No such file"):
        read_image("a\nb.png")
