"""Regions of interest: what is inside of an image of any size, and of its grid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError
from pyimgano.images.geometry import Geometry
from pyimgano.images.region import RegionOfInterest, check_aspect
from pyimgano.images.region_auto import varying_region
from pyimgano.images.region_files import IGNORE, ROI, draw_region, read_area
from tests.conftest import texture, write_image

LEFT = np.zeros((40, 60), np.bool_)
LEFT[:, :30] = True


def written(folder: Path, content: Any) -> str:
    path = folder / "region.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_the_mask_follows_the_size_of_an_image() -> None:
    region = RegionOfInterest(LEFT)
    assert region.share == 0.5
    for size in ((40, 60), (80, 120), (400, 600), (20, 30)):
        inside = region.at(size)
        assert (inside.shape, inside.dtype) == (size, np.bool_)
        assert inside[:, : size[1] // 2].all()
        assert not inside[:, size[1] // 2 :].any()


def test_a_place_of_the_grid_is_inside_when_half_of_it_is() -> None:
    mask = np.zeros((40, 60), np.bool_)
    mask[:, :35] = True  # of columns that are 10 wide the fourth is half inside
    grid = RegionOfInterest(mask).on_grid(Geometry.of((40, 60)), (4, 6))
    np.testing.assert_array_equal(grid, [[True] * 4 + [False] * 2] * 4)
    mask[:, 34] = False
    grid = RegionOfInterest(mask).on_grid(Geometry.of((40, 60)), (4, 6))
    np.testing.assert_array_equal(grid, [[True] * 3 + [False] * 3] * 4)


def test_places_depend_on_what_an_image_is_brought_to_not_on_its_size() -> None:
    mask = np.random.default_rng(0).random((40, 60)) > 0.4
    region = RegionOfInterest(mask)
    squashed = [region.on_grid(Geometry.of(s, (64, 64)), (8, 8)) for s in ((40, 60), (41, 61))]
    np.testing.assert_array_equal(*squashed)


def test_a_crop_and_a_turn_move_the_places() -> None:
    region = RegionOfInterest(LEFT)
    cropped = region.on_grid(Geometry.of((40, 60), (40, 60), (20, 20)), (2, 4))
    np.testing.assert_array_equal(cropped, [[True, True, False, False]] * 2)
    turned = region.on_grid(Geometry.of((40, 60)), (4, 6), 180.0)
    np.testing.assert_array_equal(turned, [[False] * 3 + [True] * 3] * 4)


def test_a_grid_finer_than_the_mask_has_its_pixels() -> None:
    grid = RegionOfInterest(np.array([[True, False]])).on_grid(Geometry.of((8, 16)), (4, 8))
    np.testing.assert_array_equal(grid, [[True] * 4 + [False] * 4] * 4)


@pytest.mark.parametrize("image", [(600, 400), (40, 50), (4000, 6200)])
def test_another_aspect_is_an_error(image: tuple[int, int]) -> None:
    with pytest.raises(InvalidInputError, match=f"60 x 40 pixels.*{image[1]} x {image[0]}"):
        RegionOfInterest(LEFT).at(image)


@pytest.mark.parametrize("image", [(768, 576), (77, 58), (154, 115), (2999, 2250), (4, 3)])
def test_sides_rounded_to_whole_pixels_are_the_same_aspect(image: tuple[int, int]) -> None:
    check_aspect("roi", (768, 576), image)


def test_what_covers_nothing_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="empty"):
        RegionOfInterest(np.zeros((4, 4), np.bool_))
    dot = np.zeros((40, 40), np.bool_)
    dot[3, 3] = True
    with pytest.raises(InvalidInputError, match="covers no patch .* none of 4 x 4 is half inside"):
        RegionOfInterest(dot).on_grid(Geometry.of((40, 40)), (4, 4))
    corner = np.zeros((20, 80), np.bool_)
    corner[:, :8] = True
    with pytest.raises(InvalidInputError, match="turned by 90 degrees"):
        RegionOfInterest(corner).on_grid(Geometry.of((20, 80)), (2, 8), 90.0)


@pytest.mark.parametrize("shape", [(7, 13), (1, 1), (8, 16)])
def test_a_file_holds_it_bit_by_bit(shape: tuple[int, int]) -> None:
    mask = np.random.default_rng(1).random(shape) > 0.3
    state = RegionOfInterest(mask).to_state()
    np.testing.assert_array_equal(RegionOfInterest.from_state(state).mask, mask)
    with pytest.raises(InvalidInputError, match="do not go together"):
        RegionOfInterest.from_state({**state, "roi_size": np.array([shape[0] + 1.0, shape[1]])})


def test_polygons_in_shares_and_in_pixels_are_one_region(tmp_path: Path) -> None:
    shares = {"polygons": [[[0.25, 0.5], [0.75, 0.5], [0.75, 1], [0.25, 1]]]}
    pixels = {"size": [80, 40], "polygons": [[[20, 20], [60, 20], [60, 40], [20, 40]]]}
    wanted = np.zeros((20, 40), np.bool_)
    wanted[10:, 10:30] = True
    for content in (shares, pixels):
        region = draw_region(read_area("roi", written(tmp_path, content)), None, (20, 40))
        differing = np.argwhere(region.mask != wanted)
        # An edge that runs through the centres of pixels may take them or not.
        assert len(differing) <= 60
        assert region.mask[11:19, 11:29].all()
        assert not region.mask[:9].any()
        assert not region.mask[:, :9].any()
        assert not region.mask[:, 31:].any()


def test_a_polygon_agrees_with_its_formula() -> None:
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    circle = np.stack([0.5 + 0.4 * np.cos(angles), 0.5 + 0.3 * np.sin(angles)], axis=1)
    from pyimgano.images.region_files import Polygons

    mask = Polygons((circle,), None).drawn((300, 400))
    y, x = np.mgrid[:300, :400] + 0.5
    true = ((x / 400 - 0.5) / 0.4) ** 2 + ((y / 300 - 0.5) / 0.3) ** 2 <= 1
    assert (mask != true).mean() < 0.01
    assert mask[np.hypot(x - 200, y - 150) < 80].all()


def test_what_is_not_black_in_a_picture_is_inside(tmp_path: Path) -> None:
    drawn = np.zeros((20, 30, 3), np.uint8)
    drawn[5:10, 6:12] = (0, 200, 0)
    mask = read_area("roi", write_image(tmp_path / "roi.png", drawn))
    np.testing.assert_array_equal(mask, drawn.any(axis=2))


def test_ignore_takes_off_what_roi_has() -> None:
    right = np.zeros((20, 30), np.bool_)
    right[:, 10:] = True
    region = draw_region(LEFT, right, (40, 60))
    np.testing.assert_array_equal(region.mask.any(axis=0), np.arange(60) < 20)
    np.testing.assert_array_equal(draw_region(None, right, (20, 30)).mask, ~right)
    with pytest.raises(InvalidInputError, match="ignore leaves no pixel"):
        draw_region(LEFT, np.ones((40, 60), np.bool_), (40, 60))


SQUARE = [[0, 0], [1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON"),
        ([SQUARE], 'lacks "polygons"'),
        ({"polygons": []}, 'lacks "polygons"'),
        ({"polygons": 3}, "that are no list"),
        ({"polygons": [[[0, 0], [1, 1]]]}, r"a polygon of 2 points \(number 1\)"),
        ({"polygons": [SQUARE, [[0, 0], [1], [1, 1]]]}, r"polygon 2 that is not \[x, y\]"),
        ({"polygons": [[[0, 0], [1, "1"], [1, 1]]]}, "in numbers"),
        ('{"polygons": [[[0, 0], [1, NaN], [1, 1]]]}', "in numbers"),
        ({"polygons": [[[0, 0], [20, 0], [20, 20]]]}, 'corners beyond 0 and 1.*"size"'),
        ({"polygons": [SQUARE], "size": [0, 4]}, r'"size" that is not \[width, height\]'),
        ({"polygons": [SQUARE], "width": 4}, "'width'"),
    ],
)
def test_a_file_that_holds_no_polygons_says_why(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"^roi: \S*region.json.*{message}"):
        read_area("roi", written(tmp_path, content))


def test_files_that_hold_no_region_are_named(tmp_path: Path) -> None:
    photo = write_image(tmp_path / "photo.png", texture(0))
    with pytest.raises(InvalidInputError, match=r"photo.png has \d+ shades, as a photo has"):
        read_area("roi", photo)
    lossy = write_image(tmp_path / "mask.jpg", LEFT.astype(np.uint8) * 255)
    with pytest.raises(InvalidInputError, match=r"mask.jpg is in a lossy format"):
        read_area("ignore", lossy)
    (tmp_path / "cut.png").write_bytes(Path(photo).read_bytes()[:100])
    for name in ("cut.png", "absent.png"):
        with pytest.raises(InvalidInputError, match=f"roi: cannot read image .*{name}"):
            read_area("roi", tmp_path / name)
    with pytest.raises(InvalidInputError, match=r"absent.json cannot be read"):
        read_area("roi", tmp_path / "absent.json")


@pytest.mark.parametrize("given", [3, "", np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2)), b"x"])
def test_the_parameter_takes_paths_and_masks_alone(given: Any) -> None:
    with pytest.raises(InvalidInputError, match="^roi must be"):
        ROI.check("roi", given)


def test_auto_is_a_word_for_roi_alone() -> None:
    assert ROI.check("roi", "auto") == "auto"
    with pytest.raises(InvalidInputError, match="^ignore must be"):
        IGNORE.check("ignore", "auto")


def parts(n: int, seed: int) -> list[np.ndarray]:
    """Textured squares on a background that is the same but for noise of the camera."""
    rng = np.random.default_rng(seed)
    ground = texture(seed, (96, 128)) // 4
    found = []
    for i in range(n):
        image = ground + rng.normal(0, 2, ground.shape)
        image[30:66, 40:90] = texture(100 + i, (36, 50))
        found.append((image.clip(0, 255) / 255).astype(np.float32))
    return found


def test_what_differs_among_good_images_is_found() -> None:
    found = varying_region(parts(8, 3))
    assert found is not None
    assert found[30:66, 40:90].all()  # no hole, and nothing of the part is lost
    assert found.mean() < 0.4  # the part is 15 % of the image, a margin comes on top


def test_where_everything_differs_or_nothing_does_there_is_no_region() -> None:
    textures = [texture(i, (96, 128)).astype(np.float32) / 255 for i in range(8)]
    assert varying_region(textures) is None
    assert varying_region([textures[0]] * 8) is None
    assert varying_region(textures[:1]) is None
    assert varying_region([]) is None
