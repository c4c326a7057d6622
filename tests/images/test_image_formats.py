"""Pixels of many kinds of files, written byte by byte: right, or refused by their reason."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from pyimgano.errors import ImageReadError
from pyimgano.images.reading import image_size, is_image_name, read_mask
from tests.conftest import texture, write_image
from tests.fuzz.samples import chunk, encoded, png
from tests.images.test_tiff import ALPHA, COLOUR, GREY, read, tiff


@pytest.mark.parametrize("white", [1, 100, 255, 1023, 4095, 65_535])
@pytest.mark.parametrize("written", [False, True])
def test_anymaps_are_scaled_by_their_largest_value(
    white: int, written: bool, tmp_path: Path
) -> None:
    top = 255 if white < 256 else 65_535
    values = np.random.default_rng(4).integers(0, white + 1, (5, 7, 3))
    for pixels, kind in ((values, 3), (values[..., 0], 2)):
        head = b"P%d\n# a comment\n7 5\n%d\n" % (kind if written else kind + 3, white)
        body = (
            b" ".join(b"%d" % v for v in pixels.ravel())
            if written
            else pixels.astype(">u2" if white > 255 else "u1").tobytes()
        )
        found = read(tmp_path, head + body, "a.pnm")
        np.testing.assert_array_equal(found, np.rint(pixels * top / white))


def test_bitmaps_are_black_where_they_are_one(tmp_path: Path) -> None:
    bits = GREY > 127
    expected = np.where(bits, 0, 255)
    packed = b"P4 8 6\n" + np.packbits(bits, axis=1).tobytes()
    written = b"P1\n8 6\n" + b"".join(b"%d" % b for b in bits.ravel())
    for data in (packed, written):
        np.testing.assert_array_equal(read(tmp_path, data, "a.pbm"), expected)


@pytest.mark.parametrize(
    ("reason", "data"),
    [
        ("more than one picture", b"P5 2 2 255\n\1\2\3\4P5 2 2 255\n\1\2\3\4"),
        ("a value is above the largest, 3", b"P5 2 2 3\n\1\2\3\4"),
        ("damaged or cut short", b"P5 2 2 255\n\1\2\3"),
        ("damaged or cut short", b"P2 2 2 255\n1 2 3"),
        ("something other than numbers", b"P2 2 2 255\n1 2 3 x"),
        ("largest value must be 1 to 65535", b"P5 2 2 65536\n" + bytes(8)),
        ("PAM files are not supported", b"P7\nWIDTH 2\n"),
        ("PFM files are not supported", b"Pf\n2 2\n-1.0\n"),
    ],
)
def test_anymaps_that_are_not_read_are_refused_by_their_reason(
    reason: str, data: bytes, tmp_path: Path
) -> None:
    with pytest.raises(ImageReadError, match=rf"a\.pgm: .*{reason}"):
        read(tmp_path, data, "a.pgm")


def test_grey_with_alpha_is_grey(tmp_path: Path) -> None:
    rows = [
        b"\0" + np.dstack([grey, alpha]).tobytes() for grey, alpha in zip(GREY, ALPHA, strict=True)
    ]
    np.testing.assert_array_equal(read(tmp_path, png(8, 6, 8, 4, b"".join(rows)), "a.png"), GREY)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_pngs_of_few_bits_reach_from_black_to_white(depth: int, tmp_path: Path) -> None:
    values = np.arange(48).reshape(6, 8) % 2**depth
    bits = (values[..., None] >> np.arange(depth)[::-1]) & 1
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in bits.reshape(6, -1))
    found = read(tmp_path, png(8, 6, depth, 0, rows), "a.png")
    np.testing.assert_array_equal(found, values * 255 // (2**depth - 1))


def test_a_png_with_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    data = bytearray(encoded(".png", texture(0)))
    data[-20] ^= 1
    with pytest.raises(ImageReadError, match=r"a\.png: damaged"):
        read(tmp_path, bytes(data), "a.png")


def gif(frames: int = 1, transparent: bool = False) -> bytes:
    done, data = cv2.imencode(".gif", COLOUR)
    assert done
    found = data.tobytes()
    begin, end = found.index(b","), len(found) - 1
    control = b"!\xf9\x04" + bytes([int(transparent), 0, 0, 0, 0])
    start = found.rfind(b"!\xf9", 0, begin)
    head = found[:start] if start >= 0 else found[:begin]
    return head + (control + found[begin:end]) * frames + b";"


def test_a_gif_is_read_and_its_frames_are_counted(tmp_path: Path) -> None:
    plain = read(tmp_path, gif(), "a.gif")
    assert plain.shape == (6, 8, 3)
    np.testing.assert_array_equal(read(tmp_path, gif(transparent=True), "b.gif"), plain)
    with pytest.raises(ImageReadError, match=r"a\.gif: it holds 3 pages or frames"):
        read(tmp_path, gif(3), "a.gif")


def test_webp_jpeg2000_and_avif_are_read_by_their_content(tmp_path: Path) -> None:
    image = texture(5)
    for suffix, tolerance in ((".webp", 0), (".jp2", 0), (".avif", 20)):
        quality = {".webp": [cv2.IMWRITE_WEBP_QUALITY, 101], ".jp2": [], ".avif": []}[suffix]
        if suffix == ".jp2":
            quality = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
        try:
            data = encoded(suffix, image[..., ::-1], *quality)
        except cv2.error:
            pytest.skip(f"this build of OpenCV writes no {suffix}")
        found = read(tmp_path, data, "called.png")
        assert np.abs(found.astype(int) - image).mean() <= tolerance, suffix


def test_ten_bit_avif_reaches_white(tmp_path: Path) -> None:
    deep = np.full((48, 64, 3), 1023, np.uint16)
    try:
        data = encoded(".avif", deep, cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_QUALITY, 100)
    except cv2.error:
        pytest.skip("this build of OpenCV writes no AVIF")
    assert read(tmp_path, data, "a.avif").min() >= 65_000


def test_turned_avif_is_shown_upright(tmp_path: Path) -> None:
    image_module = pytest.importorskip("PIL.Image", reason="Pillow writes the file")
    image, out = texture(6), io.BytesIO()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"
    try:
        image_module.fromarray(image).save(out, "AVIF", quality=100, exif=exif)
    except (KeyError, OSError):
        pytest.skip("this Pillow writes no AVIF")
    found = read(tmp_path, out.getvalue(), "a.avif")
    assert np.abs(found.astype(int) - np.rot90(image, -1)).mean() <= 10
    assert image_size(tmp_path / "a.avif") == (64, 48)


def test_a_format_is_told_by_content_whatever_the_suffix(tmp_path: Path) -> None:
    image = texture(7)
    data = encoded(".png", image[..., ::-1])
    for name in ("a.jpg", "a.jfif", "a.tif", "a.heic"):
        np.testing.assert_array_equal(read(tmp_path, data, name), image)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\x76\x2f\x31\x01" + bytes(60), "OpenEXR"),
        (b"#?RADIANCE\n" + bytes(60), "Radiance HDR"),
        (b"%PDF-1.7" + bytes(60), "PDF"),
        (b"<svg width='1'>" + bytes(60), "SVG"),
        (b"8BPS" + bytes(60), "Photoshop"),
        (b"\xff\x0a" + bytes(60), "JPEG XL"),
        (b"RIFF\x20\0\0\0WAVE" + bytes(60), "RIFF"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp41isom" + bytes(60), "films"),
    ],
)
def test_other_formats_are_refused_by_their_name(data: bytes, name: str, tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match=rf"a\.png: .*{name}.* not supported"):
        read(tmp_path, data, "a.png")


@pytest.mark.parametrize("name", ["a.JFIF", "a.jpe", "a.GIF", "a.Jp2", "a.avif", "a.pbm", "a.dib"])
def test_suffixes_of_all_formats_that_are_read_are_those_of_images(name: str) -> None:
    assert is_image_name(name)


def test_the_size_is_read_without_the_pixels(tmp_path: Path) -> None:
    path = Path(write_image(tmp_path / "a.png", texture(0)))
    with path.open("r+b") as file:
        file.truncate(60)
    assert image_size(path) == (48, 64)
    sparse = tmp_path / "huge.tif"
    sparse.write_bytes(tiff(GREY, 1, (273, 4, (16,)), (279, 4, (48,))))
    with sparse.open("r+b") as file:
        file.truncate(10**11)  # reading it whole would not end
    assert image_size(sparse) == (6, 8)


def test_masks_in_any_format_mark_what_is_not_zero(tmp_path: Path) -> None:
    mask = np.zeros((6, 8), np.uint8)
    mask[2:4, 3:6] = 1
    inverted = tmp_path / "m.tif"
    inverted.write_bytes(tiff(65_535 - mask.astype(np.uint16), 0))
    np.testing.assert_array_equal(read_mask(inverted), mask)
    anymap = tmp_path / "m.pgm"
    anymap.write_bytes(b"P5 8 6 1\n" + mask.tobytes())
    np.testing.assert_array_equal(read_mask(anymap), mask)


def test_an_animated_png_is_refused_with_its_frames(tmp_path: Path) -> None:
    still = encoded(".png", texture(1))
    at = still.index(b"IDAT") - 4
    data = still[:at] + chunk(b"acTL", struct.pack(">II", 4, 0)) + still[at:]
    with pytest.raises(ImageReadError, match=r"a\.png: it holds 4 pages or frames"):
        read(tmp_path, data, "a.png")
