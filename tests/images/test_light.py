"""The light of an image, and images brought to another one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError
from pyimgano.images.light import Light
from pyimgano.images.preprocess import ImagePreprocessor
from tests.conftest import texture

GREY = np.array([0.299, 0.587, 0.114])
TARGET = Light(0.4, 0.05)


def oracle(image: np.ndarray, white: float = 255.0) -> tuple[float, float]:
    """Mean and deviation of grey as they are written down."""
    values = image.astype(np.float64) / white
    grey = values @ GREY if image.ndim == 3 else values
    return float(grey.mean()), float(grey.std())


@pytest.mark.parametrize("size", [(48, 64), (700, 9), (1, 1)])
@pytest.mark.parametrize("kind", ["uint8", "grey", "uint16", "12 bits", "float32"])
def test_mean_and_deviation_are_those_of_grey(size: tuple[int, int], kind: str) -> None:
    image, depth, white = texture(0, size), None, 255.0
    if kind == "grey":
        image = image[..., 0]
    elif kind == "uint16":
        image, white = image.astype(np.uint16) * 257, 65535.0
    elif kind == "12 bits":
        image, depth, white = image.astype(np.uint16) * 16, 12, 4095.0
    elif kind == "float32":
        image, white = image.astype(np.float32) / 255, 1.0
    found = Light.of(image, depth)
    assert (found.mean, found.deviation) == pytest.approx(oracle(image, white), abs=2e-6)


def test_only_what_counts_is_measured() -> None:
    image = texture(1, (600, 40))
    counted = np.zeros((600, 40), np.bool_)
    counted[200:400, 7:] = True
    found = Light.of(image, counted=counted)
    assert (found.mean, found.deviation) == pytest.approx(oracle(image[200:400, 7:]), abs=2e-6)


def test_the_typical_light_has_the_medians() -> None:
    found = Light.typical([Light(0.2, 0.1), Light(0.9, 0.3), Light(0.3, 0.2)])
    assert found == Light(0.3, 0.2)


def test_images_without_contrast_have_no_light_to_match() -> None:
    flat = [Light.of(np.full((8, 8), grey, np.uint8)) for grey in (0, 100, 255)]
    with pytest.raises(InvalidInputError, match='light="match" needs training images with cont'):
        Light.typical(flat)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.uint16])
def test_a_matched_image_has_the_light_that_is_wanted(dtype: Any) -> None:
    white = 1.0 if dtype == np.float32 else float(np.iinfo(dtype).max)
    image = (texture(2) / 255 * white).astype(dtype)
    before = image.copy()
    found = TARGET.matched(image, Light.of(image))
    assert (found.dtype, found.shape) == (dtype, image.shape)
    step = 1 / 255 if dtype == np.uint8 else 1e-4
    assert oracle(found, white) == pytest.approx((0.4, 0.05), abs=step / 2)
    np.testing.assert_array_equal(image, before)
    # One gain and one offset for all three channels.
    values = image.astype(np.float64) / white
    mean, deviation = oracle(image, white)
    expected = np.clip((values - mean) * 0.05 / deviation + 0.4, 0, 1)
    assert np.abs(found / white - expected).max() <= step / 2 + 1e-6


def test_what_leaves_the_range_is_cut_off() -> None:
    image = np.array([[0, 100, 110, 255]], np.uint8)
    found = Light(0.5, 0.45).matched(image, Light(0.41, 0.1))
    assert found[0, 0] == 0
    assert found[0, -1] == 255
    assert 0 < found[0, 1] < found[0, 2] < 255


def test_a_constant_image_becomes_the_mean_and_its_noise_is_not_blown_up() -> None:
    flat = np.full((8, 8), 90, np.uint8)
    assert (TARGET.matched(flat, Light.of(flat)) == 102).all()
    flat[0, 0] = 91
    # By one step of 8 bits at the least: 0.05 * 255 steps for one.
    assert TARGET.matched(flat, Light.of(flat)).max() <= 102 + 13


@pytest.mark.parametrize("stored", [False, True])
def test_the_preprocessor_matches_what_is_seen_and_health_is_of_the_photo(stored: bool) -> None:
    plain = ImagePreprocessor((24, 32), as_stored=stored)
    image = texture(3)
    seen = plain.in_light(TARGET).load(image)
    assert seen.health == plain.load(image).health
    white = 255.0 if stored else 1.0
    assert oracle(seen.pixels, white) == pytest.approx((0.4, 0.05), abs=2e-3)
    assert oracle(plain.load(image).pixels, white)[0] > 0.45  # which stays as it was


def test_a_copy_is_changed_as_its_image_is() -> None:
    preprocessor = ImagePreprocessor(None).in_light(TARGET)
    image = texture(4)
    part = image.copy()
    part[:24] = 0
    found = preprocessor.pixels(part, light_of=image)
    np.testing.assert_allclose(found[24:], preprocessor.load(image).pixels[24:], atol=1e-6)


@pytest.mark.parametrize(
    "array",
    [
        np.array([0.5]),
        np.array([0.5, 0.1], np.float32),
        np.array([1.5, 0.1]),
        np.array([0.5, 0.0]),
        np.array([0.5, 2.0]),
        np.array([np.nan, 0.1]),
        np.zeros((2, 2)),
    ],
)
def test_what_no_image_has_is_refused(array: np.ndarray) -> None:
    with pytest.raises(InvalidInputError, match="is no mean and deviation of grey"):
        Light.from_state({"light": array})


def test_a_light_comes_back_as_it_was() -> None:
    light = Light(1 / 3, 0.1)
    assert Light.from_state(light.to_state()) == light
