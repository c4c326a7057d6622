from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyimgano.calibration import fit_threshold
from pyimgano.calibration.fewshot import fit_threshold as contract_path
from pyimgano.errors import (
    InvalidInputError,
    InvalidTypeError,
    ThresholdWarning,
    UnknownNameError,
)
from pyimgano.models.threshold import held_out_threshold

FEW = st.lists(st.sampled_from([-1.0, 0.0, 0.25, 0.5, 0.75, 1.0, 3.0]), min_size=1, max_size=8)
ANY = st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1, max_size=8)
OBJECTIVES = st.sampled_from(["f1", "youden", "recall"])


def rates(normal: list, anomaly: list, threshold: float) -> tuple[int, int]:
    """False alarms and finds of ``score > threshold``."""
    return sum(s > threshold for s in normal), sum(s > threshold for s in anomaly)


def worth(objective: str, target: float, n: int, m: int, alarms: int, found: int) -> float:
    """What each objective maximises, written as in a textbook."""
    if objective == "f1":
        return 2 * found / (2 * found + alarms + (m - found))
    if objective == "youden":
        return found * n - alarms * m
    return -alarms if found / m >= target - 1e-12 else -math.inf


def test_a_clean_gap_is_cut_in_the_middle() -> None:
    assert contract_path is fit_threshold
    assert fit_threshold([0.1, 0.2, 0.3], [0.9, 0.8]) == pytest.approx(0.55)
    for objective, target in (("youden", None), ("recall", 1.0)):
        found = fit_threshold([0.1, 0.2, 0.3], [0.9, 0.8], objective, target=target)
        assert found == pytest.approx(0.55)


def test_each_objective_on_scores_that_overlap() -> None:
    normal, anomaly = [1, 2, 3, 6], [4, 5, 7, 8]
    # Cuts: 3.5 finds all with one false alarm (F1 8/9, J 3/4); 6.5 finds half without any.
    assert fit_threshold(normal, anomaly) == 3.5
    assert fit_threshold(normal, anomaly, "youden") == 3.5
    assert fit_threshold(normal, anomaly, "recall", target=0.5) == 6.5
    assert fit_threshold(normal, anomaly, "recall", target=0.51) == 3.5
    # Recall 0.25 needs only 8, but 6.5 has no false alarm either and finds 7 too.
    assert fit_threshold(normal, anomaly, "recall", target=0.25) == 6.5


def test_of_equal_cuts_that_with_fewer_false_alarms_is_taken() -> None:
    # J is 1/2 both above 2 (half found, no alarm) and above 0 (all found, half alarms).
    assert fit_threshold([0, 2], [1, 3], "youden") == 2.5


def test_equal_scores_are_not_parted() -> None:
    threshold = fit_threshold([1, 2, 2], [2, 2, 3])
    assert threshold == 1.5
    assert rates([1, 2, 2], [2, 2, 3], threshold) == (2, 3)


def test_all_scores_alike_leave_only_everything_or_nothing() -> None:
    everything = fit_threshold([2.0, 2.0], [2.0])
    assert everything == np.nextafter(2.0, -np.inf)
    assert fit_threshold([2.0, 2.0], [2.0], "youden") == 2.0  # nothing: no false alarms


def test_a_false_positive_rate_is_that_of_further_images_as_in_fit_and_calibrate() -> None:
    scores = [float(i) for i in range(1, 21)]
    assert fit_threshold(scores, [], "fpr", target=0.05) == 20
    assert fit_threshold(scores, [], "fpr", target=0.1) == 19  # ceil(21 * 0.9) = 19
    assert fit_threshold(scores, [19.2], "fpr", target=0.1) == 19
    with pytest.warns(ThresholdWarning, match="takes 99 training images, here are 20"):
        expected = held_out_threshold(np.array(scores), 0.01).value
    with pytest.warns(ThresholdWarning, match="takes 99 normal images, here are 20"):
        found = fit_threshold(scores, [], "fpr", target=0.01)
    assert found == expected


