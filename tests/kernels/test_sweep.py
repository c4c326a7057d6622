"""sPRO, AUPIMO, areas at several limits and counts at a threshold, all from one sweep."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, UndefinedMetricWarning
from pyimgano.kernels import DefectPixels, pixel_curves
from tests.reference import curves, curves_per_image

RATES = (0.01, 0.2)
LIMITS = (0.05, 0.3, 1.0)


def drawn(seed: int, levels: int, dtype: type) -> tuple[list, list, list[DefectPixels]]:
    """Images of differing sizes, two of them good; overlapping defects; ``levels`` scores."""
    rng = np.random.default_rng(seed)
    masks, maps, defects = [], [], []
    for image in range(5):
        shape = tuple(rng.integers(4, 14, 2))
        mask = (rng.random(shape) < 0.3 if image >= 2 else np.zeros(shape, bool)).astype(np.uint8)
        scores = np.round(rng.normal(0, 1, shape) + 0.8 * mask, 3) * levels
        masks.append(mask)
        maps.append((np.round(scores) / levels).astype(dtype))
        marked = np.flatnonzero(mask)
        for _ in range(2 if len(marked) else 0):
            pixels = rng.permutation(marked)[: rng.integers(1, len(marked) + 1)].astype(np.int64)
            defects.append(DefectPixels(image, pixels, int(rng.integers(1, len(pixels) + 1))))
    return masks, maps, defects


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("levels", [1, 4, 100])  # ties in plenty, some, few
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_figures_are_those_of_counting_at_every_score(
    seed: int, levels: int, dtype: type
) -> None:
    masks, maps, defects = drawn(seed, levels, dtype)
    found = pixel_curves(
        masks, maps, limits=LIMITS, defects=defects, low_rates=RATES, threshold=0.5
    )
    for limit in LIMITS:
        assert found.aupro[limit] == pytest.approx(
            curves.metrics(masks, maps, limit)["aupro"], abs=1e-9
        )
        assert found.spro[limit] == pytest.approx(
            curves_per_image.spro(masks, maps, defects, limit), abs=1e-9
        )
    expected = curves_per_image.aupimo(masks, maps, *RATES)
    np.testing.assert_allclose(found.aupimo, expected, rtol=0, atol=1e-9)
    counts = [
        [np.sum((m > 0.5) & (k != 0)), np.sum(m > 0.5), np.sum(k != 0)]
        for k, m in zip(masks, maps, strict=True)
    ]
    assert found.flagged.tolist() == counts


def test_saturated_overlap_by_hand() -> None:
    """Two defects of one image share a pixel; of four pixels two have to be found, of two both."""
    masks = [np.array([[1, 1, 1, 1, 1, 0, 0, 0]], np.uint8)]
    maps = [np.array([[9, 8, 5, 1, 7, 6, 4, 2]], np.float32)]
    defects = [
        DefectPixels(0, np.array([0, 1, 2, 3]), 2),
        DefectPixels(0, np.array([1, 4]), 2),
    ]
    # 9: 1/2, 0. 8: 1, 1/2. 7: 1, 1. All before the first false positive, 6.
    found = pixel_curves(masks, maps, limits=[0.3, 1.0], defects=defects)
    assert found.spro == {0.3: 1.0, 1.0: 1.0}
    # Now pixel 4 comes behind 6 and 4: overlap (1 + 1/2) / 2 up to a rate of 2/3, then 1.
    maps[0][0, 4] = 3
    found = pixel_curves(masks, maps, limits=[0.5, 1.0], defects=defects)
    assert found.spro[0.5] == pytest.approx(0.75, abs=1e-15)
    assert found.spro[1.0] == pytest.approx(0.75 * 2 / 3 + 1 / 3, abs=1e-15)


def test_without_saturation_below_the_area_spro_is_aupro() -> None:
    masks, maps, _ = drawn(3, 100, np.float32)
    whole = [
        DefectPixels(i, np.flatnonzero(labels == n), int(np.sum(labels == n)))
        for i, (labels, count) in enumerate(map(curves.label, masks))
        for n in range(1, count + 1)
    ]
    found = pixel_curves(masks, maps, limits=LIMITS, defects=whole)
    assert found.spro == pytest.approx(found.aupro, abs=1e-12)


def test_aupimo_by_hand() -> None:
    """Good images of 4 and 2 pixels: the mean rate is 1/8 from 0.8 on, 3/8 from 0.6 on."""
    masks = [np.zeros((2, 2), np.uint8), np.zeros((1, 2), np.uint8), np.array([[1, 1, 1, 0]])]
    maps = [
        np.array([[0.8, 0.1], [0.1, 0.1]]),
        np.array([[0.6, 0.1]]),
        np.array([[0.9, 0.7, 0.0, 1.0]]),
    ]
    masks[2] = masks[2].astype(np.uint8)
    found = pixel_curves(masks, maps, low_rates=(1 / 16, 1 / 4)).aupimo
    # 0.9 at any rate, 0.7 from 1/8 on: half of the way by the logarithm, 0.0 nowhere.
    assert math.isnan(found[0])
    assert math.isnan(found[1])
    assert found[2] == pytest.approx(1.5 / 3, abs=1e-15)


def test_constant_maps_are_chance() -> None:
    masks = [np.zeros((3, 3), np.uint8), np.ones((2, 2), np.uint8), np.eye(2, dtype=np.uint8)]
    maps = [np.full(mask.shape, 0.5) for mask in masks]
    defects = [DefectPixels(1, np.arange(4), 2)]
    found = pixel_curves(masks, maps, limits=[0.3], defects=defects, low_rates=(1e-5, 1e-4))
    # Overlap equals the rate: its integral over the logarithm is the way between the rates.
    assert found.aupimo[1:] == pytest.approx([9e-5 / math.log(10)] * 2, rel=1e-9)
    assert (found.spro[0.3], found.aupro[0.3]) == pytest.approx((0.15, 0.15), abs=1e-12)


def test_one_image_and_no_good_image_have_no_aupimo() -> None:
    mask, scores = np.eye(3, dtype=np.uint8), np.arange(9.0).reshape(3, 3)
    found = pixel_curves([mask], [scores], low_rates=(1e-5, 1e-4))
    assert np.isnan(found.aupimo).tolist() == [True]
    assert found.metrics.auroc == pytest.approx(0.5)


def test_a_missing_class_leaves_areas_undefined_and_counts_as_they_are() -> None:
    with pytest.warns(UndefinedMetricWarning, match="no defect pixel"):
        found = pixel_curves(
            [np.zeros((2, 2), np.uint8)], [np.ones((2, 2))], low_rates=(0.1, 0.2), threshold=0.5
        )
    assert np.isnan([*found.aupro.values(), *found.spro.values(), *found.aupimo]).all()
    assert found.flagged.tolist() == [[0, 4, 0]]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"limits": [0.3, 0.0]}, "each of limits must be above 0 and at most 1, got 0"),
        ({"low_rates": (1e-4, 1e-5)}, "rates of AUPIMO must be above 0, rising"),
        ({"defects": [DefectPixels(1, np.array([0]), 1)]}, r"defects\[0\] is of image 1"),
        ({"defects": [DefectPixels(0, np.array([0]), 2)]}, "1 pixels and a saturation of 2"),
        ({"defects": [DefectPixels(0, np.array([], np.int64), 0)]}, "0 pixels"),
        ({"defects": [DefectPixels(0, np.array([1]), 1)]}, "holds pixel 1, which .* not mark"),
        ({"defects": [DefectPixels(0, np.array([-1]), 1)]}, "holds pixel -1"),
    ],
)
def test_what_cannot_be_is_refused(given: dict, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why):
        pixel_curves([np.eye(2, dtype=np.uint8)], [np.ones((2, 2))], **given)


def test_threads_and_images_in_any_order_change_nothing() -> None:
    masks, maps, _ = drawn(5, 100, np.float32)
    large = [np.tile(m, (40, 40)) for m in maps]
    marks = [np.tile(m, (40, 40)) for m in masks]
    one, many = (
        pixel_curves(marks, large, low_rates=RATES, threshold=0.1, n_threads=n) for n in (1, 4)
    )
    back = pixel_curves(marks[::-1], large[::-1], low_rates=RATES)
    np.testing.assert_array_equal(one.aupimo, many.aupimo)
    np.testing.assert_array_equal(one.aupimo, back.aupimo[::-1])
    np.testing.assert_array_equal(one.flagged, many.flagged)
