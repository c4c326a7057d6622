"""Filling of outlines: what a ring surrounds is raised to the ring, at every level at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_fill_holes

from pyimgano.errors import InvalidInputError
from pyimgano.postprocess import AnomalyMapPostprocess

FILL = AnomalyMapPostprocess(fill_outlines=True)


def ring(side: int = 9, height: float = 5.0) -> np.ndarray:
    values = np.ones((side + 4, side + 6), np.float32)
    values[2 : 2 + side, 3 : 3 + side] = height
    values[3 : 1 + side, 4 : 2 + side] = 2.0
    return values


def test_a_ring_becomes_a_disc_as_high_as_its_lowest_place() -> None:
    values = ring()
    values[2, 6] = 4.0
    filled = FILL(values)
    assert (filled[3:10, 4:11] == 4.0).all()
    outside = np.ones(values.shape, np.bool_)
    outside[3:10, 4:11] = False
    np.testing.assert_array_equal(filled[outside], values[outside])


def test_a_gap_lets_everything_out_a_corner_does_not() -> None:
    values = ring()
    values[2, 6] = 1.0
    np.testing.assert_array_equal(FILL(values), np.where(values == 2.0, 2.0, values))
    corner = ring()
    corner[2, 3] = 0.0  # the outline goes on over the diagonal
    assert (FILL(corner)[3:10, 4:11] == 5.0).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 7), (23, 31)])
def test_it_is_the_binary_filling_at_every_level(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(sum(shape))
    for values in (
        rng.integers(0, 5, shape).astype(np.float32),
        rng.standard_normal(shape).astype(np.float32),
    ):
        filled = FILL(values)
        assert (filled.shape, filled.dtype) == (shape, np.float32)
        for level in np.unique(values)[:-1]:
            expected = binary_fill_holes(values > level)
            np.testing.assert_array_equal(filled > level, expected)


def test_a_spiral_has_a_way_out() -> None:
    walls = np.zeros((21, 21), np.float32)
    y, x, step = 1, 0, 19
    for turn in range(8):
        down, across = [(0, 1), (1, 0), (0, -1), (-1, 0)][turn % 4]
        for _ in range(step):
            walls[y, x] = 7.0
            y, x = y + down, x + across
        step -= 2 if turn % 2 else 0
    np.testing.assert_array_equal(FILL(walls) > 3, binary_fill_holes(walls > 3))


def test_it_can_be_written_as_a_step() -> None:
    assert AnomalyMapPostprocess.parse("fill_outlines=true") == FILL
    assert AnomalyMapPostprocess.parse(FILL.describe()) == FILL
    with pytest.raises(InvalidInputError, match="fill_outlines"):
        AnomalyMapPostprocess.parse("fill_outlines=yes")
