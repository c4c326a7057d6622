"""A bank picked from local coresets: how well it covers; held-out scores done the slow way."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from pyimgano.features import PatchGrid
from pyimgano.scorers import MemoryBankScorer
from pyimgano.scorers.base import PatchScores
from pyimgano.scorers.coresets import Coverage
from tests.scorers.support import bank_of, score
from tests.scorers.test_held_out import GRID, patches

BLOCK = 4


def fitted(
    images: list[np.ndarray], ratio: float, block: int = BLOCK, metric: str = "euclidean"
) -> MemoryBankScorer:
    scorer = MemoryBankScorer(coreset_ratio=ratio, coreset_block=block, metric=metric)
    blocks = [images[start : start + block] for start in range(0, len(images), block)]
    parts = [
        scorer.reduce([PatchGrid(one, GRID) for one in block], np.arange(len(block)), (0, number))
        for number, block in enumerate(blocks)
    ]
    scorer.merge(parts, 0)
    return scorer


def held(
    scorer: MemoryBankScorer, images: list[np.ndarray], groups: np.ndarray | None = None
) -> list[PatchScores]:
    groups = np.arange(len(images)) if groups is None else groups
    left_out = scorer.left_out(groups)
    return [
        scorer.score_without(left_out, PatchGrid(one, GRID), int(group))
        for one, group in zip(images, groups, strict=True)
    ]


def radius(bank: np.ndarray, rows: np.ndarray) -> float:
    far = np.linalg.norm(rows[:, None].astype(float) - bank[None].astype(float), axis=2)
    return float(far.min(axis=1).max())


@pytest.mark.parametrize("ratio", [0.02, 0.1, 0.4])
def test_every_patch_is_within_the_bound_of_the_bank(ratio: float) -> None:
    images = patches(np.random.default_rng(3), 10)
    scorer = fitted(images, ratio)
    rows = np.concatenate(images)
    assert scorer.coverage_ is not None
    assert len(scorer.memory_bank_) == int(len(rows) * ratio)
    found = radius(scorer.memory_bank_, rows)
    assert 0 < found <= scorer.coverage_.bound * (1 + 1e-6)
    assert scorer.origins_ is not None
    image, patch = scorer.origins_.rows.T
    np.testing.assert_array_equal(np.array(images)[image, patch], scorer.memory_bank_)


def test_a_fit_of_one_coreset_after_that_tells_no_bound() -> None:
    images = patches(np.random.default_rng(3), 4)
    scorer = fitted(images, 0.5)
    assert scorer.coverage_ is not None
    scorer.begin(len(images), PatchGrid(images[0], GRID))
    for one in images:
        scorer.add(PatchGrid(one, GRID))
    scorer.finish(0)
    assert scorer.coverage_ is None
    assert "coverage" not in scorer.to_state()


def test_the_factor_bounds_what_the_best_bank_could_do() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        images = [rng.normal(size=(1, 2)).astype(np.float32) for _ in range(12)]
        scorer = MemoryBankScorer(coreset_ratio=0.25)
        alone = np.arange(4)
        parts = [
            scorer.reduce([PatchGrid(one, (1, 1)) for one in images[i : i + 4]], alone, (0, i))
            for i in (0, 4, 8)
        ]
        scorer.merge(parts, 0)
        rows = np.concatenate(images)
        best = min(radius(rows[list(some)], rows) for some in combinations(range(12), 3))
        assert scorer.coverage_ is not None
        assert radius(scorer.memory_bank_, rows) <= scorer.coverage_.factor * best * (1 + 1e-6)


def test_a_factor_is_four_where_both_radii_are_equal_and_two_of_a_single_level() -> None:
    assert Coverage(local=1.5, union=1.5).factor == 4
    assert Coverage(local=0.0, union=1.5).factor == 2
    assert Coverage(local=0.0, union=0.0).factor == 1
    assert Coverage(local=0.5, union=1.5).bound == 2


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_with_every_patch_in_the_bank_it_is_exactly_leave_one_image_out(metric: str) -> None:
    images = patches(np.random.default_rng(0), 7)
    found = held(fitted(images, 1.0, metric=metric), images)
    for i, image in enumerate(images):
        others = np.concatenate([other for j, other in enumerate(images) if j != i])
        if metric == "cosine":
            others /= np.linalg.norm(others, axis=1, keepdims=True)
        expected, nearest = score(bank_of(others, metric=metric), image)
        assert found[i].image == pytest.approx(expected, rel=1e-4)
        np.testing.assert_allclose(found[i].distances.ravel(), nearest, rtol=1e-4, atol=1e-6)


def test_on_average_it_is_as_high_as_where_all_is_picked_anew() -> None:
    rng = np.random.default_rng(1)
    ratios, naive = [], []
    for _ in range(6):
        images = patches(rng, 12)
        scorer = fitted(images, 0.2)
        bank, origins = scorer.memory_bank_, scorer.origins_
        assert origins is not None
        for i, (image, one) in enumerate(zip(images, held(scorer, images), strict=True)):
            anew = fitted([other for j, other in enumerate(images) if j != i], 0.2)
            expected = score(bank_of(anew.memory_bank_), image)[0]
            ratios.append(one.image / expected)
            naive.append(score(bank_of(bank[origins.rows[:, 0] != i]), image)[0] / expected)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.05)
    # What filling the holes is for: without it the scores are clearly too high.
    assert np.mean(naive) > np.mean(ratios) + 0.02


def test_nothing_of_a_picture_scores_it_not_even_from_another_block() -> None:
    images = patches(np.random.default_rng(2), 8)
    images[6] = images[1] + np.float32(1e-3)  # its twin, in the other block
    groups = np.array([0, 1, 2, 3, 4, 5, 1, 7])
    found = held(fitted(images, 0.2), images, groups)
    for one, group in zip(found, groups, strict=True):
        assert one.nearest is not None
        assert group not in groups[one.nearest[..., 0]]
    assert found[1].distances.min() > 0.01  # its twin would be nearer
