"""Which source pixel is this: points and ramps, to the network's input and back."""

from __future__ import annotations

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError
from pyimgano.images.geometry import Geometry
from pyimgano.images.preprocess import ImagePreprocessor

#: Source, resize and centred crop: down, up, odd, squashed, cropped with an odd border, native.
CASES = [
    ((96, 128), (48, 64), None),
    ((37, 53), (64, 64), None),
    ((101, 67), (33, 45), None),
    ((96, 128), (64, 64), (56, 56)),
    ((101, 67), (47, 51), (32, 33)),
    ((61, 83), None, (40, 40)),
    ((61, 83), None, None),
]
#: OpenCV averages areas only where both sides shrink; else it samples, up to a pixel off.
ONE_SIDE_UP = ((200, 50), (64, 64), None)
every_case = pytest.mark.parametrize(("source", "resize", "crop"), CASES)


def inside(geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the source whose pixels are seen, well within the border."""
    top, left, height, width = geometry.crop
    found = []
    for first, count, outer, source in (
        (top, height, geometry.resized[0], geometry.source[0]),
        (left, width, geometry.resized[1], geometry.source[1]),
    ):
        step = source / outer
        margin = 2 * max(step, 1)
        found.append(np.arange(np.ceil(first * step + margin), (first + count) * step - margin))
    return found[0].astype(int), found[1].astype(int)


@every_case
def test_a_point_comes_back_to_where_it_was(source, resize, crop) -> None:
    geometry = Geometry.of(source, resize, crop)
    rows, columns = inside(geometry)
    steps = [max(1.0, s / r) for s, r in zip(source, geometry.resized, strict=True)]
    rng = np.random.default_rng(0)
    for row, column in zip(rng.choice(rows, 20), rng.choice(columns, 20), strict=True):
        image = np.zeros(source, np.uint8)
        image[row, column] = 255
        seen = geometry.forward(image)
        assert seen.shape == (*geometry.size, 3)
        back = geometry.to_source(seen[..., 0])
        assert back.shape == source
        peak = np.argwhere(back == back.max()).mean(axis=0)
        assert abs(peak[0] - row) <= steps[0]
        assert abs(peak[1] - column) <= steps[1]


@pytest.mark.parametrize(("source", "resize", "crop"), [*CASES, ONE_SIDE_UP])
def test_a_ramp_is_a_ramp_with_its_pixel_centres_kept(source, resize, crop) -> None:
    geometry = Geometry.of(source, resize, crop)
    row, column = np.mgrid[: source[0], : source[1]].astype(np.float32)
    top, left, height, width = geometry.crop
    seen = geometry.forward(np.dstack([row, column, np.zeros_like(row)]))
    scale = [s / r for s, r in zip(source, geometry.resized, strict=True)]
    centres = (np.arange(top, top + height) + 0.5) * scale[0] - 0.5
    near = slice(2, -2)
    # Area interpolation by a fraction weighs whole pixels: off by a part of one.
    atol = 1.0 if (source, resize, crop) == ONE_SIDE_UP else 0.5
    np.testing.assert_allclose(seen[near, 5, 0], centres[near], atol=atol)
    centres = (np.arange(left, left + width) + 0.5) * scale[1] - 0.5
    np.testing.assert_allclose(seen[5, near, 1], centres[near], atol=atol)
    rows, columns = np.ix_(*inside(geometry))
    np.testing.assert_allclose(geometry.to_source(seen[..., 0])[rows, columns], rows + 0 * columns,
                               atol=atol)  # fmt: skip
    np.testing.assert_allclose(geometry.to_source(seen[..., 1])[rows, columns], columns + 0 * rows,
                               atol=atol)  # fmt: skip


def test_without_resizing_and_cropping_nothing_changes() -> None:
    geometry = Geometry.of((5, 7))
    image = np.random.default_rng(0).integers(0, 65536, (5, 7, 3)).astype(np.uint16)
    np.testing.assert_array_equal(geometry.forward(image), image.astype(np.float32))
    seen = np.random.default_rng(1).random((5, 7), np.float32)
    np.testing.assert_array_equal(geometry.to_source(seen), seen)


def test_a_crop_keeps_the_centre_and_the_rest_gets_the_lowest_value() -> None:
    geometry = Geometry.of((7, 8), None, (4, 4))
    assert geometry.crop == (1, 2, 4, 4)  # an odd border is smaller above
    image = np.arange(56, dtype=np.uint8).reshape(7, 8)
    np.testing.assert_array_equal(geometry.forward(image)[..., 2], image[1:5, 2:6])
    seen = np.full((4, 4), 3, np.float32)
    seen[0, 0] = 2
    back = geometry.to_source(seen)
    np.testing.assert_array_equal(back[1:5, 2:6], seen)
    assert (back == 2).sum() == 1 + 56 - 16


def test_an_image_that_is_loaded_carries_its_geometry() -> None:
    image = np.random.default_rng(0).integers(0, 256, (30, 50, 3)).astype(np.uint8)
    loaded = ImagePreprocessor(resize=(20, 24), center_crop=16).load(image)
    assert loaded.geometry == Geometry((30, 50), (20, 24), (2, 4, 16, 16))
    assert (loaded.size, loaded.geometry.size) == ((30, 50), (16, 16))
    np.testing.assert_array_equal(loaded.pixels, loaded.geometry.forward(image) / np.float32(255))


def test_what_does_not_fit_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match=r"center_crop \(9, 4\) is larger than the image"):
        Geometry.of((7, 8), None, (9, 4))
    with pytest.raises(InvalidInputError, match=r"a map of \(3, 4\) for an input of \(4, 4\)"):
        Geometry.of((7, 8), (4, 4)).to_source(np.zeros((3, 4), np.float32))
    for shape in ((7,), (7, 8, 1), (7, 8, 4), (2, 7, 8, 3)):
        with pytest.raises(InvalidInputError, match=r"an image is \(H, W\) or \(H, W, 3\), not"):
            Geometry.of((7, 8)).forward(np.zeros(shape, np.uint8))
