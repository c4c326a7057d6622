"""Mutual scoring against plain NumPy written from the recipe."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, NotEnoughMemoryError, NotFittedError
from pyimgano.features import PatchGrid
from pyimgano.scorers import MutualScorer, fit_memory
from pyimgano.scorers.mutual import rerank
from tests.reference.mutual import musc, mutual_map, rscin

SHAPE, PARTS = (6, 7), (5, 8)


def images(n: int, seed: int = 0) -> list[PatchGrid]:
    """Grids of two layers, smooth as those of a network are."""
    rng = np.random.default_rng(seed)
    rows = rng.gamma(1.0, size=(n, *SHAPE, sum(PARTS)))
    rows[:, 1:] += rows[:, :-1]
    return [PatchGrid(one.reshape(-1, 13).astype(np.float32), SHAPE, PARTS) for one in rows]


def learnt(grids: list[PatchGrid], **params: Any) -> MutualScorer:
    scorer = MutualScorer(**params)
    scorer.begin(len(grids), grids[0])
    for grid in grids:
        scorer.add(grid)
    scorer.finish(0, lambda done, total: None)
    return scorer


def maps(found: Any) -> np.ndarray:
    return np.array([one.distances for one in found])


def layers(grids: list[PatchGrid]) -> list[np.ndarray]:
    arrays = np.array([grid.array for grid in grids])
    return [arrays[..., :5], arrays[..., 5:]]


@pytest.mark.parametrize("n", [2, 3, 12])
def test_layerwise_scores_are_those_of_the_recipe(n: int) -> None:
    grids = images(n)
    found = learnt(grids, layerwise=True).held_out()
    np.testing.assert_allclose(maps(found), musc(layers(grids)), atol=1e-6, rtol=0)
    assert [one.image for one in found] == [one.distances.max() for one in found]


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 1.0])
def test_rows_as_they_come_are_compared_with_the_nearest_share_of_images(share: float) -> None:
    grids = images(8)
    arrays = [grid.array for grid in grids]
    found = maps(learnt(grids, share=share).held_out())
    expected = [mutual_map(arrays, i, share) for i in range(8)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("layerwise", [True, False])
def test_a_new_image_is_scored_as_if_it_were_one_of_them(layerwise: bool) -> None:
    grids = images(9)
    together = learnt(grids, layerwise=layerwise).held_out()[-1]
    (alone,) = learnt(grids[:-1], layerwise=layerwise).score(grids[-1:])
    np.testing.assert_array_equal(alone.distances, together.distances)
    assert alone.image == together.image


def test_images_of_one_picture_count_as_one() -> None:
    grids = images(7)
    twice = learnt([*grids, grids[0]])
    found = maps(twice.held_out(np.array([0, 1, 2, 3, 4, 5, 6, 0])))
    np.testing.assert_array_equal(found[:7], maps(learnt(grids).held_out()))
    np.testing.assert_array_equal(found[7], found[0])
    # And so they do for images that come later.
    other = images(1, seed=1)
    np.testing.assert_array_equal(maps(twice.score(other)), maps(learnt(grids).score(other)))


def test_images_of_several_sizes_are_compared() -> None:
    grids = images(4)
    small = PatchGrid(grids[0].rows[:12], (3, 4), PARTS)
    found = learnt([small, *grids[1:]], layerwise=True).held_out()
    assert [one.distances.shape for one in found] == [(3, 4), *[SHAPE] * 3]
    assert all(np.isfinite(one.image) for one in found)


def test_a_share_of_the_largest_distances_can_be_the_score() -> None:
    found = learnt(images(5), image_score=("top", 0.1)).held_out()
    for one in found:
        expected = np.sort(one.distances, axis=None)[-4:].mean(dtype=float)
        assert one.image == pytest.approx(expected, rel=1e-7)


def test_features_on_disk_give_the_same(tmp_path: Any) -> None:
    grids = images(5)
    on_disk = learnt(grids, spill_dir=tmp_path).held_out()
    np.testing.assert_array_equal(maps(on_disk), maps(learnt(grids).held_out()))


@pytest.mark.parametrize("layerwise", [True, False])
def test_a_state_and_a_copy_score_the_same(layerwise: bool) -> None:
    grids, other = images(6), images(2, seed=1)
    scorer = learnt(grids, layerwise=layerwise)
    scorer.held_out(np.array([0, 1, 2, 3, 3, 5]))
    expected = maps(scorer.score(other))
    again = MutualScorer.from_state({"layerwise": layerwise}, scorer.to_state())
    for one in (again, copy.deepcopy(scorer)):
        np.testing.assert_array_equal(maps(one.score(other)), expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rows", np.zeros((41, 13), np.float32)),
        ("shapes", np.full((6, 2), 6.0)),
        ("shapes", np.full((6, 2), 6.5)),
        ("shapes", np.array([[-6.0, -7.0]] * 6)),
        ("groups", np.zeros(5)),
        ("groups", np.full(6, -1.0)),
        ("widths", np.array([5.0, 9.0])),
        ("widths", np.array([14.0, -1.0])),
    ],
)
def test_a_state_that_does_not_fit_together_is_refused(name: str, value: np.ndarray) -> None:
    state = learnt(images(6)).to_state()
    with pytest.raises(InvalidInputError, match="do not go together"):
        MutualScorer.from_state({}, {**state, name: value})


def test_a_state_whose_index_would_be_far_larger_is_refused() -> None:
    state = {
        "rows": np.zeros((5000, 13), np.float32),
        "shapes": np.ones((5000, 2)),
        "groups": np.arange(5000.0),
        "widths": np.array([13.0]),
    }
    with pytest.raises(InvalidInputError, match="fewer than 16 patches"):
        MutualScorer.from_state({}, state)


def test_images_that_would_not_fit_are_refused_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_memory, "available_memory", lambda: 10_000)
    with pytest.raises(NotEnoughMemoryError, match="42 patches.*smaller image_size"):
        learnt(images(3))


def test_nothing_works_before_it_can() -> None:
    with pytest.raises(NotFittedError, match="call begin first"):
        MutualScorer().add(images(1)[0])
    with pytest.raises(NotFittedError, match="call finish first"):
        MutualScorer().score(images(1))
    other = PatchGrid(images(1)[0].rows[:, :4].copy(), SHAPE)
    with pytest.raises(InvalidInputError, match="4 features, those learnt 13"):
        learnt(images(2)).score([other])


@pytest.mark.parametrize("neighbours", [(1,), (1, 2, 3), (1, 8, 9)])
def test_reranking_is_the_paper_s(neighbours: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    scores, features = rng.random(20), rng.random((20, 6))
    found = rerank(scores, features, neighbours)
    np.testing.assert_allclose(found, rscin(scores, features, neighbours), rtol=1e-12)


def test_reranking_gives_images_that_are_unlike_no_weight() -> None:
    # The nearest other image to the first is at -1, which with its own 1 would sum to 0.
    features = np.array([[1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])
    scores = np.array([0.0, 1.0, 0.5])
    np.testing.assert_array_equal(rerank(scores, features, (2,)), [0.0, 0.75, 0.75])
    # By the weights 1 and 0.6; what is at -0.8 and -1 to the first counts nothing.
    features = np.array([[1.0, 0.0], [0.6, 0.8], [-0.8, -0.6], [-1.0, 0.0]])
    found = rerank(np.array([0.0, 1.0, 0.2, 0.4]), features, (4,))
    assert found[0] == pytest.approx(0.6 / 1.6, rel=1e-12)


def test_reranked_scores_of_features_of_both_signs_lie_between_0_and_1() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(50, 3))
    features[7] = 0  # like no image: its own score
    scores = rng.random(50)
    found = rerank(scores, features)
    assert 0 <= found.min() < found.max() <= 1
    scaled = (scores - scores.min()) / (scores.max() - scores.min())
    assert found[7] == pytest.approx(scaled[7], rel=1e-12)


def test_reranking_leaves_equal_scores_equal() -> None:
    assert rerank(np.full(4, 7.0), np.eye(4) + 1).tolist() == [0.0] * 4


def test_an_image_is_described_by_its_mean_patch() -> None:
    grids = images(3)
    means = np.array([grid.rows.astype(float).mean(axis=0) for grid in grids])
    expected = means / np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(learnt(grids).image_features(), expected, rtol=1e-6)
