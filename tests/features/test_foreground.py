"""Which patches show the part: the first principal axis of an image's own patches."""

from __future__ import annotations

import numpy as np
import pytest

from pyimgano.features.base import PatchGrid
from pyimgano.features.patches.foreground import foreground_of, marked

SHAPE = (12, 15)


def tokens(seed: int, part: np.ndarray, distance: float, depth: int = 40) -> PatchGrid:
    """Patches of noise; those of the part lie so far from the others, along one direction."""
    rng = np.random.default_rng(seed)
    direction = rng.standard_normal(depth)
    rows = rng.standard_normal((part.size, depth)) + 7.0
    rows += distance * part.reshape(-1, 1) * direction / np.linalg.norm(direction)
    return PatchGrid(rows.astype(np.float32), part.shape)


def rectangle(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    found = np.zeros(SHAPE, np.bool_)
    found[top:bottom, left:right] = True
    return found


def dilated(mask: np.ndarray) -> np.ndarray:
    height, width = mask.shape
    found = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            found[y, x] = mask[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].any()
    return found


def by_the_recipe(grid: PatchGrid, level: float) -> np.ndarray:
    """AnomalyDINO's, step by step, by a singular value decomposition."""
    rows = grid.rows.astype(np.float64)
    centred = rows - rows.mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    axis *= np.sign(axis[np.abs(axis).argmax()])
    along = (centred @ axis).reshape(grid.shape)
    (h, w), mask = grid.shape, along > level
    if mask[int(0.2 * h) : int(0.8 * h), int(0.2 * w) : int(0.8 * w)].mean() <= 0.35:
        mask = -along > level
    wide = dilated(mask)
    return ~dilated(~dilated(wide))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("depth", [8, 40])
def test_it_is_the_recipe_step_by_step(seed: int, depth: int) -> None:
    rng = np.random.default_rng(seed)
    part = rectangle(3, 10, int(rng.integers(1, 5)), int(rng.integers(9, 14)))
    grid = tokens(seed, part, 40.0, depth)
    found = foreground_of(grid, 10.0)
    assert found is not None
    assert (found.dtype, found.shape) == (np.bool_, SHAPE)
    np.testing.assert_array_equal(found, by_the_recipe(grid, 10.0))


@pytest.mark.parametrize("how", [10.0, "auto"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_part_in_the_middle_is_found_whichever_way_the_axis_points(
    how: float | str, sign: float
) -> None:
    part = rectangle(3, 9, 4, 11)
    grid = tokens(0, part, sign * 40.0)
    expected = rectangle(2, 10, 3, 12)  # one patch wider
    np.testing.assert_array_equal(foreground_of(grid, how), expected)


def test_auto_knows_no_unit() -> None:
    grid = tokens(1, rectangle(3, 9, 4, 11), 40.0)
    small = PatchGrid(grid.rows / np.float32(1000), SHAPE)
    np.testing.assert_array_equal(foreground_of(small, "auto"), foreground_of(grid, "auto"))
    assert foreground_of(small, 10.0) is None


def test_where_nothing_stands_out_there_is_none() -> None:
    noise = tokens(2, rectangle(0, 0, 0, 0), 0.0)
    assert foreground_of(noise, "auto") is None
    assert foreground_of(noise, 100.0) is None
    same = PatchGrid(np.ones((20, 40), np.float32), (4, 5))
    single = PatchGrid(np.ones((1, 40), np.float32), (1, 1))
    for grid in (same, single):
        assert foreground_of(grid, "auto") is None
        assert foreground_of(grid, 0.5) is None


def test_a_grid_of_one_row_has_a_middle() -> None:
    part = np.array([[0, 0, 0, 1, 1, 1, 1, 0, 0, 0]], np.bool_)
    found = foreground_of(tokens(3, part, 40.0), 10.0)
    assert found is not None
    np.testing.assert_array_equal(np.flatnonzero(found[0]), np.arange(2, 8))


def test_grids_keep_their_marks_when_patches_are_taken_away() -> None:
    grid = tokens(0, rectangle(3, 9, 4, 11), 40.0)
    (found,) = marked([grid], 10.0)
    half = rectangle(0, 12, 0, 7)
    np.testing.assert_array_equal(found.only(half).scored, found.scored)
    assert marked([grid], None)[0].scored is None
