"""How images were taken, and what is told of one that is unlike the good photos."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from pyimgano.errors import InvalidInputError
from pyimgano.images.health import LIGHT, measure_health
from pyimgano.images.health_range import HealthRange
from pyimgano.images.reading import read_image

from ..conftest import SHARED


def photo(seed: int, *, gain: float = 1.0, size: tuple[int, int] = (96, 128)) -> np.ndarray:
    """A coloured disc on a textured ground, in light that varies by a few percent."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.normal(0, 60, size).astype(np.float32), (0, 0), 1.2)
    image = np.dstack([110 + noise, 90 + noise, 70 + noise])
    centre = (size[1] // 2 + int(rng.integers(-4, 5)), size[0] // 2 + int(rng.integers(-4, 5)))
    cv2.circle(image, centre, min(size) // 4, (170, 140, 120), -1, cv2.LINE_AA)
    return np.clip(image * gain * rng.normal(1, 0.02), 0, 255).astype(np.uint8)


def good_range(n: int = 12, **how: float) -> HealthRange:
    return HealthRange.of([measure_health(photo(seed, **how)) for seed in range(n)])


def told(image: np.ndarray, known: HealthRange | None = None) -> list[str]:
    """What is told of an image, without the figures."""
    found = (known or good_range()).warnings(measure_health(image))
    return [line.partition(":")[0] for line in found]


def test_figures_of_a_known_image() -> None:
    image = np.zeros((10, 20, 3), np.uint8)
    image[:, 10:] = (255, 51, 0)
    health = measure_health(image)
    assert (health.height, health.width) == (10, 20)
    assert health.brightness == pytest.approx(0.5 * (0.299 + 0.2 * 0.587), abs=1e-6)
    assert health.colour == pytest.approx((1 / 1.2, 0.2 / 1.2, 0), abs=1e-3)
    assert (health.black, health.white) == (0.5, 0.5)
    # One edge: four times as many pixels four apart differ as neighbours.
    assert health.sharpness == pytest.approx((1 / 19) / (4 / 16), rel=0.05)


def test_the_white_balance_is_red_and_blue_relative_to_green() -> None:
    image = np.broadcast_to(np.array([150, 100, 50], np.uint8), (40, 40, 3))
    light = measure_health(image).light()
    assert tuple(light) == LIGHT
    assert light["red_green"] == pytest.approx(1.5, rel=1e-3)
    assert light["blue_green"] == pytest.approx(0.5, rel=2e-3)
    darker = measure_health(image // 2).light()  # light alone does not change it
    assert darker["red_green"] == pytest.approx(1.5, rel=1e-3)
    grey = measure_health(image[..., 0]).light()
    assert (grey["red_green"], grey["blue_green"]) == (None, None)


@pytest.mark.parametrize("colour", [(255, 0, 0), (9, 0, 9), (0, 0, 255), (200, 20, 200)])
def test_without_green_there_is_no_white_balance(colour: tuple[int, ...]) -> None:
    image = np.broadcast_to(np.array(colour, np.uint8), (40, 40, 3))
    light = measure_health(image).light()
    assert (light["red_green"], light["blue_green"]) == (None, None)
    some = measure_health(np.broadcast_to(np.array([200, 25, 100], np.uint8), (40, 40, 3))).light()
    assert some["red_green"] == pytest.approx(8, rel=1e-2)


def test_contrast_does_not_depend_on_the_light() -> None:
    bright, dark = measure_health(photo(3)), measure_health(photo(3, gain=0.6))
    assert dark.brightness == pytest.approx(0.6 * bright.brightness, rel=0.02)
    assert dark.contrast == pytest.approx(bright.contrast, rel=0.04)
    assert dark.sharpness == pytest.approx(bright.sharpness, rel=0.04)


def test_eight_and_sixteen_bits_and_twelve_in_sixteen_are_alike() -> None:
    eight = photo(1)
    first = measure_health(eight)
    for image, depth in ((eight.astype(np.uint16) * 257, None), (eight.astype(np.uint16), 8)):
        other = measure_health(image, bit_depth=depth)
        assert other.brightness == pytest.approx(first.brightness, abs=0.003)
        assert other.sharpness == pytest.approx(first.sharpness, abs=0.003)
        assert (other.black, other.white) == (first.black, first.white)


@pytest.mark.parametrize("shape", [(1, 1), (4, 300), (3000, 2), (1, 1, 3), (5, 5, 3)])
def test_tiny_and_narrow_images_have_figures(shape: tuple[int, ...]) -> None:
    health = measure_health(np.full(shape, 51, np.uint8))
    assert health.brightness == pytest.approx(0.2, abs=1e-6)
    assert health.sharpness is None
    assert health.colour is None
    assert HealthRange.of([health]).warnings(health) == ()


def test_arrays_in_any_layout_have_the_same_figures() -> None:
    image = photo(2)
    for view in (
        np.asfortranarray(image),
        image[..., ::-1].copy()[..., ::-1],
        np.repeat(image, 2, axis=1)[:, ::2],
        np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0),
        image.astype(">u2").astype(np.uint8),
    ):
        assert measure_health(view) == measure_health(image)
    assert measure_health(image[..., 1:2]) == measure_health(image[..., 1])
    frozen = image.copy()
    frozen.flags.writeable = False
    assert measure_health(frozen) == measure_health(image)
    deep = image.astype(np.uint16) * 257
    assert measure_health(deep.astype(">u2")) == measure_health(deep)


def test_a_grey_image_has_no_colour_also_when_it_is_stored_as_rgb() -> None:
    grey = photo(0)[..., 1]
    assert measure_health(grey).colour is None
    assert measure_health(np.dstack([grey] * 3)).colour is None
    known = HealthRange.of([measure_health(photo(i)[..., 0]) for i in range(5)])
    assert told(photo(9)[..., 0], known) == []
    assert told(np.dstack([photo(9)[..., 0]] * 3), known) == []


def test_a_further_good_photo_is_told_nothing() -> None:
    known = good_range()
    assert [told(photo(seed), known) for seed in range(100, 160)] == [[]] * 60


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 16])
def test_few_good_photos_are_enough(n: int) -> None:
    known = good_range(n)
    false = sum(bool(told(photo(seed), known)) for seed in range(200, 300))
    assert false <= 1
    assert told(photo(70, gain=0.5), known) == ["darker than any good photo"]


