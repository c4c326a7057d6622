"""Label, regions, outlines and counts of one image never contradict each other, in any command."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import pyimgano
from pyimgano.models import PatchCore
from pyimgano.models.base import PixelDetector
from pyimgano.pipelines.calibrate import run_calibrate
from pyimgano.pipelines.detect import run_detect
from pyimgano.pipelines.predict import PredictRun
from pyimgano.postprocess import RegionRule
from pyimgano.reporting.lettering import LINE_HEIGHT
from pyimgano.reporting.overlay import MapScale
from pyimgano.reporting.panel import verdict_panel
from pyimgano.types import Prediction
from tests.conftest import texture, with_blot, write_image

SIZE = (48, 64)


@pytest.fixture(scope="module")
def fitted() -> PatchCore:
    return PatchCore(backbone="filterbank", image_size=SIZE).fit([texture(i) for i in range(12)])


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    fine = [write_image(tmp_path / f"test/fine{i}.png", texture(20 + i)) for i in range(8)]
    bad = [write_image(tmp_path / f"test/x{i}.png", with_blot(texture(40 + i))) for i in range(3)]
    return [*fine, *bad]


def check(detector: PatchCore, paths: Sequence[str]) -> int:
    """Every record has a region or is ok; returns how many are defects."""
    records = list(PredictRun(detector, regions=True).records(paths))
    assert len(records) == len(paths)
    for record in records:
        assert record["predicted"] == int(record["score"] > detector.threshold_)
        assert (record["n_regions"] >= 1) == (record["predicted"] == 1)
        assert len(record["regions"]) == min(20, record["n_regions"])
    return sum(record["predicted"] for record in records)


def test_regions_follow_the_label_whatever_the_threshold_is_set_to(
    fitted: PatchCore, paths: list[str], tmp_path: Path
) -> None:
    fitted.save(tmp_path / "part")
    scores = np.sort(fitted.decision_function(paths))
    values = [-math.inf, *((scores[1:] + scores[:-1]) / 2).tolist(), math.inf]
    for flagged, value in zip(range(len(paths), -1, -1), values, strict=True):
        detector: Any = pyimgano.load(tmp_path / "part")
        detector.set_threshold(value, source="by hand")
        assert check(detector, paths) == flagged
        detector.save(tmp_path / "moved")
        assert check(pyimgano.load(tmp_path / "moved"), paths) == flagged  # type: ignore[arg-type]


@pytest.mark.parametrize("level", [-1.0, 0.0, math.inf])
def test_regions_follow_the_label_whatever_the_level_of_the_maps(
    fitted: PatchCore, paths: list[str], tmp_path: Path, level: float
) -> None:
    fitted.save(tmp_path / "part")
    detector: Any = pyimgano.load(tmp_path / "part")
    detector.map_threshold_ = level
    assert check(detector, paths) >= 3


def test_regions_follow_the_label_after_calibration(
    fitted: PatchCore, paths: list[str], tmp_path: Path
) -> None:
    fitted.save(tmp_path / "part")
    for objective, target in (("fpr", 0.3), ("f1", None), ("recall", 0.5)):
        detector: Any = pyimgano.load(tmp_path / "part")
        run_calibrate(detector, paths[:8], paths[8:], objective=objective, target=target)
        check(detector, paths)


def test_a_prediction_of_one_image_has_its_regions_by_the_same_rule(fitted: PatchCore) -> None:
    rule = RegionRule.of(fitted)
    for image in [*(texture(i) for i in range(20, 28)), with_blot(texture(40))]:
        found = fitted.predict_one(image)
        assert (rule.regions(found).total >= 1) == (found.label == 1)


def test_detect_writes_regions_that_go_with_its_labels(paths: list[str], tmp_path: Path) -> None:
    for i in range(10):
        write_image(tmp_path / f"normal/{i}.png", texture(i))
    run = run_detect(
        normal=tmp_path / "normal", test=tmp_path / "test", output=tmp_path / "out",
        backbone="filterbank", image_size=SIZE, contamination=0.5,
    )  # fmt: skip
    assert {d.predicted for d in run.detections} == {0, 1}
    for found in json.loads((tmp_path / "out/results.json").read_text())["detections"]:
        assert (found["n_regions"] >= 1) == (found["predicted"] == 1)


def white(picture: np.ndarray) -> int:
    """Outlined pixels of the heat map, which shows an image of 40 x 60 eight times enlarged."""
    top = 2 * LINE_HEIGHT  # verdict and name
    heat = picture[top : top + 320, 480 + 4 :]
    return int((heat == 255).all(axis=2).sum())


@pytest.mark.parametrize("map_threshold", [0.5, 99.0, math.inf])
def test_an_overlay_outlines_a_defect_and_nothing_on_an_ok_image(map_threshold: float) -> None:
    image = np.full((40, 60, 3), 90, np.uint8)
    values = cv2.GaussianBlur(np.eye(40, 60, dtype=np.float32) * 9, (0, 0), 3)
    rule, scale = RegionRule(map_threshold, 0.0), MapScale.around(0.0, map_threshold)
    panels = [
        verdict_panel(
            image, Prediction("a", 1.0, label, values), scale, rule=rule, name="a", threshold=0.5
        )
        for label in (0, 1)
    ]
    assert white(panels[0]) == 0
    assert white(panels[1]) > 20


class Unsure(PixelDetector):
    """Gives what it was told to, and knows no level of its maps."""

    threshold_ = 0.5

    def __init__(self, found: list[tuple[float, np.ndarray]]) -> None:
        self.found = iter(found)

    def fit(self, X: Any, y: Any = None) -> Unsure:
        return self

    def iter_predict(self, X: Any, *, with_maps: bool = True) -> Iterator[Prediction]:
        for _ in X:
            score, values = next(self.found)
            yield Prediction(None, score, int(score > self.threshold_), values)


def test_a_detector_without_levels_has_regions_all_the_same(paths: list[str]) -> None:
    values = np.array([[0, 1], [2, 9]], np.float32)
    detector = Unsure([(0.9, values), (0.1, values), (0.9, np.zeros((2, 2), np.float32))])
    records = list(PredictRun(detector, regions=True).records(paths[:3]))
    assert [r["n_regions"] for r in records] == [1, 0, 1]


def test_what_is_not_finite_is_an_error_of_its_image_and_never_ok(paths: list[str]) -> None:
    good = np.zeros((2, 2), np.float32)
    bad = np.full((2, 2), np.nan, np.float32)
    detector = Unsure([(math.nan, good), (0.9, bad), (math.inf, good), (0.1, good)])
    records = list(PredictRun(detector, regions=True).records(paths[:4]))
    assert [r.get("error", "").rpartition(": ")[2] for r in records] == [
        "its score is not finite",
        "its anomaly map is not finite",
        "its score is not finite",
        "",
    ]
    assert paths[0] in records[0]["error"]
