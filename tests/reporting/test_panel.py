from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyimgano.postprocess import RegionRule
from pyimgano.reporting.lettering import LINE_HEIGHT
from pyimgano.reporting.overlay import MapScale, fit_image, fit_mask, panel_size
from pyimgano.reporting.panel import panel, verdict_panel
from pyimgano.types import Prediction

SCALE, RULE = MapScale.around(level=1.0, threshold=3.0), RegionRule(3.0, 1.0)
BLUE = [40, 120, 255]


def noise(height: int, width: int, *, dtype: Any = np.uint8) -> np.ndarray:
    generator = np.random.default_rng(height + width)
    top = np.iinfo(dtype).max // 2
    return generator.integers(0, top, (height, width, 3), dtype=dtype)


def found(shape: tuple[int, int], *peaks: tuple[int, int, float], label: int = 1) -> Prediction:
    """A map of level 1 with squares of 5 x 5 around peaks (y, x, value)."""
    values = np.ones(shape, np.float32)
    for y, x, value in peaks:
        values[y - 2 : y + 3, x - 2 : x + 3] = value - 1
        values[y, x] = value
    return Prediction("a", 5.0, label, values)


def drawn(image: np.ndarray, prediction: Prediction, **options: Any) -> np.ndarray:
    """The panel below its one line of caption."""
    options = {"rule": RULE, "caption": "x", **options}
    return panel(image, prediction, SCALE, **options)[LINE_HEIGHT:]


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((768, 576), (768, 576)),
        ((300, 400), (300, 400)),
        ((256, 256), (512, 512)),
        ((30, 30), (510, 510)),
        ((1, 1), (512, 512)),
        ((3000, 4000), (665, 887)),
        ((100, 3000), (68, 2048)),
        ((3000, 100), (2048, 68)),
        ((1, 100_000), (1, 2048)),
    ],
)
def test_the_size_of_a_picture_follows_its_image(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    assert panel_size(shape) == size


def test_small_images_are_enlarged_pixel_by_pixel() -> None:
    image = noise(30, 20)
    body = drawn(image, found((30, 20), label=0))
    np.testing.assert_array_equal(body[:510, :340][8::17, 8::17], image)
    np.testing.assert_array_equal(body[:510, :340][::17, 16::17], image)


def test_an_image_of_a_usual_size_is_shown_as_it_is_and_its_true_defect_in_green() -> None:
    image, mask = noise(300, 400), np.zeros((300, 400), np.uint8)
    mask[100:200, 100:200] = 1
    body = drawn(image, found((300, 400), label=0), mask=mask)
    np.testing.assert_array_equal(body[:300, 404:804], image)
    assert body[100, 150].tolist() == [90, 230, 90]
    np.testing.assert_array_equal(body[:90, :400], image[:90])
    np.testing.assert_array_equal(image, noise(300, 400))  # the caller's image is left alone


@pytest.mark.parametrize(
    ("shape", "peak", "place", "box"),
    [
        # Beside the two panels of 665 x 887, framed by 3 pixels.
        ((3000, 4000), (1500, 700), (3, 2 * 891 + 3), (1308, 508, 384, 384)),
        ((3000, 4000), (10, 3990), (3, 2 * 891 + 3), (0, 3616, 384, 384)),
        # Below two panels of 68 rows, and beside two of 68 columns.
        ((100, 3000), (50, 1500), (2 * 72 + 3, 3), (0, 763, 100, 1474)),
        ((3000, 100), (1500, 50), (3, 2 * 72 + 3), (763, 0, 1474, 100)),
    ],
)
def test_of_a_large_image_the_peak_is_shown_at_full_resolution(
    shape: tuple[int, int],
    peak: tuple[int, int],
    place: tuple[int, int],
    box: tuple[int, int, int, int],
) -> None:
    image, (y, x), (top, left, height, width) = noise(*shape), place, box
    body = drawn(image, found(shape, (*peak, 9.0)))
    np.testing.assert_array_equal(
        body[y : y + height, x : x + width], image[top : top + height, left : left + width]
    )
    assert body[y - 1, x].tolist() == BLUE


def test_the_place_of_the_strongest_region_is_framed_on_the_image() -> None:
    body = drawn(noise(2000, 2000), found((2000, 2000), (400, 1000, 6.0), (1500, 500, 9.0)))
    left = (body[:768, :768] == BLUE).all(axis=2)
    rows, columns = np.flatnonzero(left.any(axis=1)), np.flatnonzero(left.any(axis=0))
    ratio = 768 / 2000
    assert rows[[0, -1]] == pytest.approx([1308 * ratio, 1692 * ratio], abs=2)
    assert columns[[0, -1]] == pytest.approx([308 * ratio, 692 * ratio], abs=2)


def test_an_image_that_is_ok_has_no_crop() -> None:
    image, peak = noise(1000, 1000), (400, 500, 9.0)
    ok, defect = (drawn(image, found((1000, 1000), peak, label=i)) for i in (0, 1))
    assert ok.shape[1] == 2 * 768 + 4
    assert defect.shape[1] == 2 * 768 + 4 + 4 + 390
    assert not (ok == BLUE).all(axis=2).any()


def test_the_crop_of_a_deep_image_is_scaled_by_its_bit_depth() -> None:
    image = noise(1000, 1000, dtype=np.uint16) // 8
    body = drawn(image, found((1000, 1000), (500, 500, 9.0)), bit_depth=12)
    crop = body[3 : 3 + 384, 2 * 772 + 3 :][:, :384]
    expected = (image[308:692, 308:692].astype(np.float32) * (255 / 4095)).astype(np.uint8)
    np.testing.assert_array_equal(crop, expected)


@pytest.mark.parametrize("shape", [(40, 4000), (4000, 5), (5, 5), (200, 200), (900, 1200)])
@pytest.mark.parametrize("grey", [True, False])
def test_any_shape_has_its_panel_grey_or_not(shape: tuple[int, int], grey: bool) -> None:
    image = noise(*shape)
    picture = drawn(image[..., 0] if grey else image, found(shape, (2, 2, 9.0)))
    assert picture.shape[1] >= 440
    assert max(picture.shape[:2]) < 2400


def test_the_thinnest_region_of_a_large_image_is_outlined() -> None:
    mask = np.zeros((3000, 3000), bool)
    mask[1501, 2001] = True
    small = fit_mask(mask, panel_size(mask.shape))
    assert small.sum() == 255
    np.testing.assert_array_equal(fit_mask(mask[:3000:100, 1:3000:100], (30, 30)), 0)
    assert fit_mask(mask[1495:1505, 1995:2005], (510, 510)).sum() == 51 * 51 * 255
    assert fit_image(mask[1495:1505, 1995:2005], (510, 510)).sum() == 51 * 51


def test_the_caption_tells_verdict_and_score_then_name_then_warnings() -> None:
    prediction = found((300, 400), label=0)

    def caption(name: str, *warnings: str) -> np.ndarray:
        one = Prediction("a", 5.0, 0, prediction.anomaly_map, warnings)
        return verdict_panel(noise(300, 400), one, SCALE, rule=RULE, name=name, threshold=7.0)

    plain, other, warned = caption("Schäfer"), caption("Sch?fer"), caption("Schäfer", "darker")
    assert warned.shape[0] - plain.shape[0] == LINE_HEIGHT
    np.testing.assert_array_equal(plain[:LINE_HEIGHT], other[:LINE_HEIGHT])
    name = slice(LINE_HEIGHT, 2 * LINE_HEIGHT)
    assert not np.array_equal(plain[name], other[name])
    np.testing.assert_array_equal(plain[name], warned[name])


def test_the_legend_tells_the_highest_value_of_the_map() -> None:
    image = noise(300, 400)
    below = [drawn(image, found((300, 400), (20, 20, value)))[300:] for value in (8.0, 8.0, 9.0)]
    np.testing.assert_array_equal(below[0], below[1])
    assert not np.array_equal(below[0], below[2])