@pytest.mark.parametrize(
    ("gain", "lines"),
    [
        (0.5, ["darker"]),
        (0.7, ["darker"]),
        (1.3, ["brighter"]),
        (1.5, ["brighter", "more overexposed"]),
    ],
)
def test_light_is_told(gain: float, lines: list[str]) -> None:
    assert told(photo(50, gain=gain)) == [f"{line} than any good photo" for line in lines]


def test_the_line_names_the_figure_and_those_of_the_good_photos() -> None:
    known = good_range()
    (line,) = known.warnings(measure_health(photo(50, gain=0.7)))
    brightness = [one.brightness for one in known.images]
    low, high = min(brightness), max(brightness)
    value = measure_health(photo(50, gain=0.7)).brightness
    assert line == (
        f"darker than any good photo: brightness {value:.2f}, good photos {low:.2f} to {high:.2f}"
    )


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0])
def test_defocus_is_told(sigma: float) -> None:
    assert "less sharp than any good photo" in told(cv2.GaussianBlur(photo(50), (0, 0), sigma))


def test_noise_is_told() -> None:
    noise = np.random.default_rng(0).normal(0, 20, (96, 128, 3))
    known = HealthRange.of(
        [measure_health(cv2.GaussianBlur(photo(i), (0, 0), 2)) for i in range(8)]
    )
    noisy = np.clip(cv2.GaussianBlur(photo(50), (0, 0), 2) + noise, 0, 255).astype(np.uint8)
    assert "sharper or noisier than any good photo" in told(noisy, known)


def test_haze_is_told_as_low_contrast() -> None:
    hazy = (photo(50) * 0.4 + 60).astype(np.uint8)
    assert "lower in contrast than any good photo" in told(hazy)


@pytest.mark.parametrize(("channel", "name"), [(0, "red"), (2, "blue")])
def test_a_colour_cast_is_told_in_one_line(channel: int, name: str) -> None:
    cast = photo(50).astype(np.float32)
    cast[..., channel] *= 1.25
    found = told(np.clip(cast, 0, 255).astype(np.uint8))
    assert [line for line in found if name in line] == [f"more {name} than any good photo"]


def test_a_grey_image_among_coloured_photos_is_told() -> None:
    assert "more blue than any good photo" in told(photo(50)[..., 1])


def test_overexposure_is_told() -> None:
    image = photo(50)
    image[:, :32] = 255
    assert "more overexposed than any good photo" in told(image)


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (0, ["darker than any good photo", "more underexposed than any good photo"]),
        (255, ["brighter than any good photo", "more overexposed than any good photo"]),
    ],
)
def test_of_an_image_without_any_picture_only_the_light_is_told(
    value: int, lines: list[str]
) -> None:
    assert told(np.full((96, 128, 3), value, np.uint8)) == lines


@pytest.mark.parametrize("size", [(48, 64), (192, 256), (96, 112), (128, 96)])
def test_another_size_or_shape_is_told(size: tuple[int, int]) -> None:
    known = good_range()
    (line,) = (w for w in known.warnings(measure_health(photo(50, size=size))) if "size" in w)
    assert line == (
        f"of another size than any good photo: {size[1]} x {size[0]} pixels, good photos 128 x 96"
    )


