"""One decision, one place: what an image's label says about the regions of its map."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError
from pyimgano.postprocess import RegionRule, find_regions
from pyimgano.types import Prediction

LEVELS = (-math.inf, -3.0, 0.0, 1e-30, 0.5, 1.0, 7.0, 1e300, math.inf)


def decided(label: int, anomaly_map: np.ndarray | None) -> Prediction:
    return Prediction(None, 1.0, label, anomaly_map)


def random_map(rng: np.random.Generator) -> np.ndarray:
    """Smooth or not, few or many distinct values, near zero, huge, negative or flat."""
    shape = tuple(int(side) for side in rng.integers(1, 12, 2))
    values = rng.normal(rng.choice([-5.0, 0.0, 3.0]), 1.0, shape)
    if rng.random() < 0.3:
        values = np.round(values)
    return (values * 10.0 ** rng.integers(-38, 38)).astype(np.float32)


def test_a_defect_image_has_a_region_at_its_peak_and_an_ok_image_has_none_whatever_the_levels() -> (
    None
):
    rng = np.random.default_rng(0)
    for _ in range(3000):
        values = random_map(rng)
        scale = float(np.abs(values).max())
        known = rng.choice([*LEVELS, scale, -scale, 0.5 * scale])
        surface = None if rng.random() < 0.3 else float(rng.choice([0.0, scale, 0.3 * scale]))
        rule = RegionRule(float(known), surface)
        flagged, passed = decided(1, values), decided(0, values)
        assert rule.regions(passed).total == 0
        assert not rule.marked(passed).any()
        regions = rule.regions(flagged)
        assert regions.total >= 1
        assert regions.found[0].score == float(values.max())
        assert rule.marked(flagged)[regions.found[0].peak_y, regions.found[0].peak_x]
        assert rule.marked(flagged).sum() == sum(r.area for r in rule.regions(flagged, limit=999))


def test_where_the_map_exceeds_its_threshold_that_is_the_level() -> None:
    values = np.array([[0, 2, 0, 5, 6]], np.float32)
    rule = RegionRule(map_threshold=4.0, map_level=1.0)
    assert rule.regions(decided(1, values)) == find_regions(values, 4.0)
    assert rule.marked(decided(1, values)).tolist() == [[False, False, False, True, True]]


def test_of_a_map_below_its_threshold_the_region_is_the_upper_half_of_its_peak() -> None:
    values = np.array([[1, 4, 1, 3.4, 3.6, 5, 1]], np.float32)
    # Above 3.5, half-way between 2 and 5; the 4 on the left is as good parts are.
    assert RegionRule(9.0, 2.0).marked(decided(1, values)).nonzero()[1].tolist() == [4, 5]
    (region,) = RegionRule(9.0, 2.0).regions(decided(1, values))
    assert (region.x, region.width, region.peak_x, region.score) == (4, 2, 5, 5.0)
    # From the map's own lowest value where normal surface is not known, or lies above the peak.
    for rule in (RegionRule(9.0, None), RegionRule(9.0, 6.0)):
        assert rule.marked(decided(1, values)).nonzero()[1].tolist() == [3, 4, 5]


def test_a_detector_with_one_training_image_knows_no_threshold_of_maps() -> None:
    values = np.array([[0, 1, 4]], np.float32)
    assert RegionRule(math.inf, 0.0).regions(decided(1, values)).total == 1


@pytest.mark.parametrize("value", [-2.0, 0.0, 5.0])
def test_of_a_constant_map_the_whole_image_is_the_region(value: float) -> None:
    values = np.full((3, 4), value, np.float32)
    (region,) = RegionRule(9.0, 9.0).regions(decided(1, values))
    assert (region.area, region.score) == (12, value)
    assert RegionRule(-9.0, 0.0).regions(decided(0, values)).total == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("label", [0, 1])
def test_a_map_that_is_not_finite_is_refused(value: float, label: int) -> None:
    values = np.zeros((3, 3), np.float32)
    values[1, 1] = value
    with pytest.raises(InvalidInputError, match="not finite"):
        RegionRule(0.5, 0.0).regions(decided(label, values))


def test_without_a_map_there_are_no_regions_to_be_had() -> None:
    with pytest.raises(InvalidInputError, match="this prediction has none"):
        RegionRule(0.5, 0.0).regions(decided(1, None))


def test_the_rule_of_a_detector_is_by_its_own_levels() -> None:
    class Known:
        map_threshold_ = 2.5
        map_level_ = 1.0

    assert RegionRule.of(Known()) == RegionRule(2.5, 1.0)
    assert RegionRule.of(object()) == RegionRule(math.inf, None)
