"""How the time of a fit is carried from samples to all patches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from pyimgano.features import PatchGrid
from pyimgano.models.plan_growth import Growth, measure_growth
from pyimgano.scorers import MemoryBankScorer
from pyimgano.scorers.checked import CheckedScorer


def grids(n: int, rows: int = 8) -> Iterator[PatchGrid]:
    rng = np.random.default_rng(0)
    for _ in range(n):
        yield PatchGrid(rng.random((rows * 4, 3), np.float32), (rows, 4), (3,))


def new_scorer() -> CheckedScorer:
    return CheckedScorer(MemoryBankScorer())


def test_the_power_is_that_between_the_last_two_samples() -> None:
    points = [(10, 9.0), (100, 1.0), (400, 8.0)]
    growth = Growth.through(points, 1, 2)
    assert growth == Growth(400, 8.0, 1.5)
    assert growth.at(1600) == 64.0


@pytest.mark.parametrize(("seconds", "power"), [(1.0, 1), (1e9, 2)])
def test_the_power_stays_within_what_is_possible(seconds: float, power: float) -> None:
    assert Growth.through([(100, 1.0), (200, seconds)], 1, 2).power == power


def test_one_sample_grows_by_the_least_power() -> None:
    assert Growth.through([(100, 2.0)], 1, 2).at(300) == 6.0


def test_samples_double_until_the_grids_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyimgano.models.plan_growth.timed", lambda work: (0.5, work()))
    learning, scoring = measure_growth(new_scorer, grids(7))
    assert (learning.n, scoring.n) == (4 * 32, 4 * 32)
    assert scoring.seconds == 0.5 / 32


def test_no_more_is_timed_after_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyimgano.models.plan_growth.timed", lambda work: (3.0, work()))
    left = grids(3)
    learning, _ = measure_growth(new_scorer, left)
    assert learning == Growth(2 * 2 * 4, 3.0, 1)
    assert len(list(left)) == 2


def test_a_grid_of_one_row_cannot_be_parted_and_costs_nothing() -> None:
    learning, scoring = measure_growth(new_scorer, grids(1, rows=1))
    assert (learning.at(100), scoring.at(100)) == (0.0, 0.0)