def test_photos_of_many_sizes_allow_for_one_between() -> None:
    sizes = [(90 + 3 * i, 120 + 4 * i) for i in range(10)]
    known = HealthRange.of([measure_health(photo(i, size=s)) for i, s in enumerate(sizes)])
    assert told(photo(50, size=(99, 132)), known) == []
    (line,) = (w for w in known.warnings(measure_health(photo(50, size=(20, 26)))) if "size" in w)
    assert line.endswith("26 x 20 pixels, good photos 120 x 90 to 156 x 117")


def test_the_size_of_the_one_that_differs_is_not_told_as_a_size_of_good_photos() -> None:
    odd = measure_health(photo(50, size=(80, 90)))
    known = HealthRange.of([*(measure_health(photo(i)) for i in range(20)), odd])
    (line,) = (w for w in known.warnings(odd) if "size" in w)
    assert line.endswith("90 x 80 pixels, good photos 128 x 96")


def test_one_good_photo_does_not_say_whether_sizes_vary() -> None:
    known = good_range(1)
    assert told(photo(50, size=(80, 128)), known) == []
    assert "of another size than any good photo" in told(photo(50, size=(40, 56)), known)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_defect_alone_is_not_told(value: int) -> None:
    known = good_range()
    for seed in range(50, 60):
        image = photo(seed)
        image[30:46, 40:56] = value  # 2 % of the pixels
        cv2.line(image, (5, 5), (120, 80), (value, value, value), 1)
        assert told(image, known) == []


def test_an_odd_photo_among_the_good_ones_does_not_hide_others() -> None:
    images = [photo(seed) for seed in range(20)] + [photo(20, gain=1.4)]
    known = HealthRange.of([measure_health(image) for image in images])
    assert told(photo(60, gain=1.3), known) == ["brighter than nearly all good photos"]
    # Seen among the others the odd one stands out, and only it.
    assert [i for i, image in enumerate(images) if told(image, known)] == [20]


def test_photos_of_two_days_are_both_good() -> None:
    images = [photo(seed, gain=1.0 if seed % 3 else 0.7) for seed in range(18)]
    known = HealthRange.of([measure_health(image) for image in images])
    assert [told(image, known) for image in images] == [[]] * 18


def test_constant_good_photos_have_a_range() -> None:
    flat = [measure_health(np.full((32, 32), 128, np.uint8)) for _ in range(4)]
    known = HealthRange.of(flat)
    assert known.warnings(flat[0]) == ()
    assert told(np.full((32, 32), 0, np.uint8), known)[0] == "darker than any good photo"


def test_a_range_needs_an_image() -> None:
    with pytest.raises(InvalidInputError, match="at least one image"):
        HealthRange.of([])


def test_the_range_survives_an_array() -> None:
    images = [measure_health(photo(0)), measure_health(np.full((8, 8), 9, np.uint8))]
    known = HealthRange.of(images)
    assert known.to_array().shape == (2, 10)
    assert HealthRange.from_array(known.to_array()) == known


real = pytest.mark.skipif(
    not (SHARED / "data" / "mvtec").is_dir(), reason="needs the real images of ../shared/data"
)


def real_paths(category: str, part: str) -> list[Path]:
    return sorted((SHARED / "data" / "mvtec" / category / part / "good").iterdir())


def real_images(category: str, part: str) -> list[np.ndarray]:
    return [read_image(path) for path in real_paths(category, part)]


@cache
def real_range(category: str) -> HealthRange:
    return HealthRange.of([measure_health(image) for image in real_images(category, "train")])


@real
@pytest.mark.parametrize("category", ["cookie", "leather", "screw"])
def test_real_good_photos_are_told_nothing(category: str) -> None:
    for image in real_images(category, "test"):
        assert told(image, real_range(category)) == []


@real
def test_real_photos_in_other_light_out_of_focus_or_at_another_size_are_told() -> None:
    known = real_range("cookie")
    for image in real_images("cookie", "test"):
        lit = {gain: np.clip(image * gain, 0, 255).astype(np.uint8) for gain in (0.7, 1.3, 1.6)}
        assert told(lit[0.7], known)[0] == "darker than any good photo"
        assert "more overexposed than any good photo" in told(lit[1.3], known)
        assert "brighter than any good photo" in told(lit[1.6], known)
        blurred = cv2.GaussianBlur(image, (0, 0), 1)
        assert told(blurred, known) == ["less sharp than any good photo"]
        turned = np.ascontiguousarray(np.rot90(image))
        assert told(turned, known) == ["of another size than any good photo"]


@real
def test_the_one_odd_photo_among_real_good_ones_stands_out() -> None:
    paths = real_paths("cookie", "train")
    odd = [path.name for path in paths if told(read_image(path), real_range("cookie"))]
    assert odd == ["normal-31.jpg"]
