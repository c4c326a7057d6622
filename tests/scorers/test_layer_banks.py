from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, NotFittedError
from pyimgano.features import PatchGrid
from pyimgano.scorers import LayerBanksScorer

PARTS = (3, 5)


def grids(*sizes: int, parts: tuple[int, ...] = PARTS) -> list[PatchGrid]:
    rng = np.random.default_rng(4)
    return [
        PatchGrid(rng.normal(size=(n, sum(PARTS))).astype(np.float32), (1, n), parts) for n in sizes
    ]


def fitted(images: list[PatchGrid], **params: Any) -> LayerBanksScorer:
    scorer = LayerBanksScorer(**{"coreset_ratio": 1.0, **params})
    scorer.begin(len(images), images[0])
    for grid in images:
        scorer.add(grid)
    scorer.finish(0, lambda done, total: None)
    return scorer


def oracle(bank: list[PatchGrid], test: PatchGrid, parts: tuple[int, ...]) -> np.ndarray:
    """The recipe: of each layer the distance to the nearest, by its channels, then the mean."""
    rows, start, found = np.concatenate([one.rows for one in bank]).astype(float), 0, []
    for width in parts:
        layer = slice(start, start + width)
        offsets = test.rows[:, None, layer] - rows[None, :, layer]
        found.append(np.linalg.norm(offsets, axis=2).min(axis=1) / width)
        start += width
    return np.mean(found, axis=0).reshape(test.shape)


@pytest.mark.parametrize("parts", [PARTS, ()])
def test_distances_are_the_mean_over_the_layers(parts: tuple[int, ...]) -> None:
    images, (one, other) = grids(20, 12, parts=parts), grids(9, 7, parts=parts)
    found = fitted(images).score([one, other])
    for scores, grid in zip(found, (one, other), strict=True):
        expected = oracle(images, grid, parts or (sum(PARTS),))
        np.testing.assert_allclose(scores.distances, expected, rtol=1e-5)
        assert scores.image == scores.distances.max()


@pytest.mark.parametrize("groups", [None, [0, 0, 2, 3]])
def test_held_out_images_are_scored_without_their_group(groups: list[int] | None) -> None:
    images = grids(20, 12, 15, 6)
    found = fitted(images).held_out(None if groups is None else np.array(groups))
    own = groups or list(range(4))
    for i, scores in enumerate(found):
        others = [images[j] for j in range(4) if own[j] != own[i]]
        np.testing.assert_allclose(scores.distances, oracle(others, images[i], PARTS), rtol=1e-5)


def test_each_layer_has_a_coreset_of_its_own() -> None:
    scorer = fitted(grids(40, 40), coreset_ratio=0.25, image_score=("top", 0.2))
    assert [bank.memory_bank_.shape for bank in scorer.banks_] == [(20, 3), (20, 5)]
    (found,) = scorer.score(grids(10))
    assert found.image == np.sort(found.distances, axis=None)[-2:].mean(dtype=float)


def test_a_patch_is_compared_in_the_layer_that_marks_it_most() -> None:
    """Two layers of one and two features; image 0 is near in the first, image 1 in the second."""
    images = [
        PatchGrid(np.array([row], np.float32), (1, 1), (1, 2)) for row in ([0, 9, 9], [5, 0, 0])
    ]
    scorer = fitted(images)
    for row, number in (([1, 0, 0], 0), ([0, 0, 5], 1)):  # far in the first, in the second
        (found,) = scorer.score([PatchGrid(np.array([row], np.float32), (1, 1), (1, 2))])
        assert found.nearest.tolist() == [[[number, 0]]]
    assert scorer.origins_.grids.tolist() == [[1, 1], [1, 1]]


def test_states_without_places_are_those_of_older_files() -> None:
    scorer, test = fitted(grids(20, 12)), grids(9)
    state = {name: rows for name, rows in scorer.to_state().items() if name.startswith("bank_")}
    (again,) = LayerBanksScorer.from_state({}, state).score(test)
    assert again.nearest is None
    np.testing.assert_array_equal(again.distances, scorer.score(test)[0].distances)


def test_a_state_comes_back() -> None:
    scorer, test = fitted(grids(20, 12)), grids(9)
    state = scorer.to_state()
    (again,) = LayerBanksScorer.from_state({}, state).score(test)
    np.testing.assert_array_equal(again.distances, scorer.score(test)[0].distances)
    np.testing.assert_array_equal(again.nearest, scorer.score(test)[0].nearest)
    half = {name: state[name] for name in state if name != "origins_1"}
    for bad in ({}, {"bank_1": state["bank_1"]}, {"bank_0": np.zeros(3, np.float32)}, half):
        with pytest.raises(InvalidInputError, match="memory banks"):
            LayerBanksScorer.from_state({}, bad)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(NotFittedError, match="call finish first"):
        LayerBanksScorer().score(grids(3))
    other = PatchGrid(np.zeros((2, 4), np.float32), (1, 2))
    with pytest.raises(InvalidInputError, match="4 features, those learnt 8"):
        fitted(grids(3)).score([other])
