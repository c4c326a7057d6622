from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, UnknownNameError
from pyimgano.images.reading import read_image
from pyimgano.models import register_model
from pyimgano.models.base import Detector
from pyimgano.pipelines.comparison import ModelSpec, run_comparison
from pyimgano.reporting.results import ComparisonResult
from pyimgano.reporting.table import benchmark_table, markdown_table
from pyimgano.types import ImageInput, Prediction


class Brightness(Detector):
    """Scores by the brightest pixel; has no maps, no seed and no ``validate``."""

    def __init__(self, *, contamination: float = 0.1) -> None:
        self.contamination = contamination

    def fit(self, X: Sequence[ImageInput], y: Any = None) -> Brightness:
        self.decision_scores_ = self.decision_function(X)
        self.threshold_ = float(self.decision_scores_.max())
        self.threshold_source_ = "the brightest training image"
        return self

    def decision_function(self, X: Sequence[ImageInput]) -> np.ndarray:
        images = [x if isinstance(x, np.ndarray) else read_image(x) for x in X]
        return np.array([float(image.mean(axis=2).max()) for image in images])

    def iter_predict(self, X: Sequence[ImageInput], *, with_maps: bool = True) -> Iterator:
        for image, score in zip(X, self.decision_function(X), strict=True):
            path = None if isinstance(image, np.ndarray) else str(image)
            yield Prediction(path, float(score), int(score > self.threshold_), None)


register_model("test_brightness", Brightness, overwrite=True)

PATCHCORE = ModelSpec(
    "patchcore", {"backbone": "embedded", "image_size": (48, 64), "contamination": 0.2}, "pc"
)


@pytest.fixture
def comparison(mvtec_root: Path, tmp_path: Path) -> ComparisonResult:
    return run_comparison(
        [PATCHCORE, "test_brightness"],
        dataset="mvtec",
        root=mvtec_root,
        output=tmp_path / "out",
        n_overlays=1,
    )


def test_models_side_by_side(comparison: ComparisonResult, tmp_path: Path) -> None:
    first, second = comparison.runs
    assert (first.title, second.title) == ("pc", "test_brightness")
    assert [c.error for run in comparison.runs for c in run.categories] == [None] * 4
    assert first.mean_metrics()["auroc"] == 1.0
    # The blots are white and nothing else is.
    assert second.mean_metrics() == {"auroc": 1.0, "average_precision": 1.0, "f1_max": 1.0}
    (note,) = second.categories[0].notes
    assert note == "the detector gives no anomaly maps: pixel metrics omitted"
    assert all(set(i.pictures) <= {"image", "mask"} for i in second.categories[0].images)
    data = json.loads((tmp_path / "out/results.json").read_text())
    assert [run["label"] for run in data["runs"]] == ["pc", "test_brightness"]
    assert data["runs"][1]["mean"]["auroc"] == 1.0
    for run in comparison.runs:
        picture = run.categories[0].images[0].pictures["image"]
        assert (tmp_path / "out" / run.folder / picture).is_file()


def test_one_table_for_all_models(comparison: ComparisonResult) -> None:
    lines = benchmark_table(comparison).splitlines()
    assert lines[0].split()[:3] == ["category", "model", "I-AUROC"]
    assert [line.split()[:2] for line in lines[2:8]] == [
        ["bolt", "pc"],
        ["bolt", "test_brightness"],
        ["cloth", "pc"],
        ["cloth", "test_brightness"],
        ["mean", "pc"],
        ["mean", "test_brightness"],
    ]
    assert lines[3].split()[5:8] == ["-", "-", "-"]
    assert "test_brightness: bolt: the detector gives no anomaly maps" in "\n".join(lines)
    markdown = markdown_table(comparison).splitlines()
    assert markdown[1].startswith("| --- | --- | ---: |")
    assert markdown[2].startswith("| bolt | pc | 1.0000 |")


def test_specs_as_text() -> None:
    spec = ModelSpec.parse("patchcore:resnet18")
    assert spec == ModelSpec("patchcore", {"backbone": "resnet18"}, "patchcore:resnet18")
    assert spec.folder == "patchcore-resnet18"
    assert ModelSpec.parse("vision_ecod").parameters == {}
    for text in ("", ":resnet18", "patchcore:"):
        with pytest.raises(InvalidInputError, match="MODEL:BACKBONE"):
            ModelSpec.parse(text)


def test_mistakes_in_any_model_are_raised_before_any_work(mvtec_root: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"dataset": "mvtec", "root": mvtec_root, "output": tmp_path / "out"}
    with pytest.raises(UnknownNameError, match="patchcor"):
        run_comparison([PATCHCORE, "patchcor"], **options)
    with pytest.raises(InvalidInputError, match="coreset_ratio"):
        run_comparison([PATCHCORE, ModelSpec("patchcore", {"coreset_ratio": 3})], **options)
    with pytest.raises(InvalidInputError, match="two models are called 'pc'"):
        run_comparison([PATCHCORE, PATCHCORE], **options)
    with pytest.raises(InvalidInputError, match="models is empty"):
        run_comparison([], **options)
    assert not (tmp_path / "out").exists()
