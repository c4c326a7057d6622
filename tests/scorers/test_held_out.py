"""The held-out scores against the slow way: a bank built anew without each image."""

from __future__ import annotations

import numpy as np
import pytest

from pyimgano.kernels import greedy_coreset
from pyimgano.scorers.coresets import select_coreset
from pyimgano.scorers.feature_store import FeatureStore
from pyimgano.scorers.held_out import score_held_out
from tests.scorers.support import bank_of, score

GRID = (6, 6)


def stored(images: list[np.ndarray]) -> FeatureStore:
    store = FeatureStore(len(images))
    for image in images:
        store.append(image)
    return store


def patches(rng: np.random.Generator, n: int) -> list[np.ndarray]:
    """Images of patches from one smooth population."""
    mixing = rng.normal(size=(4, 12))
    return [(rng.normal(size=(GRID[0] * GRID[1], 4)) @ mixing).astype(np.float32) for _ in range(n)]


def held(
    store: FeatureStore, picks: np.ndarray, n_neighbors: int = 9
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Image scores and distances of each image, all of them different pictures."""
    n = store.n_images
    found = score_held_out(
        store, [GRID] * n, np.arange(n), picks, store.rows[picks], n_neighbors=n_neighbors
    )
    return np.array([one.image for one in found]), [one.distances for one in found]


def test_with_every_patch_in_the_bank_it_is_exactly_leave_one_image_out() -> None:
    images = patches(np.random.default_rng(0), 7)
    store = stored(images)
    scores, distances = held(store, np.arange(store.n_rows))
    for i, image in enumerate(images):
        others = np.concatenate([other for j, other in enumerate(images) if j != i])
        expected, nearest = score(bank_of(others), image)
        assert scores[i] == pytest.approx(expected, rel=1e-5)
        np.testing.assert_allclose(distances[i].ravel(), nearest, rtol=1e-5)


def test_on_average_it_is_as_high_as_with_a_coreset_built_anew() -> None:
    rng = np.random.default_rng(1)
    ratios, naive = [], []
    for _ in range(6):
        images = patches(rng, 12)
        store = stored(images)
        picks = select_coreset(store.rows, 0.2, random_state=0)
        scores, _ = held(store, picks)
        for i, image in enumerate(images):
            others = np.concatenate([other for j, other in enumerate(images) if j != i])
            anew = others[greedy_coreset(others, int(0.2 * len(others)), random_state=0)]
            own_rows_dropped = store.rows[picks[picks // len(image) != i]]
            expected = score(bank_of(anew), image)[0]
            ratios.append(scores[i] / expected)
            naive.append(score(bank_of(own_rows_dropped), image)[0] / expected)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.03)
    # What the repair is for: without it the scores are clearly too high.
    assert np.mean(naive) > np.mean(ratios) + 0.02


def test_all_patches_of_other_images_stay_within_the_covering_radius() -> None:
    images = patches(np.random.default_rng(2), 5)
    store = stored(images)
    rows, image = store.rows, store.image_of_row()
    picks = select_coreset(rows, 0.1, random_state=0)
    radius = np.linalg.norm(rows[:, None] - rows[picks][None], axis=2).min(axis=1).max()
    scores, _ = held(store, picks, 1)
    for i in range(5):
        # A left-out image cannot be nearer to its bank than to all patches of the others, nor
        # farther than that by more than the radius (triangle inequality).
        gaps = np.linalg.norm(rows[image == i][:, None] - rows[image != i][None], axis=2)
        exact = gaps.min(axis=1).max()
        assert exact - 1e-5 <= scores[i] <= exact + radius + 1e-5


def test_two_images_score_each_other() -> None:
    images = patches(np.random.default_rng(4), 2)
    scores, _ = held(stored(images), np.arange(72), 1)
    gaps = np.linalg.norm(images[0][:, None] - images[1][None], axis=2)
    np.testing.assert_allclose(scores, [gaps.min(axis=1).max(), gaps.min(axis=0).max()], rtol=1e-5)


def test_an_image_that_owns_the_whole_bank_can_be_left_out() -> None:
    rng = np.random.default_rng(5)
    far = [(100 * rng.normal(size=(36, 12))).astype(np.float32)]
    store = stored(far + [np.full((36, 12), i, np.float32) for i in range(2)])
    picks = np.arange(5)  # all of the first image
    scores, _ = held(store, picks, 3)
    assert np.all(np.isfinite(scores))
    assert scores[0] > scores[1]
