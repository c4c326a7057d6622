from __future__ import annotations

import json
import math

import cv2
import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, InvalidTypeError
from pyimgano.postprocess import find_regions


def two_spots() -> np.ndarray:
    """A low wide spot and a high small one, joined only across a diagonal to nothing."""
    values = np.zeros((10, 12), np.float32)
    values[1:4, 2:7] = 2.0
    values[2, 5] = 3.0
    values[7:9, 9:11] = 4.0
    values[8, 10] = 6.5
    return values


def test_box_area_score_and_peak_of_each_region_highest_first() -> None:
    regions = find_regions(two_spots(), 1.0)
    assert regions.to_json() == [
        {"box": [9, 7, 2, 2], "area": 4, "score": 6.5, "peak": [10, 8]},
        {"box": [2, 1, 5, 3], "area": 15, "score": 3.0, "peak": [5, 2]},
    ]
    assert regions.total == len(regions) == 2
    json.dumps(regions.to_json())


def test_the_level_itself_is_not_above_the_level() -> None:
    assert [r.area for r in find_regions(two_spots(), 2.0)] == [4, 1]
    assert find_regions(two_spots(), 6.5).total == 0


def test_pixels_that_touch_at_a_corner_belong_together() -> None:
    values = np.eye(4, dtype=np.float32)
    assert [(r.area, r.width, r.height) for r in find_regions(values, 0.5)] == [(4, 4, 4)]


def test_a_peak_is_that_of_its_own_region_even_where_boxes_overlap() -> None:
    values = np.zeros((5, 5), np.float32)
    values[0, :], values[:, 0] = 1.0, 1.0  # an L whose box holds the other region
    values[3, 3] = 9.0
    inner, outer = find_regions(values, 0.5)
    assert (inner.score, inner.peak_x, inner.peak_y) == (9.0, 3, 3)
    assert (outer.score, outer.peak_x, outer.peak_y, outer.area) == (1.0, 0, 0, 9)


def test_the_limit_keeps_the_highest_and_says_the_total() -> None:
    values = np.zeros((1, 20), np.float32)
    values[0, ::2] = np.arange(1, 11)
    regions = find_regions(values, 0.0, limit=3)
    assert [r.score for r in regions] == [10.0, 9.0, 8.0]
    assert regions.total == 10
    assert find_regions(values, 0.0, limit=0).total == 10


def test_small_regions_can_be_left_out() -> None:
    regions = find_regions(two_spots(), 1.0, min_area=5)
    assert ([r.area for r in regions], regions.total) == ([15], 1)


def test_an_infinite_level_gives_no_regions() -> None:
    assert find_regions(two_spots(), math.inf).total == 0


def test_it_agrees_with_opencv_on_a_random_map() -> None:
    values = cv2.GaussianBlur(
        np.random.default_rng(5).normal(size=(80, 90)).astype(np.float32), (0, 0), 2
    )
    level = float(np.quantile(values, 0.9))
    _, _, stats, _ = cv2.connectedComponentsWithStats((values > level).astype(np.uint8))
    expected = sorted(tuple(row) for row in stats[1:].tolist())
    found = find_regions(values, level, limit=10_000)
    assert sorted((r.x, r.y, r.width, r.height, r.area) for r in found) == expected
    assert all(values[r.peak_y, r.peak_x] == np.float32(r.score) for r in found)
    assert [r.score for r in found] == sorted((r.score for r in found), reverse=True)


def test_impossible_arguments_are_named() -> None:
    with pytest.raises(InvalidInputError, match="level"):
        find_regions(two_spots(), math.nan)
    with pytest.raises(InvalidInputError, match="limit"):
        find_regions(two_spots(), 1.0, limit=-1)
    with pytest.raises(InvalidTypeError, match="anomaly_map"):
        find_regions(np.ones((3, 3), np.int64), 0.5)
