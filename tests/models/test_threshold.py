from __future__ import annotations

import json
import math

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, NotFittedError, ThresholdWarning
from pyimgano.models import PatchCore
from pyimgano.models.fitted_tail import fitted_limit
from pyimgano.models.threshold import FalsePositiveRate, held_out_threshold


def test_it_is_the_ceil_of_n_plus_one_times_one_minus_contamination_th_smallest() -> None:
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 20.0))  # 1 .. 19
    assert held_out_threshold(scores, 0.1).value == 18.0  # ceil(20 * 0.9) = 18
    assert held_out_threshold(scores, 0.25).value == 15.0
    assert held_out_threshold(scores, 0.99).value == 1.0


def test_rounding_errors_do_not_move_the_rank() -> None:
    assert (
        held_out_threshold(np.arange(1.0, 10.0), 0.1).value == 9.0
    )  # 10 * 0.9 is 9, not 9.000...1
    for n in range(9, 200, 10):
        assert held_out_threshold(np.arange(1.0, n + 1), 0.1).value == (n + 1) * 9 // 10


def test_too_few_scores_give_the_limit_of_a_fitted_tail_and_a_warning_that_says_so() -> None:
    with pytest.warns(
        ThresholdWarning, match="an estimate: .* takes 9 training images, here are 8"
    ):
        found = held_out_threshold(np.arange(8.0), 0.1)
    assert found.value == fitted_limit(np.arange(8.0), 0.1)
    assert (found.rate.fitted, found.rate.expected, found.set_by) == (True, 0.1, None)


def test_it_says_which_image_sets_it() -> None:
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 20.0))
    found = held_out_threshold(scores, 0.1)
    assert found.set_by is not None
    assert scores[found.set_by] == found.value == 18.0


def test_images_of_one_picture_count_once_by_the_first_of_them() -> None:
    scores = np.array([5.0, 1.0, 9.0, 2.0, 3.0, 4.0, 6.0, 7.0, 8.0, 10.0, 0.1, 0.1])
    groups = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 1])
    found = held_out_threshold(scores, 0.1, groups=groups)
    assert (found.rate.n, found.value, found.set_by) == (10, 10.0, 9)
    assert found == held_out_threshold(scores[:10], 0.1)


def test_one_picture_many_times_gives_infinity() -> None:
    with pytest.warns(ThresholdWarning, match="infinite: 5 training images that show the same"):
        found = held_out_threshold(np.full(5, np.nan), 0.1, groups=np.zeros(5, dtype=np.int64))
    assert (found.value, found.rate.n) == (math.inf, 1)


def test_one_score_gives_infinity_and_a_warning() -> None:
    with pytest.warns(ThresholdWarning, match="infinite"):
        assert held_out_threshold(np.array([1.0]), 0.5).value == math.inf


@pytest.mark.parametrize("contamination", [0.0, 1.0, -0.1, math.nan])
def test_a_share_outside_zero_and_one_is_refused(contamination: float) -> None:
    with pytest.raises(InvalidInputError, match="contamination"):
        held_out_threshold(np.arange(8.0), contamination)


def test_the_promise_holds_on_average() -> None:
    rng = np.random.default_rng(1)
    rates = []
    for _ in range(400):
        threshold = held_out_threshold(rng.normal(size=39), 0.1).value
        rates.append((rng.normal(size=200) > threshold).mean())
    assert np.mean(rates) == pytest.approx(0.1, abs=0.01)


def test_the_rate_and_its_interval_are_those_of_a_beta_distribution() -> None:
    scipy_stats = pytest.importorskip("scipy.stats", reason="scipy comes with scikit-learn")
    for n, target in ((19, 0.1), (64, 0.1), (199, 0.01), (500, 0.033)):
        rate = FalsePositiveRate(target, n)
        exact = scipy_stats.beta(n + 1 - rate.rank, rate.rank)
        assert rate.expected == pytest.approx(exact.mean(), rel=1e-12)
        assert rate.expected <= target
        assert rate.interval == pytest.approx(exact.interval(0.95), rel=1e-9)


