from __future__ import annotations

import math

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, ThresholdWarning
from pyimgano.models.threshold import conformal_threshold


def test_it_is_the_ceil_of_n_plus_one_times_one_minus_contamination_th_smallest() -> None:
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 20.0))  # 1 .. 19
    assert conformal_threshold(scores, 0.1) == 18.0  # ceil(20 * 0.9) = 18
    assert conformal_threshold(scores, 0.25) == 15.0
    assert conformal_threshold(scores, 0.99) == 1.0


def test_rounding_errors_do_not_move_the_rank() -> None:
    assert conformal_threshold(np.arange(1.0, 10.0), 0.1) == 9.0  # 10 * 0.9 is 9, not 9.000...1
    for n in range(9, 200, 10):
        assert conformal_threshold(np.arange(1.0, n + 1), 0.1) == (n + 1) * 9 // 10


def test_too_few_scores_give_the_maximum_and_a_warning_that_says_how_many_are_needed() -> None:
    with pytest.warns(ThresholdWarning, match="highest of 8 .* at least 9 training images"):
        assert conformal_threshold(np.arange(8.0), 0.1) == 7.0


def test_one_score_gives_infinity_and_a_warning() -> None:
    with pytest.warns(ThresholdWarning, match="infinite"):
        assert conformal_threshold(np.array([1.0]), 0.5) == math.inf


@pytest.mark.parametrize("contamination", [0.0, 1.0, -0.1, math.nan])
def test_a_share_outside_zero_and_one_is_refused(contamination: float) -> None:
    with pytest.raises(InvalidInputError, match="contamination"):
        conformal_threshold(np.arange(8.0), contamination)


def test_the_promise_holds_on_average() -> None:
    rng = np.random.default_rng(1)
    rates = []
    for _ in range(400):
        threshold = conformal_threshold(rng.normal(size=39), 0.1)
        rates.append((rng.normal(size=200) > threshold).mean())
    assert np.mean(rates) == pytest.approx(0.1, abs=0.01)
