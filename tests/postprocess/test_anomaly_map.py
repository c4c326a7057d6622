from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pyimgano import kernels
from pyimgano.errors import InvalidInputError, InvalidTypeError, NotFittedError
from pyimgano.postprocess import AnomalyMapPostprocess
from pyimgano.postprocess.anomaly_map import AnomalyMapPostprocess as HomePath

MAPS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.floats(-100, 100, width=32),
)
STEPS = st.builds(
    AnomalyMapPostprocess,
    normalize=st.sampled_from([None, "image"]),
    gaussian_sigma=st.sampled_from([0, 0.7, 3.0]),
    morph_open_ksize=st.sampled_from([0, 1, 3, 5]),
    morph_close_ksize=st.sampled_from([0, 1, 3, 5]),
    component_threshold=st.just(0.5),
    min_component_area=st.integers(0, 4),
    min_component_score=st.none() | st.floats(0, 1),
)


def spike(size: tuple[int, int] = (7, 9), value: float = 8.0) -> np.ndarray:
    single = np.zeros(size, np.float32)
    single[3, 4] = value
    return single


def test_it_has_one_home() -> None:
    assert AnomalyMapPostprocess is HomePath


def test_without_any_step_a_map_comes_back_as_a_copy() -> None:
    raw = spike()
    out = AnomalyMapPostprocess()(raw)
    np.testing.assert_array_equal(out, raw)
    assert not np.shares_memory(out, raw)


@given(pp=STEPS, raw=MAPS)
@settings(max_examples=60)
def test_shape_and_type_are_kept_and_the_input_is_not_touched(
    pp: AnomalyMapPostprocess, raw: np.ndarray
) -> None:
    before = raw.copy()
    out = pp(raw)
    assert (out.shape, out.dtype) == (raw.shape, np.float32)
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(raw, before)


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.uint8, np.float16])
def test_other_numbers_are_taken_as_float32(dtype: type) -> None:
    out = AnomalyMapPostprocess(gaussian_sigma=1.0)(spike().astype(dtype))
    np.testing.assert_array_equal(out, AnomalyMapPostprocess(gaussian_sigma=1.0)(spike()))


def test_smoothing_spreads_a_spike_and_keeps_its_sum() -> None:
    out = AnomalyMapPostprocess(gaussian_sigma=0.5)(spike())
    # Weights of a sampled Gaussian with sigma 0.5, exp(-2 k^2), normalised over |k| <= 2.
    weights = np.exp(-2.0 * np.arange(-2, 3) ** 2)
    weights /= weights.sum()
    np.testing.assert_allclose(out[1:6, 2:7], 8 * np.outer(weights, weights), atol=1e-6)
    assert out.sum() == pytest.approx(8.0, rel=1e-6)


def test_opening_removes_what_is_narrower_and_closing_fills_it() -> None:
    raw = spike()
    raw[0:3, 0:3] = 0.125
    opened = AnomalyMapPostprocess(morph_open_ksize=3)(raw)
    expected = np.zeros_like(raw)
    expected[0:3, 0:3] = 0.125
    np.testing.assert_array_equal(opened, expected)
    closed = AnomalyMapPostprocess(morph_close_ksize=3)(-spike())
    np.testing.assert_array_equal(closed, np.zeros_like(raw))


def test_morphology_keeps_values_that_eight_bits_could_not() -> None:
    raw = np.linspace(0, 1e-4, 63, dtype=np.float32).reshape(7, 9)
    out = AnomalyMapPostprocess(morph_open_ksize=3, morph_close_ksize=3)(raw)
    assert set(out.ravel()) <= set(raw.ravel())
    assert len(np.unique(out)) > 20


@given(raw=MAPS, side=st.sampled_from([3, 5]))
@settings(max_examples=40)
def test_opening_only_lowers_closing_only_raises_and_twice_is_once(
    raw: np.ndarray, side: int
) -> None:
    opening = AnomalyMapPostprocess(morph_open_ksize=side)
    closing = AnomalyMapPostprocess(morph_close_ksize=side)
    assert (opening(raw) <= raw).all()
    assert (closing(raw) >= raw).all()
    np.testing.assert_array_equal(opening(opening(raw)), opening(raw))
    np.testing.assert_array_equal(closing(raw), -opening(-raw))


def test_components_must_be_large_and_high_enough() -> None:
    raw = np.array(
        [
            [0.6, 0.0, 0.0, 0.9, 0.0],
            [0.0, 0.6, 0.0, 0.0, 0.2],
            [0.0, 0.0, 0.0, 0.0, 0.0],
            [0.8, 0.7, 0.0, 0.5, 0.5],
        ],
        dtype=np.float32,
    )
    by_area = AnomalyMapPostprocess(component_threshold=0.5, min_component_area=2)(raw)
    kept = np.zeros_like(raw)
    kept[0, 0], kept[1, 1], kept[3, 0], kept[3, 1] = 0.6, 0.6, 0.8, 0.7  # diagonals connect
    np.testing.assert_array_equal(by_area, kept)
    kept[0, 0] = kept[1, 1] = 0
    both = dataclasses.replace(
        AnomalyMapPostprocess(component_threshold=0.5, min_component_area=2),
        min_component_score=0.75,
    )
    np.testing.assert_array_equal(both(raw), kept)
    # Where nothing is found, everything becomes 0 as well.
    none = AnomalyMapPostprocess(component_threshold=0.5, min_component_area=3)
    assert not none(raw).any()


