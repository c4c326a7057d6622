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


def test_what_each_patch_and_each_pair_takes_is_found() -> None:
    points = [(n, 2e-5 + 3e-10 * n) for n in (8_000, 16_000, 32_000, 64_000)]
    growth = Growth.through(points)
    assert growth.at(0) == pytest.approx(2e-5)
    assert growth.at(1_000_000) == pytest.approx(2e-5 + 3e-4)


def test_the_smallest_samples_are_not_carried_on() -> None:
    """They cost 10 times as much for a patch, which says nothing of many."""
    points = [(1_000, 1e-4), (2_000, 1e-5), (4_000, 2e-5), (8_000, 4e-5)]
    assert Growth.through(points).at(16_000) == pytest.approx(8e-5)


@pytest.mark.parametrize(
    ("seconds", "at_800"),
    [((1.0, 2.0, 6.0), 96 / 11), ((6.0, 2.0, 1.0), 30 / 23), ((2.0, 2.0, 2.0), 2.0)],
)
def test_neither_share_is_negative(seconds: tuple[float, ...], at_800: float) -> None:
    """By hand, of ratios r to a line through zero or to a constant: sum of r over sum of r squared.

    They are (100, 100, 200/3), and (1/6, 1/2, 1).
    """
    growth = Growth.through(list(zip((100, 200, 400), seconds, strict=True)))
    assert min(growth.base, growth.slope) >= 0
    assert growth.at(800) == pytest.approx(at_800)


def test_one_sample_says_what_a_patch_takes() -> None:
    assert Growth.through([(100, 2.0)]).at(300) == 2.0


def test_samples_double_until_the_grids_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyimgano.models.plan_growth.timed", lambda work: (0.5, work()))
    learning, scoring = measure_growth(new_scorer, grids(7))
    # 2 halves of a grid of 32 patches, 2 grids and 4: 0.5 s for each, so ever less for a patch.
    ratios = np.array([32, 64, 128]) / 0.5
    assert learning == Growth(ratios.sum() / (ratios @ ratios), 0.0)
    ratios = np.array([16, 32, 32]) / 0.5  # one image of these is scored
    assert scoring == Growth(ratios.sum() / (ratios @ ratios), 0.0)


def test_no_more_is_timed_after_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyimgano.models.plan_growth.timed", lambda work: (3.0, work()))
    left = grids(3)
    learning, _ = measure_growth(new_scorer, left)
    assert learning == Growth(3.0 / (2 * 2 * 4), 0.0)
    assert len(list(left)) == 2


def test_a_grid_of_one_row_cannot_be_parted_and_costs_nothing() -> None:
    learning, scoring = measure_growth(new_scorer, grids(1, rows=1))
    assert (learning.at(100), scoring.at(100)) == (0.0, 0.0)
