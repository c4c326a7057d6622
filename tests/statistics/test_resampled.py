"""Resampled figures against figures of the resampled images themselves."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from pyimgano import kernels
from pyimgano.metrics.scores import compute_score_metrics
from pyimgano.statistics import Estimate, Interval, Units, mean_interval, seeds_interval
from pyimgano.statistics.curves import ScoreSweep, in_chunks
from pyimgano.statistics.pixels import PixelSummary, thresholds
from tests.reference import curves as reference

KEYS = ("pixel_auroc", "pixel_ap", "pixel_f1_max", "aupro")


def maps_with_defects(
    seed: int, n: int = 8, side: int = 24, levels: int | None = None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Masks with up to two spots, and noisy maps of them; some images are good."""
    rng = np.random.default_rng(seed)
    masks, maps = [], []
    for i in range(n):
        mask = np.zeros((side, side + i), np.uint8)
        for _ in range(i % 3):
            x, y = rng.integers(4, side - 4, 2)
            cv2.circle(mask, (int(x), int(y)), int(rng.integers(1, side // 6)), 1, -1)
        scores = rng.normal(mask * rng.normal(1.5, 0.5), 1.0).astype(np.float32)
        maps.append(scores if levels is None else np.round(scores * levels / 8))
        masks.append(mask)
    return masks, maps


def drawn(masks: list[np.ndarray], n_resamples: int) -> np.ndarray:
    return Units.of([int(m.any()) for m in masks]).weights(n_resamples, "maps")


def repeated(images: list[np.ndarray], weights: np.ndarray) -> list[np.ndarray]:
    return [image for image, n in zip(images, weights, strict=True) for _ in range(int(n))]


def test_where_every_score_is_a_threshold_resamples_are_exact() -> None:
    masks, maps = maps_with_defects(0, levels=30)
    weights = drawn(masks, 6)
    found = in_chunks(PixelSummary(masks, maps, 0.3), weights)
    for b, row in enumerate(weights):
        want = reference.metrics(repeated(masks, row), repeated(maps, row), 0.3)
        got = {key: found[key][b] for key in KEYS}
        assert got == pytest.approx(
            {"pixel_auroc": want["auroc"], "pixel_ap": want["ap"],
             "pixel_f1_max": want["f1_max"], "aupro": want["aupro"]}, abs=1e-9)  # fmt: skip


@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_with_more_scores_than_thresholds_areas_are_within_the_bound(limit: float) -> None:
    masks, maps = maps_with_defects(1, n=12, side=96)
    summary, weights = PixelSummary(masks, maps, limit), drawn(masks, 8)
    assert len(np.unique(np.concatenate([m.ravel() for m in maps]))) > 20_000
    found, whole = in_chunks(summary, weights), summary(np.ones((1, len(masks))))
    exact = kernels.pixel_metrics(masks, maps, integration_limit=limit)
    for b, row in enumerate(weights):
        want = kernels.pixel_metrics(
            repeated(masks, row), repeated(maps, row), integration_limit=limit
        )
        for key, value, at_all in (
            ("pixel_auroc", want.auroc, exact.auroc),
            ("aupro", want.aupro, exact.aupro),
            ("pixel_ap", want.ap, exact.ap),
            ("pixel_f1_max", want.f1_max, exact.f1_max),
        ):
            bound = 1 / 2048 if key in ("pixel_auroc", "aupro") else 2e-3
            assert abs(found[key][b] - value) < bound, key
            # With the error on all images taken off, less is left.
            assert abs(found[key][b] + at_all - whole[key][0] - value) < 5e-4, key


def test_thresholds_are_spread_by_what_lies_between_them() -> None:
    masks, maps = maps_with_defects(2, n=12, side=96)
    weights = [np.ones(int(m.sum())) for m in masks]
    levels = thresholds(masks, maps, weights)
    assert 1024 < len(levels) <= 3 * 1024
    normal = np.sort(np.concatenate([s[m == 0] for m, s in zip(masks, maps, strict=True)]))
    steps = np.diff(np.searchsorted(normal, levels)) / len(normal)
    assert steps.max() < 1.01 / 1024


def test_images_without_a_class_are_undefined_not_wrong() -> None:
    masks, maps = maps_with_defects(0, n=3, levels=10)
    only_good = np.array([[1.0, 0.0, 0.0]])
    found = PixelSummary(masks, maps)(only_good)
    assert all(math.isnan(found[key][0]) for key in KEYS)


def test_one_image_can_be_summed_up() -> None:
    mask = np.array([[0, 0, 1, 1]], np.uint8)
    scores = np.array([[0.1, 0.4, 0.3, 0.9]], np.float32)
    found = PixelSummary([mask], [scores])(np.ones((1, 1)))
    assert found["pixel_auroc"][0] == 0.75


def test_image_figures_of_resamples_are_exact_ties_included() -> None:
    rng = np.random.default_rng(3)
    labels = np.array([0] * 12 + [1] * 9)
    scores = np.round(rng.normal(labels, 1.0), 1)
    weights = Units.of(labels).weights(40)
    found = in_chunks(ScoreSweep(labels, scores), weights)
    for b, row in enumerate(weights):
        at = np.repeat(np.arange(21), row.astype(int))
        want = compute_score_metrics(labels[at], scores[at])
        assert found["auroc"][b] == pytest.approx(want.auroc, abs=1e-12)
        assert found["average_precision"][b] == pytest.approx(want.average_precision, abs=1e-12)
        assert found["f1_max"][b] == pytest.approx(want.f1_max, abs=1e-12)


def test_a_mean_per_image_has_the_textbook_interval() -> None:
    numbers = [30.0, 10.0, math.nan, 20.0, 40.0]
    found = Estimate.of_mean(numbers, Units.of([1, 1, 0, 1, 1]))
    assert found is not None
    assert found.value == 25.0
    assert found.error == pytest.approx(np.std([30, 10, 20, 40], ddof=1) / 2)
    assert found.interval == pytest.approx(
        (25 - 3.182446 * found.error, 25 + 3.182446 * found.error), rel=1e-6
    )
    assert Estimate.of_mean([math.nan] * 3, Units.of([0, 0, 1])) is None


def test_resampled_figures_lose_their_bias_and_stay_below_one() -> None:
    rng = np.random.default_rng(0)
    units = Units.of([0] * 50 + [1] * 50)
    figures = np.clip(rng.normal(0.97, 0.01, 4000), 0, 1)
    found = Estimate.of_resampled(0.96, figures, units)
    assert found.bias == pytest.approx(0.01, abs=1e-3)
    limits = found.interval
    assert limits is not None
    assert 0.90 < limits.low < 0.93 < limits.high < 0.97
    wide = Estimate.of_resampled(0.98, np.clip(rng.normal(0.97, 0.02, 500), 0, 1), units).interval
    assert wide is not None
    assert 0 < wide.low < wide.high < 1


def test_resamples_that_are_all_alike_or_undefined_give_no_width() -> None:
    units = Units.of([0, 0, 1, 1])
    same = Estimate.of_resampled(1.0, np.ones(100), units).interval
    assert same == Interval(1.0, 1.0)
    assert not same.known
    assert Estimate.of_resampled(0.5, np.full(100, math.nan), units).interval is None


def test_limits_of_a_mean_come_from_the_limits_of_its_parts() -> None:
    parts = [Interval(0.8, 0.95), Interval(0.9, 1.0), Interval(1.0, 1.0)]
    found = mean_interval([0.9, 0.95, 1.0], parts)
    assert found.low == pytest.approx(0.95 - math.hypot(0.1, 0.05) / 3)
    assert found.high == pytest.approx(0.95 + math.hypot(0.05, 0.05) / 3)


def test_limits_over_seeds_are_students() -> None:
    found = seeds_interval([0.90, 0.92, 0.94])
    assert found == pytest.approx(
        (0.92 - 4.302653 * 0.02 / 3**0.5, 0.92 + 4.302653 * 0.02 / 3**0.5)
    )
    assert seeds_interval([0.9]) is None
