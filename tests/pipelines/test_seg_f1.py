"""SegF1 in a benchmark: at the level by which the detector decides on pixels."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from pyimgano.datasets import load_dataset
from pyimgano.models import PatchCore
from pyimgano.pipelines.evaluate import evaluate_category
from pyimgano.postprocess import AnomalyMapPostprocess
from pyimgano.reporting.results import CategoryResult
from tests.conftest import write_mvtec

BANK = {"backbone": "filterbank", "contamination": 0.2, "image_size": (48, 64)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_mvtec(tmp_path / "set", ["bolt"])


def evaluated(root: Path, detector: PatchCore) -> CategoryResult:
    dataset = load_dataset("mvtec", root, "bolt")
    of: dict[str, Any] = {"category": "bolt", "seed": 0, "metrics": ["seg_f1"]}
    return evaluate_category(detector, dataset, train=dataset.get_train_paths(), **of)


def level(found: CategoryResult) -> float:
    return float(found.metric_settings["seg_f1_threshold"])


def of_the_masks(root: Path, detector: PatchCore) -> float:
    """F1 of the detector's masks, by hand."""
    split = load_dataset("mvtec", root, "bolt").get_test_paths()
    assert split.masks is not None
    hits = either = 0
    for i, found in enumerate(detector.iter_predict(split.paths)):
        assert found.mask is not None
        defect = split.masks.read(i, found.mask.shape) != 0
        hits += int((defect & (found.mask != 0)).sum())
        either += int(defect.sum()) + int((found.mask != 0).sum())
    return 2 * hits / either


def test_it_is_that_of_the_masks_where_there_is_a_pixel_threshold(root: Path) -> None:
    detector = PatchCore(**BANK, false_pixels=0.2)
    found = evaluated(root, detector)
    assert detector.pixel_threshold_ is not None
    assert level(found) == detector.pixel_threshold_.value != detector.map_threshold_
    assert found.metrics["seg_f1"] == pytest.approx(of_the_masks(root, detector), abs=1e-12)
    assert 0 < found.metrics["seg_f1"] < 1


def test_a_scale_of_the_maps_changes_nothing(root: Path) -> None:
    detector = PatchCore(**BANK, false_pixels=0.2)
    detector.set_postprocess(AnomalyMapPostprocess(normalize="dataset", value_range=(1.0, 9.0)))
    scaled = evaluated(root, detector)
    plain = evaluated(root, PatchCore(**BANK, false_pixels=0.2))
    assert level(scaled) == pytest.approx(level(plain), rel=1e-6)
    assert scaled.metrics["seg_f1"] == pytest.approx(of_the_masks(root, detector), abs=1e-3)


def test_without_one_it_is_the_level_of_regions(root: Path) -> None:
    detector = PatchCore(**BANK)
    assert level(evaluated(root, detector)) == detector.map_threshold_


def test_too_few_images_for_a_pixel_threshold_flag_nothing(root: Path) -> None:
    found = evaluated(root, PatchCore(**BANK, false_pixels=0.01))
    assert math.isinf(level(found))
    assert found.metrics["seg_f1"] == 0.0
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["metric_settings"] == {
        "seg_f1_threshold": None
    }