@given(raw=MAPS)
@settings(max_examples=30)
def test_the_component_filter_is_the_kernels(raw: np.ndarray) -> None:
    pp = AnomalyMapPostprocess(component_threshold=1.5, min_component_area=3)
    np.testing.assert_array_equal(
        pp(raw), kernels.filter_components(raw, threshold=1.5, min_area=3)
    )


def test_dataset_normalisation_is_one_scale_for_all_images() -> None:
    clean, defect = np.full((2, 3), 1.0, np.float32), spike() + 1
    clean[0, 0] = 2.0
    pp = AnomalyMapPostprocess(normalize="dataset")
    fitted = pp.fit(one for one in (clean, defect))
    assert fitted.value_range == (1.0, 9.0)
    assert pp.value_range is None
    assert fitted(clean).max() == 0.125
    assert (fitted(defect).min(), fitted(defect).max()) == (0.0, 1.0)
    # Nothing is clipped: an image beyond the set stays beyond.
    np.testing.assert_allclose(fitted([[-7.0, 17.0]]), [[-1.0, 2.0]])


def test_image_normalisation_is_there_on_request() -> None:
    pp = AnomalyMapPostprocess(normalize="image")
    np.testing.assert_array_equal(pp([[2.0, 3.0, 4.0]]), np.float32([[0.0, 0.5, 1.0]]))
    np.testing.assert_array_equal(pp(np.full((2, 2), 5.0)), np.zeros((2, 2), np.float32))
    assert pp.fit([]) is pp
    huge = np.float32([[-3e38, 3e38]])
    np.testing.assert_array_equal(pp(huge), np.float32([[0.0, 1.0]]))


def test_steps_run_in_the_order_that_is_written() -> None:
    raw = spike(value=8.0) + 1
    pp = AnomalyMapPostprocess(
        normalize="dataset",
        gaussian_sigma=1.0,
        morph_open_ksize=3,
        morph_close_ksize=5,
        component_threshold=0.01,
        min_component_area=4,
    ).fit([raw])
    step = cv2.GaussianBlur((raw - 1) / 8, (0, 0), 1.0)
    step = cv2.morphologyEx(step, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    step = cv2.morphologyEx(step, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    step = kernels.filter_components(step, threshold=0.01, min_area=4)
    np.testing.assert_array_equal(pp(raw), step)
    assert pp(raw).any()


def test_it_is_frozen_hashable_and_compares_by_value() -> None:
    pp = AnomalyMapPostprocess(gaussian_sigma=1.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        pp.gaussian_sigma = 2.0
    assert pp == AnomalyMapPostprocess(gaussian_sigma=1.0)
    assert len({pp, AnomalyMapPostprocess(gaussian_sigma=1.0)}) == 1


# Mistakes


@pytest.mark.parametrize(
    "wrong",
    [
        {"normalize": "minmax"},
        {"gaussian_sigma": -1},
        {"gaussian_sigma": float("nan")},
        {"gaussian_sigma": 1e9},
        {"morph_open_ksize": 10**9 + 1},
        {"gaussian_sigma": "1"},
        {"morph_open_ksize": 4},
        {"morph_close_ksize": -3},
        {"morph_close_ksize": 3.0},
        {"component_threshold": float("nan")},
        {"min_component_area": 3},
        {"min_component_score": 0.5},
        {"min_component_area": -1, "component_threshold": 0.5},
        {"min_component_score": "high", "component_threshold": 0.5},
        {"value_range": (0.0, 1.0)},
        {"value_range": (1.0, 1.0), "normalize": "dataset"},
    ],
)
def test_an_impossible_parameter_is_named(wrong: dict) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        AnomalyMapPostprocess(**wrong)


def test_impossible_maps_are_refused() -> None:
    pp = AnomalyMapPostprocess()
    with pytest.raises(InvalidInputError, match=r"shape \(H, W\), got shape \(2, 3, 4\)"):
        pp(np.zeros((2, 3, 4)))
    with pytest.raises(InvalidInputError, match="no pixels"):
        pp(np.zeros((0, 4)))
    for value in (np.nan, np.inf, 1e39):
        with pytest.raises(InvalidInputError, match="finite"):
            pp([[value, 1.0]])
    with pytest.raises(InvalidTypeError, match="real numbers"):
        pp([["a"]])


def test_a_range_must_be_fitted_and_there_must_be_one() -> None:
    pp = AnomalyMapPostprocess(normalize="dataset")
    with pytest.raises(NotFittedError, match=r"call fit\(maps\)"):
        pp(spike())
    with pytest.raises(InvalidInputError, match="maps is empty"):
        pp.fit([])
    with pytest.raises(InvalidInputError, match="constant at 2.0"):
        pp.fit([np.full((2, 2), 2.0)] * 3)
    with pytest.raises(InvalidInputError, match=r"maps\[1\]"):
        pp.fit([spike(), np.zeros(3)])
