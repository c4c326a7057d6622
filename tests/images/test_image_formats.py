"""Pixels of many kinds of files, written byte by byte: right, or refused by their reason."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyimgano.errors import ImageReadError
from pyimgano.images.reading import image_size, is_image_name, read_image, read_mask
from tests.conftest import texture, write_image
from tests.fuzz.samples import chunk, encoded, png

GREY = np.random.default_rng(0).integers(0, 256, (6, 8), np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)
DEEP = np.random.default_rng(2).integers(0, 65_536, (6, 8), np.uint16)
ALPHA = np.random.default_rng(3).integers(0, 256, (6, 8), np.uint8)

Tags = list[tuple[int, int, tuple[int, ...]]]


def tiff(
    pixels: np.ndarray,
    colour: int,
    *further: tuple[int, int, tuple[int, ...]],
    order: str = "<",
    pages: int = 1,
    big: bool = False,
) -> bytes:
    """An uncompressed TIFF of one strip; ``colour`` is the photometric interpretation."""
    samples = 1 if pixels.ndim == 2 else pixels.shape[2]
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    own: Tags = [
        (256, 3, (pixels.shape[1],)),
        (257, 3, (pixels.shape[0],)),
        (258, 3, (8 * pixels.itemsize,) * samples),
        (259, 3, (1,)),
        (262, 3, (colour,)),
        (273, 4, (16,)),
        (277, 3, (samples,)),
        (278, 4, (pixels.shape[0],)),
        (279, 4, (len(data),)),
    ]
    replaced = {tag for tag, _, _ in further}
    tags = sorted([one for one in own if one[0] not in replaced] + list(further))
    begin = 16 + len(data)
    head = (b"II" if order == "<" else b"MM") + struct.pack(
        order + ("HHHQ" if big else "HI"), *((43, 8, 0, begin) if big else (42, begin))
    )
    out = head.ljust(16, b"\0") + data
    for page in range(pages):
        out += _directory(out, tags, order, big, last=page + 1 == pages)
    return out


def _directory(before: bytes, tags: Tags, order: str, big: bool, last: bool) -> bytes:
    room, count_form, form = (8, "Q", "HHQ") if big else (4, "H", "HHI")
    size = struct.calcsize(order + count_form) + len(tags) * (20 if big else 12) + room
    extra_at = len(before) + size
    entries, extra = b"", b""
    for tag, kind, values in tags:
        packed = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        entries += struct.pack(order + form, tag, kind, len(values))
        if len(packed) <= room:
            entries += packed.ljust(room, b"\0")
        else:
            offset = extra_at + len(extra)
            entries += struct.pack(order + ("Q" if big else "I"), offset)
            extra += packed
    after = 0 if last else extra_at + len(extra)
    count = struct.pack(order + count_form, len(tags))
    return count + entries + struct.pack(order + ("Q" if big else "I"), after) + extra


def read(tmp_path: Path, data: bytes, name: str = "a.tif", **how: int) -> np.ndarray:
    path = tmp_path / name
    path.write_bytes(data)
    return read_image(path, **how)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_tiffs_of_both_byte_orders_and_sizes_of_offsets(
    order: str, big: bool, tmp_path: Path
) -> None:
    for pixels, colour in ((GREY, 1), (DEEP, 1), (COLOUR, 2)):
        found = read(tmp_path, tiff(pixels, colour, order=order, big=big))
        np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("pixels", [GREY, DEEP], ids=["8", "16"])
def test_where_zero_is_white_the_picture_is_not_inverted(
    pixels: np.ndarray, order: str, tmp_path: Path
) -> None:
    inverted = np.iinfo(pixels.dtype).max - pixels
    np.testing.assert_array_equal(read(tmp_path, tiff(inverted, 0, order=order)), pixels)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("deep", [False, True])
def test_rgba_tiffs_lose_their_alpha_and_nothing_else(
    deep: bool, order: str, tmp_path: Path
) -> None:
    factor, kind = (257, np.uint16) if deep else (1, np.uint8)
    pixels = (np.dstack([COLOUR, ALPHA]) * np.uint16(factor)).astype(kind)
    for extra in (0, 2):
        found = read(tmp_path, tiff(pixels, 2, (338, 3, (extra,)), order=order))
        np.testing.assert_array_equal(found, pixels[..., :3])


def test_colours_that_are_multiplied_by_alpha_are_refused_unless_it_is_opaque(
    tmp_path: Path,
) -> None:
    pixels = np.dstack([COLOUR, ALPHA])
    with pytest.raises(ImageReadError, match=r"a\.tif: .*associated alpha"):
        read(tmp_path, tiff(pixels, 2, (338, 3, (1,))))
    pixels[..., 3] = 255
    np.testing.assert_array_equal(read(tmp_path, tiff(pixels, 2, (338, 3, (1,)))), COLOUR)


@pytest.mark.parametrize("pages", [2, 3])
@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_of_several_pages_is_refused_with_their_number(
    pages: int, big: bool, tmp_path: Path
) -> None:
    with pytest.raises(ImageReadError, match=rf"a\.tif: it holds {pages} pages"):
        read(tmp_path, tiff(GREY, 1, pages=pages, big=big))


@pytest.mark.parametrize(
    ("reason", "data"),
    [
        ("a zstd-compressed TIFF is not supported", tiff(GREY, 1, (259, 3, (50_000,)))),
        ("a LZMA-compressed TIFF is not supported", tiff(GREY, 1, (259, 3, (34_925,)))),
        ("a JPEG-compressed TIFF is not supported", tiff(GREY, 1, (259, 3, (7,)))),
        ("a compression-9999-compressed TIFF", tiff(GREY, 1, (259, 3, (9_999,)))),
        ("a 5-channel colour TIFF", tiff(np.dstack([COLOUR, ALPHA, ALPHA]), 2)),
        ("a CMYK TIFF", tiff(np.dstack([COLOUR, ALPHA]), 5)),
        ("a CIELab TIFF", tiff(COLOUR, 8)),
        ("a 12-bit TIFF", tiff(DEEP, 1, (258, 3, (12,)))),
        ("a mixed-depth TIFF", tiff(COLOUR, 2, (258, 3, (8, 8, 16)))),
        ("it has float32 pixels", tiff(GREY.astype(np.float32), 1, (339, 3, (3,)))),
        ("it has int16 pixels", tiff(DEEP, 1, (339, 3, (2,)))),
        ("a 16-bit planar TIFF", tiff(COLOUR.astype(np.uint16), 2, (284, 3, (2,)))),
    ],
)
def test_healthy_tiffs_that_are_not_read_are_refused_by_their_reason(
    reason: str, data: bytes, tmp_path: Path
) -> None:
    with pytest.raises(ImageReadError, match=rf"a\.tif: {reason}"):
        read(tmp_path, data)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("pixels", [GREY, DEEP, COLOUR], ids=["grey", "deep", "colour"])
def test_tiffs_are_shown_upright(orientation: int, pixels: np.ndarray, tmp_path: Path) -> None:
    expected = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.swapaxes(0, 1),
        6: np.rot90(pixels, -1),
        7: np.rot90(pixels, 2).swapaxes(0, 1),
        8: np.rot90(pixels),
    }[orientation]
    data = tiff(pixels, 2 if pixels.ndim == 3 else 1, (274, 3, (orientation,)))
    np.testing.assert_array_equal(read(tmp_path, data), expected)
    assert image_size(tmp_path / "a.tif") == expected.shape[:2]


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


@given(
    order=st.sampled_from("<>"),
    big=st.booleans(),
    deep=st.booleans(),
    kind=st.sampled_from(["white is zero", "grey", "grey with alpha", "colour", "with alpha"]),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    seed=st.integers(0, 1000),
)
@settings(max_examples=150, deadline=None)
def test_any_plain_tiff_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    order: str,
    big: bool,
    deep: bool,
    kind: str,
    height: int,
    width: int,
    seed: int,
) -> None:
    dtype, top = (np.uint16, 65_535) if deep else (np.uint8, 255)
    values = np.random.default_rng(seed).integers(0, top + 1, (height, width, 4)).astype(dtype)
    alpha = (338, 3, (2,))
    data, expected = {
        "white is zero": (
            lambda: tiff(top - values[..., 0], 0, order=order, big=big),
            values[..., 0],
        ),
        "grey": (lambda: tiff(values[..., 0], 1, order=order, big=big), values[..., 0]),
        "grey with alpha": (
            lambda: tiff(values[..., :2], 1, alpha, order=order, big=big),
            values[..., 0],
        ),
        "colour": (lambda: tiff(values[..., :3], 2, order=order, big=big), values[..., :3]),
        "with alpha": (lambda: tiff(values, 2, alpha, order=order, big=big), values[..., :3]),
    }[kind]
    path = tmp_path_factory.mktemp("tiff") / "a.tif"
    path.write_bytes(data())
    if deep and kind == "grey with alpha":
        with pytest.raises(ImageReadError, match="a 16-bit grey-and-alpha TIFF"):
            read_image(path)
        return
    np.testing.assert_array_equal(read_image(path), expected)


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
