from __future__ import annotations

import math

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, NotFittedError, UnknownNameError
from pyimgano.features import PatchGrid
from pyimgano.scorers import MemoryBankScorer, register_scorer
from pyimgano.scorers.coresets import select_coreset
from pyimgano.scorers.reweighting import reweight
from tests.scorers.support import bank_of, score


def oracle(bank: np.ndarray, patches: np.ndarray, k: int) -> tuple[float, np.ndarray]:
    """The paper's score, line by line in float64."""
    distances = np.linalg.norm(patches[:, None].astype(float) - bank[None].astype(float), axis=2)
    nearest = distances.min(axis=1)
    worst = int(nearest.argmax())
    match = int(distances[worst].argmin())
    k = min(k, len(bank))
    if k == 1:
        return float(nearest[worst]), nearest
    near = np.argsort(np.linalg.norm(bank - bank[match], axis=1), kind="stable")[:k]
    exponents = [math.exp(distances[worst, m]) for m in near]
    share = math.exp(distances[worst, match]) / sum(exponents)
    return (1 - share) * nearest[worst], nearest


@pytest.mark.parametrize("k", [1, 2, 9, 50])
@pytest.mark.parametrize("backend", ["rust", "sklearn"])
def test_scores_equal_the_oracle(k: int, backend: str) -> None:
    rng = np.random.default_rng(k)
    bank = rng.normal(size=(30, 5)).astype(np.float32)
    patches = rng.normal(size=(12, 5)).astype(np.float32)
    found, nearest = score(bank_of(bank, n_neighbors=k, knn_backend=backend), patches)
    expected, expected_nearest = oracle(bank, patches, k)
    assert found == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(nearest, expected_nearest, rtol=1e-5)


def test_a_bank_of_one_row_uses_the_plain_distance() -> None:
    bank = np.zeros((1, 2), np.float32)
    found, nearest = score(bank_of(bank), np.array([[3, 4], [0, 1]], np.float32))
    assert found == 5.0
    np.testing.assert_array_equal(nearest, [5.0, 1.0])


def test_large_distances_do_not_overflow_the_softmax() -> None:
    bank = np.array([[0.0], [1.0], [5000.0]], np.float32)
    found, _ = score(bank_of(bank), np.array([[-10_000.0]], np.float32))
    # exp(10000) / (exp(10000) + exp(10001) + exp(15000)) is 0 for all that float64 can tell.
    assert found == pytest.approx(10_000.0)


def test_equal_rows_keep_the_matched_one_among_its_neighbours() -> None:
    bank = np.zeros((30, 3), np.float32)
    found, _ = score(bank_of(bank, n_neighbors=9), np.ones((1, 3), np.float32))
    assert found == pytest.approx((1 - 1 / 9) * math.sqrt(3))


def test_the_weight_by_hand() -> None:
    neighbours = np.array([[0.0], [2.0]], np.float32)
    # Distances 1 and 1 from the patch at 1: both have half of the softmax.
    patch, is_match = np.array([1.0], np.float32), np.array([True, False])
    assert reweight(patch, 1.0, neighbours, is_match) == pytest.approx(0.5)


def test_the_coreset_has_the_share_asked_for_and_one_row_at_least() -> None:
    rows = np.random.default_rng(0).normal(size=(95, 4)).astype(np.float32)
    assert len(select_coreset(rows, 0.1, random_state=0)) == 9
    assert len(select_coreset(rows, 0.001, random_state=0)) == 1
    picks = select_coreset(rows, 0.3, random_state=3)
    assert np.all(np.diff(picks) > 0)
    np.testing.assert_array_equal(select_coreset(rows, 1.0, random_state=0), np.arange(95))


def grids(*sizes: int) -> list[PatchGrid]:
    rng = np.random.default_rng(4)
    return [PatchGrid(rng.normal(size=(n, 6)).astype(np.float32), (1, n)) for n in sizes]


def test_images_scored_together_get_the_scores_they_have_alone() -> None:
    scorer = bank_of(np.random.default_rng(3).normal(size=(2000, 6)).astype(np.float32))
    together = scorer.score(grids(40, 7, 90))
    assert [one.distances.shape for one in together] == [(1, 40), (1, 7), (1, 90)]
    for one, grid in zip(together, grids(40, 7, 90), strict=True):
        (alone,) = scorer.score([grid])
        assert one.image == alone.image
        np.testing.assert_array_equal(one.distances, alone.distances)


def test_the_image_score_may_be_the_largest_distance_as_it_is() -> None:
    bank = np.random.default_rng(5).normal(size=(50, 6)).astype(np.float32)
    (found,) = bank_of(bank, image_score="max").score(grids(30))
    assert found.image == found.distances.max()
    (weighted,) = bank_of(bank).score(grids(30))
    assert weighted.image < found.image


