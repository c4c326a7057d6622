"""Post-processing that a detector carries: levels, texts, and the one map that is decided by."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, InvalidTypeError, NotFittedError, UnknownNameError
from pyimgano.models import PatchCore
from pyimgano.postprocess import AnomalyMapPostprocess, RegionRule, find_regions
from pyimgano.types import Prediction

SCALED = AnomalyMapPostprocess(normalize="dataset", value_range=(2.0, 10.0))


def decided(label: int, values: np.ndarray) -> Prediction:
    return Prediction(None, 1.0, label, values.astype(np.float32))


def test_a_level_of_raw_maps_parts_the_same_pixels_after_normalisation() -> None:
    values = np.array([[2.0, 4.0, 4.5, 10.0, 12.0]], np.float32)
    assert SCALED.level(4.0) == 0.25
    np.testing.assert_array_equal(SCALED(values) > SCALED.level(4.0), values > 4.0)
    assert SCALED.raw_level(0.25) == 4.0
    assert SCALED.level(math.inf) == math.inf
    assert AnomalyMapPostprocess(gaussian_sigma=3).level(4.0) == 4.0


def test_without_post_processing_the_map_is_the_very_same_object() -> None:
    found = decided(1, np.array([[0, 2, 0, 5, 6]]))
    assert RegionRule(4.0).applied(found.anomaly_map) is found.anomaly_map
    assert RegionRule(4.0).cut(found)[0] is found.anomaly_map


def test_regions_are_those_of_the_processed_map_and_the_raw_map_stays() -> None:
    values = np.array([[0, 9, 0, 0, 5, 6]], np.float32)
    clean = AnomalyMapPostprocess(component_threshold=4.0, min_component_area=2)
    found = decided(1, values)
    rule = RegionRule(4.0, 0.0, clean)
    assert rule.regions(found) == find_regions(clean(values), 4.0)
    assert rule.marked(found).tolist() == [[False, False, False, False, True, True]]
    assert rule.regions(decided(0, values)).total == 0
    np.testing.assert_array_equal(found.anomaly_map, values)


def test_a_defect_of_which_nothing_is_left_has_its_region_on_the_raw_map() -> None:
    values = np.array([[2, 2, 10, 9, 2, 7, 2]], np.float32)
    strict = AnomalyMapPostprocess(
        normalize="dataset", value_range=(2.0, 10.0), component_threshold=0.5, min_component_area=3
    )
    rule = RegionRule(SCALED.level(6.0), 0.0, strict)
    regions = rule.regions(decided(1, values))
    # Half-way from the surface to the peak is 0.5 after normalisation: 10 and 9 exceed it.
    assert (regions.total, regions.found[0].area, regions.found[0].score) == (1, 2, 1.0)


def test_whatever_the_steps_a_defect_has_a_region_and_an_ok_image_none() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        steps = AnomalyMapPostprocess(
            normalize=rng.choice(["dataset", None]),
            value_range=None,
            gaussian_sigma=float(rng.choice([0, 0.5, 30])),
            morph_open_ksize=int(rng.choice([0, 3, 9])),
            morph_close_ksize=int(rng.choice([0, 5])),
            component_threshold=rng.choice([None, -1.0, 0.3, 4.0]),
        ).fit([rng.normal(3, 1, (4, 4)), rng.normal(0, 2, (3, 9))])
        values = rng.normal(3, rng.choice([0, 1, 1e6]), tuple(rng.integers(1, 12, 2)))
        rule = RegionRule(float(rng.choice([-1.0, 0.5, 3.0, math.inf])), 0.2, steps)
        assert rule.regions(decided(1, values)).total >= 1
        assert rule.marked(decided(1, values)).any()
        assert rule.regions(decided(0, values)).total == 0


def test_the_rule_of_a_detector_brings_its_levels_to_the_maps_it_is_decided_by() -> None:
    detector = PatchCore()
    detector.map_threshold_, detector.map_level_ = 6.0, 4.0
    assert RegionRule.of(detector) == RegionRule(6.0, 4.0, None)
    detector.set_postprocess(SCALED)
    assert RegionRule.of(detector) == RegionRule(0.5, 0.25, SCALED)
    detector.set_postprocess(None)
    assert RegionRule.of(detector) == RegionRule(6.0, 4.0, None)


def test_what_no_level_holds_for_cannot_be_attached() -> None:
    detector = PatchCore()
    with pytest.raises(InvalidInputError, match="normalize='image' gives each map a scale of its"):
        detector.set_postprocess(AnomalyMapPostprocess(normalize="image"))
    with pytest.raises(NotFittedError, match="normalize='dataset' needs the range"):
        detector.set_postprocess(AnomalyMapPostprocess(normalize="dataset"))
    with pytest.raises(InvalidTypeError, match="an AnomalyMapPostprocess or None, got 'none'"):
        detector.set_postprocess("none")  # type: ignore[arg-type]
    assert detector.postprocess_ is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gaussian_sigma=2", AnomalyMapPostprocess(gaussian_sigma=2)),
        (
            "gaussian_sigma=0.5, min_component_area=30",
            AnomalyMapPostprocess(
                gaussian_sigma=0.5, min_component_area=30, component_threshold=7.0
            ),
        ),
        (
            "component_threshold=3,min_component_score=4",
            AnomalyMapPostprocess(component_threshold=3, min_component_score=4),
        ),
        ("component_threshold=none,morph_open_ksize=3", AnomalyMapPostprocess(morph_open_ksize=3)),
    ],
)
def test_a_text_names_steps(text: str, expected: AnomalyMapPostprocess) -> None:
    found = AnomalyMapPostprocess.parse(text, component_threshold=7.0)
    assert found == expected
    assert AnomalyMapPostprocess(**found.to_json()) == expected
    assert AnomalyMapPostprocess.parse(found.describe()) == expected


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("gausian_sigma=2", UnknownNameError, "'gausian_sigma'; did you mean 'gaussian_sigma'"),
        ("", UnknownNameError, "unknown post-processing ''"),
        ("normalize=dataset", UnknownNameError, "unknown post-processing 'normalize'"),
        ("gaussian_sigma", InvalidInputError, "gaussian_sigma is '', not a number"),
        ("gaussian_sigma=wide", InvalidInputError, "gaussian_sigma is 'wide', not a number"),
        ("gaussian_sigma=1,gaussian_sigma=2", InvalidInputError, "gaussian_sigma is given twice"),
        ("gaussian_sigma=-1", InvalidInputError, "gaussian_sigma must be at least 0"),
        ("min_component_area=3", InvalidInputError, "min_component_area needs component_threshold"),
    ],
)
def test_a_text_that_names_no_step_is_refused(
    text: str, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        AnomalyMapPostprocess.parse(text)


def test_numbers_of_numpy_become_plain_ones() -> None:
    found = AnomalyMapPostprocess(
        gaussian_sigma=np.float32(0.5), morph_open_ksize=np.int64(3), normalize="dataset"
    ).fit([np.array([[1.0, 2.0]], np.float32)])
    assert found.to_json() == {
        "normalize": "dataset",
        "gaussian_sigma": 0.5,
        "morph_open_ksize": 3,
        "value_range": [1.0, 2.0],
    }
    assert {type(v) for v in found.to_json().values()} == {str, float, int, list}
    assert AnomalyMapPostprocess().describe() == "no steps"
