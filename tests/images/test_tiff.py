"""TIFFs written byte by byte: right, or refused by their reason."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyimgano.errors import ImageReadError
from pyimgano.images.reading import image_size, read_image

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


@given(
    order=st.sampled_from("<>"),
    big=st.booleans(),
    deep=st.booleans(),
    kind=st.sampled_from(["white is zero", "grey", "grey with alpha", "colour", "with alpha"]),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    seed=st.integers(0, 1000),
)
@settings(max_examples=150)
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
