"""Sequential tests of drift: false alarms as rare as is stated, changes found and placed."""

from __future__ import annotations

import numpy as np
import pytest

from pyimgano.calibration.drift import Change, Place, ShareTest, ValueTest


def first_change(test: ValueTest | ShareTest, values: np.ndarray) -> Change | None:
    for i, value in enumerate(values.tolist()):
        change = test.add(value, Place(i, f"{i}.png"))
        if change is not None:
            return change
    return None


@pytest.mark.parametrize("law", ["normal", "lognormal", "ties", "constant"])
def test_without_a_change_false_alarms_are_no_more_frequent_than_stated(law: str) -> None:
    rng = np.random.default_rng(3)
    n_streams, length, limit = 60, 150, 1500.0
    draw = {
        "normal": lambda: rng.normal(10, 0.1, length),
        "lognormal": lambda: rng.lognormal(0, 3, length),
        "ties": lambda: rng.integers(0, 3, length).astype(float),
        "constant": lambda: np.full(length, 0.5),
    }[law]
    alarms = [
        first_change(ValueTest(limit=limit, seed=i), draw()) is not None for i in range(n_streams)
    ]
    # On average at most length / limit of the streams, six of sixty: fifteen are beyond chance.
    assert sum(alarms) < 15


def test_a_low_limit_gives_false_alarms_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    runs = []
    for i in range(100):
        change = first_change(ValueTest(limit=20.0, seed=i), rng.normal(size=400))
        runs.append(400 if change is None else change.seen.record + 1)
    assert 20 <= np.mean(runs) < 60


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("n_learnt", [0, 30])
def test_a_shift_is_found_with_its_beginning_direction_and_size(sign: int, n_learnt: int) -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(10, 0.1, 200), rng.normal(10 + sign * 0.3, 0.1, 100)])
    learnt = rng.normal(10, 0.1, n_learnt).tolist()
    change = first_change(ValueTest(learnt, limit=60_000.0), values)
    assert change is not None
    assert 195 <= change.begin.record <= 203
    assert change.begin.path == f"{change.begin.record}.png"
    assert 205 <= change.seen.record <= 230
    assert change.rises == (sign > 0)
    assert change.before == pytest.approx(10, abs=0.03)
    assert change.since == pytest.approx(10 + sign * 0.3, abs=0.08)


def test_a_stream_that_is_unlike_what_was_learnt_from_the_first_value_on_is_told() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(0.3, 0.01, 60)
    learnt = rng.normal(0.5, 0.01, 24).tolist()
    change = first_change(ValueTest(learnt, limit=60_000.0), values)
    assert change is not None
    assert change.begin == Place(0, "0.png")
    assert not change.rises
    assert change.before == pytest.approx(np.mean(learnt))
    assert first_change(ValueTest(limit=60_000.0), values) is None  # it never changes


def test_a_slow_drift_is_told_before_it_has_gone_far() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(10, 0.1, 600) + np.clip(np.arange(600) - 200, 0, None) * 0.002
    change = first_change(ValueTest(limit=60_000.0), values)
    assert change is not None
    assert change.rises
    assert 200 < change.begin.record < change.seen.record < 320


def test_p_values_are_ranks_among_all_values_so_far() -> None:
    """Against a plain count: what is inserted is found in its order, negative and huge too."""
    rng = np.random.default_rng(5)
    values = [*(rng.normal(size=200) * 10.0 ** rng.integers(-2, 6, 200)).tolist(), 1e300, -1e300]
    test = ValueTest(limit=1e9)
    keys = [test._insert(value) for value in values]
    for key in keys:
        assert test._up_to(key) == sum(other <= key for other in keys)
    order = np.argsort(values, kind="stable")
    assert (np.diff(np.array(keys)[order]) >= 0).all()


def test_up_to_one_image_in_twenty_with_a_mark_is_no_change() -> None:
    rng = np.random.default_rng(6)
    for _ in range(30):
        assert first_change(ShareTest(limit=60_000.0), rng.random(400) < 0.05) is None


@pytest.mark.parametrize(("share", "within"), [(1.0, 6), (0.5, 30), (0.25, 110)])
def test_a_higher_share_of_marks_is_told(share: float, within: int) -> None:
    rng = np.random.default_rng(7)
    marks = np.concatenate([rng.random(100) < 0.02, rng.random(200) < share])
    change = first_change(ShareTest(limit=60_000.0), marks)
    assert change is not None
    assert change.rises
    assert 95 <= change.begin.record <= 125
    assert change.seen.record < 100 + within
    assert change.before < 0.06 < change.since
