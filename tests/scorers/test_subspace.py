from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, NotEnoughMemoryError, NotFittedError
from pyimgano.features import PatchGrid
from pyimgano.features.patches.moments import axes_for
from pyimgano.scorers import SubspaceScorer, fit_memory
from pyimgano.scorers.base import PatchScores

DEPTH = 9


def grids(n: int, seed: int = 0) -> list[PatchGrid]:
    """Patches around a point far from 0, along few axes and a little beside them."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(9).normal(size=(DEPTH, DEPTH)) * np.geomspace(3, 0.05, DEPTH)
    found = []
    for i in range(n):
        shape = (3, 4 + i % 2)
        rows = rng.normal(size=(shape[0] * shape[1], DEPTH)) @ mixing.T + 50.0
        found.append(PatchGrid(rows.astype(np.float32), shape))
    return found


def fitted(images: list[PatchGrid], **params: Any) -> SubspaceScorer:
    scorer = SubspaceScorer(**params)
    scorer.begin(len(images), images[0])
    for grid in images:
        scorer.add(grid)
    scorer.finish(0, lambda done, total: None)
    return scorer


def oracle(train: list[PatchGrid], test: PatchGrid, share: float) -> np.ndarray:
    """The recipe in plain steps: two passes, one axis after the other, patch by patch."""
    rows = np.concatenate([grid.rows for grid in train]).astype(float)
    mean = rows.sum(axis=0) / len(rows)
    covariance = sum(np.outer(row - mean, row - mean) for row in rows) / (len(rows) - 1)
    values, vectors = np.linalg.eigh(covariance)
    order = np.argsort(-values)
    k = next(k for k in range(1, DEPTH + 1) if values[order[:k]].sum() >= share * values.sum())
    found = []
    for row in test.rows.astype(float):
        left = row - mean
        for axis in order[:k]:
            left = left - (left @ vectors[:, axis]) * vectors[:, axis]
        found.append(left @ left)
    return np.array(found).reshape(test.shape)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
def test_distances_equal_those_of_the_recipe(share: float) -> None:
    train, test = grids(6), grids(3, seed=1)
    for found, grid in zip(fitted(train, variance=share).score(test), test, strict=True):
        expected = oracle(train, grid, share)
        np.testing.assert_allclose(found.distances, expected, rtol=1e-6)
        assert found.image == found.distances.max()


def test_one_axis_is_left_whatever_the_share() -> None:
    scorer = fitted(grids(6), variance=1.0)
    assert scorer.axes_.shape == (DEPTH, DEPTH - 1)
    (found,) = scorer.score(grids(1, seed=1))
    rows = np.concatenate([grid.rows for grid in grids(6)]).astype(float)
    last = np.linalg.eigh(np.cov(rows.T))[1][:, 0]
    expected = ((grids(1, seed=1)[0].rows - rows.mean(axis=0)) @ last) ** 2
    np.testing.assert_allclose(found.distances.ravel(), expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("groups", [None, [0, 1, 2, 3, 4], [0, 0, 2, 3, 3]])
def test_held_out_distances_are_those_without_the_group(groups: list[int] | None) -> None:
    train = grids(5)
    found = fitted(train, variance=0.9).held_out(None if groups is None else np.array(groups))
    own = groups or list(range(5))
    for i, one in enumerate(found):
        others = [train[j] for j in range(5) if own[j] != own[i]]
        np.testing.assert_allclose(one.distances, oracle(others, train[i], 0.9), rtol=1e-6)


def test_many_images_are_left_out_in_sixteen_parts() -> None:
    train = grids(20)
    found = fitted(train, variance=0.9).held_out()
    for i in (0, 7, 16):
        others = [train[j] for j in range(20) if j % 16 != i % 16]
        np.testing.assert_allclose(found[i].distances, oracle(others, train[i], 0.9), rtol=1e-6)


def test_as_few_axes_as_hold_the_share() -> None:
    variances = np.array([6.0, 3.0, 1.0, 0.0])
    assert [axes_for(variances, share) for share in (0.6, 0.61, 0.9, 0.91, 1.0)] == [1, 2, 2, 3, 3]
    assert axes_for(np.zeros(3), 0.5) == 1


def test_an_image_without_any_variance_is_learnt() -> None:
    flat = PatchGrid(np.ones((4, DEPTH), np.float32), (2, 2))
    (found,) = fitted([flat]).score([PatchGrid(flat.rows + 2, (2, 2))])
    # One axis is taken, whichever: 4 x 9 less what lies along it.
    assert 0 < found.image <= 36


def test_a_training_set_that_will_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_memory, "available_memory", lambda: 100)
    with pytest.raises(NotEnoughMemoryError, match="a smaller image_size or fewer images"):
        fitted(grids(3))


def test_a_state_comes_back_and_one_that_does_not_fit_together_is_refused() -> None:
    state, test = fitted(grids(4)).to_state(), grids(1, seed=1)
    (found,) = SubspaceScorer.from_state({}, state).score(test)
    (expected,) = fitted(grids(4)).score(test)
    assert isinstance(found, PatchScores)
    np.testing.assert_array_equal(found.distances, expected.distances)
    with pytest.raises(InvalidInputError, match="do not go together"):
        SubspaceScorer.from_state({}, {**state, "mean": state["mean"][1:]})


def test_nothing_works_before_it_can() -> None:
    with pytest.raises(NotFittedError, match="call finish first"):
        SubspaceScorer().score(grids(1))
    scorer = fitted(grids(3))
    scorer.held_out()
    with pytest.raises(NotFittedError, match="call begin first"):
        scorer.held_out()
