"""Metrics as users call them."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from pyimgano import evaluation
from pyimgano.errors import InvalidInputError, InvalidTypeError, UndefinedMetricWarning
from pyimgano.evaluation import (
    compute_aupro,
    compute_auroc,
    compute_average_precision,
    compute_f1_max,
    compute_pixel_ap,
    compute_pixel_auroc,
    compute_pro_score,
    evaluate_detector,
    resize_map,
    resize_mask,
)
from tests.reference import curves as reference


@pytest.fixture
def pixels():
    rng = np.random.default_rng(0)
    masks = np.zeros((5, 40, 30), np.uint8)
    masks[1, 5:15, 5:20] = masks[3, 30:, 25:] = masks[3, 0, 0] = 255
    return masks, (rng.normal(size=masks.shape) + (masks > 0)).astype(np.float32)


LABELLED = st.lists(
    st.tuples(st.integers(0, 1), st.one_of(st.integers(-2, 2), st.floats(-1e300, 1e300))),
    min_size=2,
    max_size=40,
).filter(lambda pairs: len({label for label, _ in pairs}) == 2)


@given(pairs=LABELLED)
def test_image_metrics_are_scikit_learns(pairs):
    y, scores = (np.array(column) for column in zip(*pairs, strict=True))
    scores = scores.astype(np.float64)
    assert compute_auroc(y, scores) == pytest.approx(roc_auc_score(y, scores), abs=1e-9)
    expected = average_precision_score(y, scores)
    assert compute_average_precision(y, scores) == pytest.approx(expected, abs=1e-9)
    best, threshold = compute_f1_max(y, scores)
    assert f1_score(y, scores > threshold) == pytest.approx(best, abs=1e-12)
    assert best == pytest.approx(max(f1_score(y, scores >= s) for s in scores), abs=1e-12)


def test_f1_by_hand():
    # Best cut: between 0.4 and 0.6, three of three found with one false alarm: 6 / 7.
    best, threshold = compute_f1_max([0, 0, 1, 0, 1, 1], [0.1, 0.4, 0.6, 0.7, 0.8, 0.9])
    assert best == pytest.approx(6 / 7)
    assert threshold == pytest.approx(0.5)


def test_labels_and_scores_of_any_number_type():
    y, scores = [0, 1, 0, 1], [1, 3, 2, 2]
    for labels in (y, np.array(y, bool), np.array(y, np.float64), np.array(y, np.int8)):
        assert compute_auroc(labels, scores) == 0.875
        assert compute_auroc(labels, np.array(scores, np.float16)) == 0.875
        assert compute_auroc(labels, np.array(scores, np.float32)) == 0.875


@pytest.mark.parametrize(("y", "class_"), [([0, 0], "normal"), ([1, 1], "anomalous")])
def test_one_class_only_is_undefined_with_a_warning(y, class_):
    for function in (compute_auroc, compute_average_precision):
        with pytest.warns(UndefinedMetricWarning, match=f"all images are {class_}"):
            assert np.isnan(function(y, [0.1, 0.2]))
    with pytest.warns(UndefinedMetricWarning):
        assert np.isnan(compute_f1_max(y, [0.1, 0.2])).all()


def test_bad_image_scores_are_refused():
    with pytest.raises(InvalidInputError, match=r"y_scores\[1\] is nan"):
        compute_auroc([0, 1], [0.0, np.nan])
    with pytest.raises(InvalidInputError, match=r"y_scores\[0\] is inf"):
        compute_auroc([1, 1], [np.inf, 0.0])
    with pytest.raises(InvalidInputError, match="one shape"):
        compute_auroc([0, 1, 1], [0.0, 1.0])
    with pytest.raises(InvalidInputError, match="one shape"):
        compute_auroc([[0, 1]], [[0.0, 1.0]])
    with pytest.raises(InvalidInputError, match="empty"):
        compute_auroc([], [])
    with pytest.raises(InvalidInputError, match=r"0 \(normal\) or 1 \(anomalous\), got -1"):
        compute_auroc([-1, 1], [0.0, 1.0])
    with pytest.raises(InvalidTypeError, match="y_true"):
        compute_auroc(["good", "bad"], [0.0, 1.0])
    with pytest.raises(InvalidTypeError, match="y_scores"):
        compute_auroc([0, 1], ["low", "high"])


def test_pixel_metrics_are_scikit_learns_and_the_references(pixels):
    masks, maps = pixels
    flat = masks.ravel() > 0, maps.ravel()
    assert compute_pixel_auroc(masks, maps) == pytest.approx(roc_auc_score(*flat), abs=1e-9)
    assert compute_pixel_ap(masks, maps) == pytest.approx(average_precision_score(*flat), abs=1e-9)
    for limit in (0.05, 0.3, 1.0):
        expected = reference.metrics(masks, maps, limit)["aupro"]
        assert compute_aupro(masks, maps, limit) == pytest.approx(expected, abs=1e-9)
        assert compute_aupro(masks, maps, integration_limit=limit) == compute_pro_score(
            masks, maps, limit
        )
    assert compute_pro_score is compute_aupro
    assert compute_aupro(masks, maps) == compute_aupro(masks, maps, 0.3)


def test_pixel_labels_of_several_types_and_one_image_alone(pixels):
    masks, maps = pixels
    expected = compute_aupro(masks, maps)
    for same in (masks > 0, masks.astype(np.int64), (masks > 0).astype(np.float32), list(masks)):
        assert compute_aupro(same, maps) == expected
    assert compute_aupro(masks[1], maps[1]) == compute_aupro(masks[1:2], maps[1:2])
    with pytest.raises(InvalidInputError, match=r"must be 0 \(normal\) or 1"):
        compute_aupro(masks / 2, maps)
    with pytest.raises(InvalidInputError, match="shape"):
        compute_aupro(masks[0, 0], maps[0, 0])
    with pytest.raises(InvalidInputError, match=r"5 images .* but 4"):
        compute_aupro(masks, maps[:4])
    with pytest.raises(InvalidInputError, match=r"maps\[1\] holds NaN"):
        compute_aupro(masks, np.where(masks > 0, np.nan, maps))


def test_pixel_metrics_without_any_defect(pixels):
    masks, maps = pixels
    with pytest.warns(UndefinedMetricWarning, match="no defect pixel"):
        assert np.isnan(compute_aupro(np.zeros_like(masks), maps))


def test_evaluate_detector_on_scores_alone():
    result = evaluate_detector([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    assert result["auroc"] == 0.75
    assert result["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert result["f1_max"] == pytest.approx(0.8)
    assert 0.1 < result["f1_threshold"] < 0.35
    assert "pixel_metrics" not in result


def test_evaluate_detector_with_pixels(pixels):
    masks, maps = pixels
    y = masks.any(axis=(1, 2))
    result = evaluate_detector(
        y, maps.max(axis=(1, 2)), pixel_labels=masks, pixel_scores=maps, integration_limit=0.2
    )
    found = result["pixel_metrics"]
    assert found["pixel_auroc"] == compute_pixel_auroc(masks, maps)
    assert found["pixel_ap"] == compute_pixel_ap(masks, maps)
    assert found["aupro"] == compute_aupro(masks, maps, 0.2)
    flagged, defect = maps > found["pixel_f1_threshold"], masks > 0
    f1 = 2 * np.sum(flagged & defect) / (flagged.sum() + defect.sum())
    assert found["pixel_f1_max"] == pytest.approx(f1)
    assert result["metric_size"] is None
    assert result["integration_limit"] == 0.2
    assert "native" in result["metric_rule"]
    with pytest.raises(InvalidInputError, match="pixel_scores is missing"):
        evaluate_detector(y, maps.max(axis=(1, 2)), pixel_labels=masks)


def test_metric_size_resizes_maps_bilinear_and_masks_nearest(pixels):
    masks, maps = pixels
    y, scores = masks.any(axis=(1, 2)), maps.max(axis=(1, 2))
    result = evaluate_detector(y, scores, pixel_labels=masks, pixel_scores=maps, metric_size=16)
    small_maps = [cv2.resize(m, (16, 16), interpolation=cv2.INTER_LINEAR) for m in maps]
    small_masks = [cv2.resize(m, (16, 16), interpolation=cv2.INTER_NEAREST_EXACT) for m in masks]
    assert result["pixel_metrics"]["aupro"] == compute_aupro(small_masks, small_maps)
    assert result["metric_size"] == 16
    assert "16 x 16" in result["metric_rule"]
    # Maps and masks of different sizes meet there.
    halves = [m[::2, ::2] for m in maps]
    evaluate_detector(y, scores, pixel_labels=masks, pixel_scores=halves, metric_size=16)
    with pytest.raises(InvalidInputError, match="one shape"):
        evaluate_detector(y, scores, pixel_labels=masks, pixel_scores=halves)


def test_resizing_by_hand():
    # Nearest to the centres 0.5 and 2.5 of 4 pixels made 2: bilinear lies between two pixels.
    row = np.array([[0, 1, 2, 3]] * 4, np.float32)
    np.testing.assert_array_equal(resize_map(row, 2), [[0.5, 2.5]] * 2)
    mask = np.array([[0, 0, 7, 7]] * 4, np.uint8)
    np.testing.assert_array_equal(resize_mask(mask, 2), [[0, 7]] * 2)
    np.testing.assert_array_equal(resize_mask(mask > 0, 2), [[0, 1]] * 2)
    assert resize_map(row, None) is row
    assert resize_map(row.astype(np.float64), 2).dtype == np.float64
    with pytest.raises(InvalidInputError, match="metric_size"):
        resize_map(row, 0)
    with pytest.raises(InvalidInputError, match="shape"):
        resize_mask(mask[0], 2)


def test_masks_are_asked_for_one_by_one(pixels):
    masks, maps = pixels
    asked = []

    class Lazy:
        def __len__(self):
            return len(masks)

        def __getitem__(self, i):
            asked.append(i)
            return masks[i]

    assert compute_aupro(Lazy(), maps) == compute_aupro(masks, maps)
    assert asked == [0, 1, 2, 3, 4]


def test_importing_it_imports_no_scikit_learn():
    code = "import sys, pyimgano.evaluation; assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert evaluation.__doc__
