"""The limit of a fitted tail, where too few images are there for a rank among them."""

from __future__ import annotations

import numpy as np
import pytest

from pyimgano.models.fitted_tail import fitted_interval, fitted_limit


def gumbel_rate(limit: np.ndarray) -> np.ndarray:
    """The share of the standard Gumbel law above a limit."""
    return -np.expm1(-np.exp(-limit))


@pytest.mark.parametrize("n", [2, 3, 5, 10, 30, 64])
@pytest.mark.parametrize("target", [0.1, 0.02, 0.01])
def test_a_further_score_exceeds_it_at_the_target_rate_on_average(n: int, target: float) -> None:
    rng = np.random.default_rng(1000 * n)
    rates = gumbel_rate(np.array([fitted_limit(rng.gumbel(size=n), target) for _ in range(2000)]))
    # The seeded draws that the limit rests on have an error of their own, as large as this one's.
    assert rates.mean() == pytest.approx(target, abs=6 * rates.std() / 2000**0.5)


@pytest.mark.parametrize(("n", "target"), [(5, 0.1), (31, 0.01), (64, 0.01)])
def test_the_interval_covers_the_true_rate_as_often_as_it_says(n: int, target: float) -> None:
    rng = np.random.default_rng(n)
    rates = gumbel_rate(np.array([fitted_limit(rng.gumbel(size=n), target) for _ in range(2000)]))
    low, high = fitted_interval(n, target)
    assert low < target < high
    assert ((low <= rates) & (rates <= high)).mean() == pytest.approx(0.95, abs=0.02)


def test_it_moves_with_the_scores_location_and_scale() -> None:
    scores = np.random.default_rng(0).gumbel(size=20)
    expected = 40.0 + 3.0 * fitted_limit(scores, 0.01)
    assert fitted_limit(40.0 + 3.0 * scores, 0.01) == pytest.approx(expected, rel=1e-12)


def test_one_odd_photo_does_not_set_it() -> None:
    scores = np.sort(np.random.default_rng(0).gumbel(10.0, 1.0, size=30))
    odd = scores.copy()
    odd[-1] = 1000.0
    assert fitted_limit(odd, 0.01) == fitted_limit(scores, 0.01)


def test_order_does_not_matter_and_a_lower_rate_means_a_higher_limit() -> None:
    scores = np.random.default_rng(0).gumbel(size=20)
    limits = [fitted_limit(scores[::-1], target) for target in (0.3, 0.1, 0.03, 0.01, 1e-3, 1e-6)]
    assert limits == sorted(limits)
    assert limits[0] == fitted_limit(scores, 0.3)


def test_equal_scores_give_themselves() -> None:
    assert fitted_limit(np.full(7, 3.5), 0.01) == 3.5


def test_more_than_a_thousand_scores_need_no_more_memory() -> None:
    scores = np.random.default_rng(0).gumbel(size=200_000)
    assert gumbel_rate(np.array(fitted_limit(scores, 1e-6))) == pytest.approx(1e-6, rel=0.1)
