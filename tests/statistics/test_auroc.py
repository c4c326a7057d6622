"""DeLong's closed form against its definition, pair by pair."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pyimgano.statistics import Estimate, Units, mean_estimate
from pyimgano.statistics.auroc import auroc_influences, perfect_auroc_limit


def delong(labels: np.ndarray, scores: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """AUROCs and their covariance, by the double loop of the paper (equations 4 to 6)."""
    tens, ones = [], []
    for score in scores:
        high, low = score[labels == 1], score[labels == 0]
        psi = np.array([[1.0 if x > y else 0.5 if x == y else 0.0 for y in low] for x in high])
        tens.append(psi.mean(axis=1))
        ones.append(psi.mean(axis=0))
    covariance = np.cov(tens) / len(tens[0]) + np.cov(ones) / len(ones[0])
    return np.array([t.mean() for t in tens]), covariance


def tied(seed: int, n: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) >= n // 3).astype(int)
    first = np.round(rng.normal(labels, 1.0), 1)
    return labels, first, np.round(0.6 * first + rng.normal(labels, 0.7), 1)


@pytest.mark.parametrize("seed", range(5))
def test_area_error_and_paired_test_are_those_of_the_paper(seed: int) -> None:
    labels, a, b = tied(seed)
    areas, covariance = delong(labels, [a, b])
    units = Units.of(labels)
    one, two = (Estimate.of_auroc(labels, s, units) for s in (a, b))
    assert one is not None
    assert two is not None
    assert one.value == pytest.approx(areas[0], abs=1e-12)
    assert one.error == pytest.approx(math.sqrt(covariance[0, 0]), rel=1e-9)
    difference = two - one
    error = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert difference.value == pytest.approx(areas[1] - areas[0], abs=1e-12)
    assert difference.error == pytest.approx(error, rel=1e-9)
    z = (areas[1] - areas[0]) / error
    assert difference.p_value == pytest.approx(math.erfc(abs(z) / math.sqrt(2)), rel=1e-9)
    limits = difference.interval
    assert limits is not None
    assert limits == pytest.approx((areas[1] - areas[0] - 1.959964 * error,
                                    areas[1] - areas[0] + 1.959964 * error), abs=1e-6)  # fmt: skip


def test_the_interval_is_symmetric_about_the_logit() -> None:
    labels, a, _ = tied(0)
    one = Estimate.of_auroc(labels, a, Units.of(labels))
    assert one is not None
    assert one.interval is not None
    low, middle, high = (
        math.log(x / (1 - x)) for x in (one.interval[0], one.value, one.interval[1])
    )
    assert high - middle == pytest.approx(middle - low)
    assert high - middle == pytest.approx(
        1.959964 * one.error / (one.value * (1 - one.value)), rel=1e-6
    )


def test_an_area_of_one_has_a_lower_limit_by_the_number_of_images() -> None:
    few = Estimate.of_auroc([0, 0, 1, 1], [1, 2, 3, 4], Units.of([0, 0, 1, 1]))
    labels = [0] * 40 + [1] * 90
    many = Estimate.of_auroc(labels, range(130), Units.of(labels))
    assert few is not None
    assert few.interval is not None
    assert many is not None
    assert many.interval is not None
    assert few.interval.high == many.interval.high == 1.0
    assert few.interval.low < 0.5 < 0.95 < many.interval.low < 1.0
    # At the limit the distance is that many errors, by the variance of the paper.
    a, half = many.interval.low, 64.0
    variance = a * (1 - a) * (1 + half * (1 - a) / (2 - a) + half * a / (1 + a)) / (40 * 90)
    assert (1 - a) / math.sqrt(variance) == pytest.approx(1.959964, rel=1e-6)
    assert perfect_auroc_limit(4000, 9000, 1.96) > perfect_auroc_limit(40, 90, 1.96)


def test_one_defect_image_or_none_gives_no_interval() -> None:
    one = Estimate.of_auroc([0, 0, 0, 1], [1, 3, 2, 2.5], Units.of([0, 0, 0, 1]))
    assert one is not None
    assert one.value == pytest.approx(2 / 3)
    assert one.interval is None
    assert math.isnan(one.p_value)
    assert auroc_influences([0, 0], [1, 2]) is None


def test_views_of_one_part_count_as_one() -> None:
    labels, scores = np.array([0, 0, 0, 1, 1, 1]), np.array([1.0, 4, 2, 3, 5, 6])
    single = Estimate.of_auroc(labels, scores, Units.of(labels))
    doubled = Estimate.of_auroc(
        np.repeat(labels, 5), np.repeat(scores, 5),
        Units.of(np.repeat(labels, 5), [f"part {i // 5}" for i in range(30)]),
    )  # fmt: skip
    assert single is not None
    assert doubled is not None
    assert doubled.value == single.value
    assert doubled.error == pytest.approx(single.error, rel=1e-12)


def test_detectors_that_are_both_perfect_do_not_differ_and_nothing_is_known_of_it() -> None:
    labels = [0, 0, 1, 1]
    a, b = (Estimate.of_auroc(labels, s, Units.of(labels)) for s in ([1, 2, 3, 4], [2, 1, 5, 3]))
    assert a is not None
    assert b is not None
    difference = b - a
    assert (difference.value, difference.p_value) == (0.0, 1.0)
    assert difference.interval is not None
    assert not difference.interval.known


def test_the_mean_over_seeds_is_one_figure_of_the_same_images() -> None:
    labels, a, b = tied(3)
    areas, covariance = delong(labels, [a, b])
    units = Units.of(labels)
    mean = mean_estimate([Estimate.of_auroc(labels, s, units) for s in (a, b)])
    assert mean is not None
    assert mean.value == pytest.approx(areas.mean())
    assert mean.error == pytest.approx(math.sqrt(covariance.mean()), rel=1e-9)
