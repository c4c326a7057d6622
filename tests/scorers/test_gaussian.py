from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, NotEnoughMemoryError, NotFittedError
from pyimgano.features import PatchGrid
from pyimgano.scorers import GaussianScorer, fit_memory, gaussian
from pyimgano.scorers.base import PatchScores

SHAPE, DEPTH = (3, 4), 7


def grids(n: int, seed: int = 0) -> list[PatchGrid]:
    """Patches whose channels go together, differently at each place."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(SHAPE[0] * SHAPE[1], DEPTH, DEPTH))
    values = rng.normal(size=(n, *mixing.shape[:2]))
    rows = np.einsum("npc,pcd->npd", values, mixing) + 5.0
    return [PatchGrid(one.astype(np.float32), SHAPE) for one in rows]


def fitted(images: list[PatchGrid], **params: Any) -> GaussianScorer:
    scorer = GaussianScorer(**params)
    scorer.begin(len(images), images[0])
    for grid in images:
        scorer.add(grid)
    scorer.finish(0, lambda done, total: None)
    return scorer


def oracle(train: list[PatchGrid], test: PatchGrid, axes: np.ndarray, epsilon: float) -> np.ndarray:
    """Equation 2 of the paper, place by place."""
    found = []
    for place in range(len(test.rows)):
        known = np.array([grid.rows[place].astype(float) @ axes for grid in train])
        covariance = np.atleast_2d(np.cov(known.T)) if len(known) > 1 else 0.0
        law = covariance + epsilon * np.eye(axes.shape[1])
        offset = test.rows[place].astype(float) @ axes - known.mean(axis=0)
        found.append(np.sqrt(offset @ np.linalg.solve(law, offset)))
    return np.array(found).reshape(SHAPE)


def distances(found: list[PatchScores]) -> np.ndarray:
    return np.array([one.distances for one in found])


@pytest.mark.parametrize("selection", ["random", "principal"])
@pytest.mark.parametrize("n_features", [1, 4, 100])
def test_distances_equal_those_of_the_paper_s_formula(selection: str, n_features: int) -> None:
    train, test = grids(9), grids(3, seed=1)
    scorer = fitted(train, n_features=n_features, selection=selection, regularization=0.05)
    axes = scorer.axes_.astype(float)
    assert axes.shape == (DEPTH, min(n_features, DEPTH))
    expected = [oracle(train, one, axes, 0.05) for one in test]
    np.testing.assert_allclose(distances(scorer.score(test)), expected, rtol=2e-5)


@pytest.mark.parametrize(
    "groups", [None, [0, 1, 2, 3, 4, 5], [0, 0, 2, 3, 3, 3], [0, 0, 0, 0, 0, 5]]
)
@pytest.mark.parametrize("regularization", [0.01, 1e-6])
def test_held_out_distances_are_those_of_laws_without_the_group(
    groups: list[int] | None, regularization: float
) -> None:
    train = grids(6)  # fewer than channels: without the regularization there is no law
    scorer = fitted(train, n_features=5, regularization=regularization)
    found = distances(scorer.held_out(None if groups is None else np.array(groups)))
    own = np.arange(6) if groups is None else np.array(groups)
    for i, one in enumerate(train):
        others = [train[j] for j in range(6) if own[j] != own[i]]
        expected = oracle(others, one, scorer.axes_.astype(float), regularization)
        np.testing.assert_allclose(found[i], expected, rtol=1e-5)


def test_places_are_learnt_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, test = fitted(grids(6)), grids(2, seed=1)
    monkeypatch.setattr(gaussian, "_BLOCK", 5 * DEPTH**2)
    blocks = fitted(grids(6))
    np.testing.assert_array_equal(distances(blocks.score(test)), distances(whole.score(test)))
    np.testing.assert_allclose(distances(blocks.held_out()), distances(whole.held_out()), rtol=1e-9)


def test_channels_are_drawn_by_the_seed_and_axes_follow_the_variance() -> None:
    scorer = fitted(grids(6), n_features=3)
    assert np.array_equal(scorer.axes_, fitted(grids(6), n_features=3).axes_)
    assert set(scorer.axes_.sum(axis=0)) == {1.0}
    drawn = set()
    for seed in range(8):
        scorer.begin(6, grids(6)[0])
        for grid in grids(6):
            scorer.add(grid)
        scorer.finish(seed, lambda done, total: None)
        drawn.add(scorer.axes_.tobytes())
    assert len(drawn) > 4
    rows = np.concatenate([grid.rows for grid in grids(6)]).astype(float)
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    axes = fitted(grids(6), n_features=2, selection="principal").axes_
    np.testing.assert_allclose(np.abs(axes), np.abs(vectors[:, [-1, -2]]), atol=1e-5)
    assert values[-1] >= values[-2]


def test_one_image_is_compared_by_the_regularization_alone() -> None:
    (train,), (test,) = grids(1), grids(1, seed=1)
    (found,) = fitted([train], regularization=0.25).score([test])
    expected = np.linalg.norm(test.rows - train.rows, axis=1).reshape(SHAPE) / 0.5
    np.testing.assert_allclose(found.distances, expected, rtol=1e-5)


@pytest.mark.parametrize(("rule", "n"), [("max", 1), (("top", 0.26), 3), (("top", 1.0), 12)])
def test_the_image_score_is_the_mean_of_the_largest(rule: Any, n: int) -> None:
    (found,) = fitted(grids(6), image_score=rule).score(grids(1, seed=1))
    expected = np.sort(found.distances, axis=None)[-n:].mean(dtype=float)
    assert found.image == pytest.approx(expected, rel=1e-12)


def test_images_of_another_size_are_refused() -> None:
    scorer = fitted(grids(4))
    other = PatchGrid(grids(1)[0].rows, (2, 6))
    for call in (lambda: scorer.score([other]), lambda: scorer.add(other)):
        with pytest.raises(InvalidInputError, match="2 x 6 .*, the first one 3 x 4.*image_size"):
            call()


def test_laws_that_would_not_fit_are_refused_before_they_are_learnt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fit_memory, "available_memory", lambda: 10_000_000)
    with pytest.raises(NotEnoughMemoryError, match="n_features or a smaller image_size"):
        fitted(grids(3))


def test_a_state_that_does_not_fit_together_is_refused() -> None:
    state = fitted(grids(4)).to_state()
    again = GaussianScorer.from_state({}, state)
    test = grids(2, seed=1)
    np.testing.assert_array_equal(
        distances(again.score(test)), distances(fitted(grids(4)).score(test))
    )
    with pytest.raises(InvalidInputError, match="do not go together"):
        GaussianScorer.from_state({}, {**state, "axes": state["axes"][:, 1:]})


def test_nothing_works_before_it_can() -> None:
    with pytest.raises(NotFittedError, match="call finish first"):
        GaussianScorer().score(grids(1))
    scorer = fitted(grids(3))
    scorer.held_out()
    with pytest.raises(NotFittedError, match="call begin first"):
        scorer.held_out()
