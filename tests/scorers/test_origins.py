"""Which patch of which training image a patch was compared with."""

from __future__ import annotations

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError
from pyimgano.features import PatchGrid
from pyimgano.scorers.memory_bank import MemoryBankScorer
from pyimgano.scorers.origins import Origins, places_of

RNG = np.random.default_rng(0)
#: Grids of differing sizes.
GRIDS = [
    PatchGrid(RNG.normal(size=(h * w, 5)).astype(np.float32), (h, w))
    for h, w in ((3, 4), (2, 2), (4, 5), (3, 4))
]


def fitted(ratio: float, metric: str = "euclidean") -> MemoryBankScorer:
    scorer = MemoryBankScorer(coreset_ratio=ratio, metric=metric)
    scorer.begin(len(GRIDS), GRIDS[0])
    for grid in GRIDS:
        scorer.add(grid)
    scorer.finish(0)
    return scorer


def features_of(nearest: np.ndarray) -> np.ndarray:
    """The features of the training patches that are named, (n, d)."""
    return np.array([GRIDS[image].rows[patch] for image, patch in nearest.reshape(-1, 2)])


def test_patches_are_numbered_through_all_images() -> None:
    found = places_of(np.array([0, 11, 12, 15, 16, 35, 36]), [grid.shape for grid in GRIDS])
    assert found.dtype == np.int32
    assert found.tolist() == [[0, 0], [0, 11], [1, 0], [1, 3], [2, 0], [2, 19], [3, 0]]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_each_row_of_the_bank_is_the_patch_that_it_is_said_to_be(metric: str) -> None:
    scorer = fitted(0.5, metric)
    assert scorer.origins_ is not None
    theirs = scorer._prepared(features_of(scorer.origins_.rows))
    np.testing.assert_array_equal(theirs, scorer.memory_bank_)
    assert scorer.origins_.grids.tolist() == [list(grid.shape) for grid in GRIDS]


def test_a_patch_is_as_far_from_the_patch_it_was_compared_with_as_is_said() -> None:
    scorer = fitted(0.4)
    query = PatchGrid(RNG.normal(size=(6, 5)).astype(np.float32), (2, 3))
    for one in scorer.score([query, query]):
        assert one.nearest is not None
        assert (one.nearest.shape, one.nearest.dtype) == ((2, 3, 2), np.int32)
        lengths = np.linalg.norm(features_of(one.nearest) - query.rows, axis=1)
        np.testing.assert_allclose(lengths, one.distances.ravel(), rtol=1e-5)


@pytest.mark.parametrize("ratio", [1.0, 0.3])
def test_held_out_patches_are_compared_with_those_of_other_pictures(ratio: float) -> None:
    groups = np.array([0, 1, 2, 0])
    found = fitted(ratio).held_out(groups)
    for number, (one, grid) in enumerate(zip(found, GRIDS, strict=True)):
        assert one.nearest is not None
        assert not np.isin(groups[one.nearest[..., 0]], groups[number]).any()
        lengths = np.linalg.norm(features_of(one.nearest) - grid.rows, axis=1)
        np.testing.assert_allclose(lengths, one.distances.ravel(), rtol=1e-5)


def test_what_is_said_survives_a_way_through_plain_arrays() -> None:
    scorer = fitted(0.4)
    scorer.held_out()
    again = MemoryBankScorer.from_state({"coreset_ratio": 0.4}, scorer.to_state())
    query = [PatchGrid(RNG.normal(size=(6, 5)).astype(np.float32), (2, 3))]
    (one,), (other,) = scorer.score(query), again.score(query)
    np.testing.assert_array_equal(one.nearest, other.nearest)
    without = MemoryBankScorer.from_state({}, {"memory_bank": scorer.memory_bank_})
    assert without.score(query)[0].nearest is None


@pytest.mark.parametrize(
    ("rows", "grids"),
    [
        ([[0, 4]], [[2, 2]]),  # beyond the grid
        ([[1, 0]], [[2, 2]]),  # an image that is not there
        ([[-1, 0]], [[2, 2]]),
        ([[0, 0]], [[0, 2]]),
        ([[0, 0, 0]], [[2, 2]]),
        ([[0, 0]], np.empty((0, 2))),
    ],
)
def test_origins_that_cannot_be_are_refused(rows: list, grids: list) -> None:
    with pytest.raises(InvalidInputError, match="origins"):
        Origins(np.array(rows, np.int32), np.array(grids, np.int32))


def test_other_than_one_origin_for_a_row_of_the_bank_is_refused() -> None:
    state = fitted(0.4).to_state()
    state["origins"] = state["origins"][1:]
    with pytest.raises(InvalidInputError, match="differ in number"):
        MemoryBankScorer.from_state({}, state)
