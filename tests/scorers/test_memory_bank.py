from __future__ import annotations

import math

import numpy as np
import pytest

from pyimgano.scorers.memory_bank import MemoryBank, reweight, select_coreset


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
    score, nearest = MemoryBank(bank, n_neighbors=k, knn_backend=backend).score(patches)
    expected, expected_nearest = oracle(bank, patches, k)
    assert score == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(nearest, expected_nearest, rtol=1e-5)


def test_a_bank_of_one_row_uses_the_plain_distance() -> None:
    bank = np.zeros((1, 2), np.float32)
    score, nearest = MemoryBank(bank).score(np.array([[3, 4], [0, 1]], np.float32))
    assert score == 5.0
    np.testing.assert_array_equal(nearest, [5.0, 1.0])


def test_large_distances_do_not_overflow_the_softmax() -> None:
    bank = np.array([[0.0], [1.0], [5000.0]], np.float32)
    score, _ = MemoryBank(bank).score(np.array([[-10_000.0]], np.float32))
    # exp(10000) / (exp(10000) + exp(10001) + exp(15000)) is 0 for all that float64 can tell.
    assert score == pytest.approx(10_000.0)


def test_equal_rows_keep_the_matched_one_among_its_neighbours() -> None:
    bank = np.zeros((30, 3), np.float32)
    score, _ = MemoryBank(bank, n_neighbors=9).score(np.ones((1, 3), np.float32))
    assert score == pytest.approx((1 - 1 / 9) * math.sqrt(3))


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