def test_a_midpoint_that_rounds_up_gives_the_lower_score() -> None:
    low = np.nextafter(1.0, 2.0)
    high = np.nextafter(low, 2.0)
    assert low / 2 + high / 2 == high
    assert fit_threshold([low], [high]) == low
    tiny = 5e-324
    assert fit_threshold([0.0], [tiny]) == 0.0
    assert fit_threshold([-1.7e308], [1.7e308]) == 0.0
    assert fit_threshold([1.6e308], [1.7e308]) == pytest.approx(1.65e308)


def test_float32_scores_get_a_float32_threshold() -> None:
    normal, anomaly = np.float32([1.0]), np.nextafter(np.float32([1.0]), np.float32(2))
    threshold = fit_threshold(normal, anomaly)
    assert threshold == np.float32(threshold)
    assert (anomaly > threshold).all()
    assert not (normal > threshold).any()


@given(normal=FEW, anomaly=FEW, objective=OBJECTIVES, target=st.sampled_from([0, 0.29, 0.5, 1.0]))
@settings(max_examples=200)
def test_no_other_threshold_is_better(
    normal: list[float], anomaly: list[float], objective: str, target: float
) -> None:
    needs = objective == "recall"
    chosen = fit_threshold(normal, anomaly, objective, target=target if needs else None)
    n, m = len(normal), len(anomaly)
    own = worth(objective, target, n, m, *rates(normal, anomaly, chosen))
    assert own > -math.inf
    for other in (-2, -0.5, 0.1, 0.3, 0.6, 0.9, 2, 4):
        alarms, found = rates(normal, anomaly, other)
        value = worth(objective, target, n, m, alarms, found)
        assert value <= own
        if value == own:
            assert rates(normal, anomaly, chosen)[0] <= alarms


@given(normal=ANY, anomaly=ANY)
@settings(max_examples=200)
def test_whatever_the_scores_the_threshold_separates_what_it_claims(
    normal: list[float], anomaly: list[float]
) -> None:
    threshold = fit_threshold(normal, anomaly)
    pooled = sorted({*normal, *anomaly})
    assert math.nextafter(pooled[0], -math.inf) <= threshold <= pooled[-1]
    if max(normal) < min(anomaly):
        assert max(normal) <= threshold < min(anomaly)
    # The order of the images does not matter.
    assert fit_threshold(normal[::-1], anomaly[::-1]) == threshold


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (([1, np.nan], [2]), r"normal_scores\[1\] is nan"),
        (([1], [np.inf]), r"anomaly_scores\[0\] is inf"),
        (([], [1]), "normal_scores is empty"),
        (([1], []), "anomaly_scores is empty: objective 'f1'"),
        (([[1]], [1]), r"normal_scores must have shape \(n,\)"),
    ],
)
def test_impossible_scores_are_named(args: tuple, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        fit_threshold(*args)


def test_impossible_arguments_are_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'f1'"):
        fit_threshold([1], [2], "f2")
    with pytest.raises(InvalidInputError, match="'recall' needs target"):
        fit_threshold([1], [2], "recall")
    with pytest.raises(InvalidInputError, match="target must be from 0 to 1, got 5"):
        fit_threshold([1], [2], "recall", target=5)
    for target in (0.0, 1.0, 5):
        with pytest.raises(InvalidInputError, match="target must be above 0 and below 1"):
            fit_threshold([1], [2], "fpr", target=target)
    with pytest.raises(InvalidInputError, match="target has no meaning for objective 'youden'"):
        fit_threshold([1], [2], "youden", target=0.1)
    with pytest.raises(InvalidInputError, match="'recall' needs some"):
        fit_threshold([1], [], "recall", target=0.5)
    with pytest.raises(InvalidTypeError, match="normal_scores must be real"):
        fit_threshold(["a"], [1])