def test_a_fit_of_a_fitted_one_begins_anew() -> None:
    first, second = MemoryBankScorer(coreset_ratio=1.0), MemoryBankScorer(coreset_ratio=1.0)
    for scorer, images in ((first, grids(5, 5)), (first, grids(8)), (second, grids(8))):
        scorer.begin(len(images), images[0])
        for grid in images:
            scorer.add(grid)
        scorer.finish(0)
        scorer.score(images)
    np.testing.assert_array_equal(first.memory_bank_, grids(8)[0].rows)
    np.testing.assert_array_equal(second.memory_bank_, first.memory_bank_)


def test_nothing_works_before_it_can() -> None:
    scorer = MemoryBankScorer()
    for call in (lambda: scorer.add(grids(3)[0]), lambda: scorer.score(grids(3)), scorer.held_out):
        with pytest.raises(NotFittedError, match="MemoryBankScorer: call (begin|finish) first"):
            call()


def test_the_patches_of_the_training_images_are_dropped_once_these_are_scored() -> None:
    scorer, images = MemoryBankScorer(), grids(20, 20)
    scorer.begin(2, images[0])
    for grid in images:
        scorer.add(grid)
    scorer.finish(0)
    assert len(scorer.held_out()) == 2
    with pytest.raises(NotFittedError):
        scorer.held_out()


@pytest.mark.parametrize(
    ("name", "value"), [("coreset_ratio", 0), ("n_neighbors", 0), ("image_score", "mean")]
)
def test_a_parameter_out_of_range_is_named(name: str, value: object) -> None:
    with pytest.raises(InvalidInputError, match=name):
        MemoryBankScorer(**{name: value}).check_params()  # type: ignore[arg-type]


def test_a_search_that_nobody_registered_is_an_error_that_names_it() -> None:
    with pytest.raises(UnknownNameError, match="knn_backend 'rost'; did you mean 'rust'"):
        MemoryBankScorer(knn_backend="rost").check_params()


class Forgetful(MemoryBankScorer):
    kind = "forgetful"

    def __init__(self, *, coreset_ratio: float = 0.1, depth: int = 1) -> None:
        super().__init__(coreset_ratio=coreset_ratio)
        self.depth = depth


def test_a_scorer_whose_parameters_are_not_all_declared_is_not_registered() -> None:
    with pytest.raises(InvalidInputError, match="Forgetful: its PARAMETERS lack"):
        register_scorer(Forgetful)


def test_the_image_score_may_be_the_mean_of_the_largest_share() -> None:
    bank = np.random.default_rng(5).normal(size=(50, 6)).astype(np.float32)
    (found,) = bank_of(bank, image_score=("top", 0.1)).score(grids(39))
    assert found.image == np.sort(found.distances, axis=None)[-3:].mean(dtype=np.float64)


def test_cosine_distances_are_one_minus_the_cosine() -> None:
    rng = np.random.default_rng(6)
    bank, patches = rng.normal(size=(30, 6)), rng.normal(size=(12, 6))
    patches[3] = 0  # of no direction: as far from all as what is at right angles
    scorer = MemoryBankScorer(metric="cosine", image_score="max", coreset_ratio=1.0)
    scorer.begin(1, PatchGrid(bank.astype(np.float32), (5, 6)))
    scorer.add(PatchGrid(bank.astype(np.float32), (5, 6)))
    scorer.finish(0)
    found, nearest = score(scorer, patches.astype(np.float32))
    lengths = np.maximum(np.linalg.norm(patches, axis=1), 1e-30)
    cosines = patches @ bank.T / lengths[:, None] / np.linalg.norm(bank, axis=1)
    expected = np.where(patches.any(axis=1), 1 - cosines.max(axis=1), 0.5)
    np.testing.assert_allclose(nearest, expected, rtol=1e-5, atol=1e-7)
    assert found == nearest.max()


@pytest.mark.parametrize("rule", ["reweighted", "max", ("top", 0.2)])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_whole_bank_scores_a_held_out_image_as_one_that_never_saw_it(
    rule: object, metric: str
) -> None:
    def fitted(images: list[PatchGrid]) -> MemoryBankScorer:
        scorer = MemoryBankScorer(image_score=rule, metric=metric, coreset_ratio=1.0)  # type: ignore[arg-type]
        scorer.begin(len(images), images[0])
        for grid in images:
            scorer.add(grid)
        scorer.finish(0)
        return scorer

    images = grids(20, 12, 15)
    for i, held_out in enumerate(fitted(images).held_out()):
        (expected,) = fitted([images[j] for j in range(3) if j != i]).score([images[i]])
        np.testing.assert_allclose(held_out.distances, expected.distances, rtol=1e-5)
        assert held_out.image == pytest.approx(expected.image, rel=1e-5)
