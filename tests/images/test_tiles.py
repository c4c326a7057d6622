"""Which part of an image each tile answers for."""

from __future__ import annotations

import itertools

import pytest

from pyimgano.images.geometry import size_within
from pyimgano.images.preprocess import ImagePreprocessor
from pyimgano.images.tiles import TILES, Window, cut
from pyimgano.utils.parameters import Unfit
from tests.conftest import texture


def test_a_side_no_longer_than_a_tile_is_one_tile() -> None:
    assert cut(7, 10, 4) == [Window(0, 7, 0, 7)]
    assert cut(10, 10, 4) == [Window(0, 10, 0, 10)]


def test_each_of_two_tiles_gives_the_nearer_half_of_what_they_share() -> None:
    # 16 long, tiles of 10: 6 to 10 are in both.
    assert cut(16, 10, 4) == [Window(0, 10, 0, 8), Window(6, 16, 8, 16)]
    # An odd overlap: one of five places more to the first.
    assert cut(15, 10, 3) == [Window(0, 10, 0, 8), Window(5, 15, 8, 15)]


def test_the_tiles_of_superadd() -> None:
    # Its tiles of 40 tokens that overlap by 16 at least, on 100 of them.
    found = cut(100, 40, 16)
    assert [one.start for one in found] == [0, 20, 40, 60]
    assert [(one.first, one.last) for one in found] == [(0, 30), (30, 50), (50, 70), (70, 100)]


@pytest.mark.parametrize("length", range(1, 60, 7))
@pytest.mark.parametrize(("tile", "overlap"), [(1, 0), (5, 0), (5, 4), (12, 3), (16, 8)])
def test_every_place_is_taken_once_and_from_the_tile_in_which_it_is_most_central(
    length: int, tile: int, overlap: int
) -> None:
    tiles = cut(length, tile, overlap)
    taken = [place for one in tiles for place in range(one.first, one.last)]
    assert taken == list(range(length))
    for before, after in itertools.pairwise(tiles):
        assert overlap <= before.stop - after.start < tile
    for one in tiles:
        for place in range(one.first, one.last):

            def margin(other: Window, at: int = place) -> int:
                # The image's own border is no border of a tile.
                left = at - other.start if other.start else length
                right = other.stop - 1 - at if other.stop < length else length
                return min(left, right)

            best = max(margin(other) for other in tiles if other.start <= place < other.stop)
            assert margin(one) >= best - 1


def test_the_parameter_takes_a_size_with_and_without_overlap() -> None:
    assert [TILES.parse(word) for word in ("auto", "512", "512:64")] == ["auto", 512, (512, 64)]
    assert TILES.accept([512, 64]) == (512, 64)
    for wrong in (8, (512,), "all", 0, True):
        with pytest.raises(Unfit, match="tiles|auto"):
            TILES.accept(wrong)


@pytest.mark.parametrize(
    ("source", "box", "multiple", "expected"),
    [
        ((3000, 4000), (256, 256), 1, (192, 256)),
        ((4000, 3000), (256, 256), 1, (256, 192)),
        ((3000, 4000), (256, 512), 16, (256, 336)),
        ((3000, 4000), None, 16, (2992, 4000)),
        ((100, 50), (256, 256), 16, (256, 128)),
        ((1, 4000), (256, 256), 16, (16, 256)),
        ((1, 1), None, 16, (16, 16)),
    ],
)
def test_the_largest_size_within_a_box_keeps_the_aspect(source, box, multiple, expected) -> None:
    assert size_within(source, box, multiple) == expected


def test_stored_pixels_are_what_floats_are_but_for_rounding() -> None:
    image = texture(0, (90, 120))
    options = {"resize": 64, "resize_mode": "fit", "multiple": 8}
    floats = ImagePreprocessor(**options).load(image)
    stored = ImagePreprocessor(**options, as_stored=True).load(image)
    assert stored.geometry == floats.geometry
    assert (stored.pixels.dtype, stored.pixels.shape) == (image.dtype, (48, 64, 3))
    assert abs(stored.pixels / 255 - floats.pixels).max() <= 0.5 / 255 + 1e-6
    grey = ImagePreprocessor(**options, as_stored=True).load(image[..., 0])
    assert grey.pixels.shape == (48, 64)
