"""Ctrl-C at any moment of a long call, on inputs whose every step takes long."""

import numpy as np
import pytest

from pyimgano.kernels import (
    KnnIndex,
    component_stats,
    greedy_coreset,
    label_components,
    pixel_metrics,
)
from tests.kernels.support import interrupted_after

pytestmark = pytest.mark.slow

DELAYS = (0.02, 0.1, 0.3, 0.7, 1.2, 2.0)


def soon(call, delay):
    # A machine that is busy elsewhere for a moment is given three chances.
    assert any(interrupted_after(call, delay) < 0.5 for _ in range(3))


def again_and_again(call):
    def forever():
        while True:
            call()

    return forever


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).random((1_500_000, 40), dtype=np.float32)


@pytest.mark.parametrize("delay", DELAYS)
def test_coreset_of_many_rows(rows, delay):
    soon(lambda: greedy_coreset(rows, len(rows), start=0), delay)


@pytest.mark.parametrize("delay", DELAYS)
def test_building_an_index_of_many_rows(rows, delay):
    soon(again_and_again(lambda: KnnIndex(rows)), delay)


@pytest.mark.parametrize("delay", DELAYS[:4])
def test_the_check_of_gigabytes(delay):
    # Pages that were never written to take no memory.
    features = np.zeros((1_000_000, 1_000), np.float32)
    soon(lambda: greedy_coreset(features, len(features), start=0), delay)


@pytest.mark.parametrize("delay", DELAYS[:4])
def test_rows_of_very_many_columns(delay):
    wide = np.random.default_rng(0).random((1_200, 60_000), dtype=np.float32)
    soon(again_and_again(lambda: KnnIndex(wide)), delay)


@pytest.mark.parametrize("delay", DELAYS[:4])
def test_a_very_large_image(delay):
    mask = np.random.default_rng(0).random((8_000, 8_000), dtype=np.float32) > 0.5
    soon(again_and_again(lambda: label_components(mask)), delay)
    labels, _ = label_components(mask)
    soon(again_and_again(lambda: component_stats(labels)), delay)


@pytest.mark.parametrize("delay", DELAYS)
def test_many_distinct_defect_scores(delay):
    rng = np.random.default_rng(0)
    maps = rng.random((60, 1_000, 1_000), dtype=np.float32)
    masks = (rng.random(maps.shape, dtype=np.float32) < 0.2).view(np.uint8)
    soon(again_and_again(lambda: pixel_metrics(masks, maps)), delay)