def test_the_rate_says_which_of_the_scores_the_threshold_is() -> None:
    scores = np.random.default_rng(3).permutation(np.arange(1.0, 41.0))
    for target in (0.5, 0.1, 0.025):
        threshold = held_out_threshold(scores, target).value
        assert FalsePositiveRate(target, 40).rank == threshold


@pytest.mark.parametrize(("n", "target"), [(30, 0.1), (99, 0.01), (60, 0.01), (1000, 0.05)])
def test_simulated_rates_have_the_mean_and_the_coverage_that_are_said(
    n: int, target: float
) -> None:
    rng = np.random.default_rng(n)
    rate = FalsePositiveRate(target, n)
    runs = 4000
    # Uniform scores: the true false-positive rate of a threshold t is 1 - t.
    true = 1.0 - np.sort(rng.uniform(size=(runs, n)), axis=1)[:, rate.rank - 1]
    low, high = rate.interval
    assert true.mean() == pytest.approx(rate.expected, abs=4 * true.std() / runs**0.5)
    covered = ((low <= true) & (true <= high)).mean()
    assert covered == pytest.approx(0.95, abs=4 * (0.95 * 0.05 / runs) ** 0.5)
    for side in ((true < low).mean(), (true > high).mean()):
        assert side == pytest.approx(0.025, abs=4 * (0.025 * 0.975 / runs) ** 0.5)


def test_a_rate_that_too_few_images_cannot_attain_is_called_so() -> None:
    rate = FalsePositiveRate(0.01, 64)
    assert (rate.attainable, rate.n_needed, rate.rank) == (False, 99, 64)
    assert rate.expected == pytest.approx(1 / 65)
    assert "fitted tail: fewer than 99 images cannot show it" in (
        FalsePositiveRate(0.01, 64, fitted=True).describe()
    )
    assert not FalsePositiveRate(0.01, 98).attainable
    assert FalsePositiveRate(0.01, 99).attainable
    assert "fitted" not in FalsePositiveRate(0.01, 99).describe()


@pytest.mark.parametrize("n", [0, 1])
def test_with_one_image_or_none_nothing_is_flagged(n: int) -> None:
    rate = FalsePositiveRate(0.1, n)
    assert (rate.attainable, rate.expected, rate.interval, rate.rank) == (False, 0, (0, 0), 0)
    assert "nothing is flagged" in rate.describe()
    assert "10 of 100 good parts takes at least 9" in rate.describe()


def test_a_tiny_share_asks_for_many_images() -> None:
    rate = FalsePositiveRate(1e-6, 1000)
    assert (rate.attainable, rate.n_needed, rate.rank) == (False, 999_999, 1000)
    low, high = rate.interval
    assert 0 < low < rate.expected < high < 0.01
    fitted = FalsePositiveRate(1e-6, 1000, fitted=True)
    assert "about 0.0001 of 100 good parts" in fitted.describe()


def test_the_figures_of_the_rate_are_plain_data() -> None:
    data = json.loads(json.dumps(FalsePositiveRate(0.1, 19).to_json()))
    assert (data["target"], data["n_images"], data["expected"]) == (0.1, 19, 0.1)
    assert data["interval_95"] == pytest.approx([0.0130, 0.2603], abs=1e-4)


def test_a_rate_outside_zero_and_one_and_a_negative_number_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="contamination"):
        FalsePositiveRate(0.0, 10)
    with pytest.raises(InvalidInputError, match="n must be"):
        FalsePositiveRate(0.1, -1)


def test_a_detector_that_is_not_fitted_takes_no_threshold() -> None:
    detector = PatchCore(backbone="embedded")
    with pytest.raises(NotFittedError):
        detector.set_threshold(1.0, source="by hand")
    assert not hasattr(detector, "threshold_")
