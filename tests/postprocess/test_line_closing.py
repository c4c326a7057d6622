"""Closing by lines: gaps of thin defects, and nothing else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pyimgano.errors import InvalidInputError
from pyimgano.postprocess import AnomalyMapPostprocess

CLOSE = AnomalyMapPostprocess(line_close_length=9)


def scratch(gap: float, slope: int = 0) -> np.ndarray:
    """A line of 10 with a piece of `gap` in the middle, on ground of 1."""
    values = np.ones((31, 31), np.float32)
    for i in range(4, 27):
        values[15 + slope * (i - 15), i] = gap if 13 <= i <= 16 else 10
    return values


@pytest.mark.parametrize("slope", [0, 1, -1])
def test_a_gap_that_nearly_reaches_the_level_is_filled(slope: int) -> None:
    closed = CLOSE(scratch(8.0, slope))
    assert closed[15, 15] == 10.0  # 8 is four fifths of it
    assert CLOSE(scratch(6.0, slope))[15, 15] == pytest.approx(7.5)


def test_the_ground_and_a_defect_that_is_whole_stay() -> None:
    values = scratch(10.0)
    closed = CLOSE(values)
    assert (closed[values == 10] == 10).all()
    assert closed[values == 1].max() <= 1.25
    assert (closed >= values).all()


def test_it_is_the_binary_closing_at_every_level() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(1, 6, (20, 24)).astype(np.float32)
    half, length = 4, 9
    for level in (1.5, 2.5, 3.5, 4.5):
        joined = values > level
        for angle in np.pi * np.arange(16) / 16:
            line = np.zeros((length, length), np.uint8)
            x, y = round(half * float(np.cos(angle))), round(half * float(np.sin(angle)))
            cv2.line(line, (half - x, half - y), (half + x, half + y), 1)
            above = (values > level).astype(np.uint8)
            joined |= cv2.morphologyEx(above, cv2.MORPH_CLOSE, line) > 0
        expected = (joined & (values > 0.8 * level)) | (values > level)
        np.testing.assert_array_equal(CLOSE(values) > level, expected)


def test_values_that_are_not_positive_are_left_alone() -> None:
    values = -scratch(0.5)
    np.testing.assert_array_equal(CLOSE(values), values)


def test_its_length_is_odd_and_can_be_written_as_a_step() -> None:
    assert AnomalyMapPostprocess.parse("line_close_length=53").line_close_length == 53
    with pytest.raises(InvalidInputError, match="line_close_length must be odd"):
        AnomalyMapPostprocess(line_close_length=8)
