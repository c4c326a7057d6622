"""Benchmarks of sets with a validation split: thresholds come from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimgano.models import create_model
from pyimgano.models.threshold import held_out_threshold
from pyimgano.pipelines.mvtec_visa import run_benchmark
from tests.conftest import write_image
from tests.datasets.shipped import SIZE, bad, good, write_mvtec_ad2

OPTIONS: dict[str, Any] = {"backbone": "filterbank", "image_size": SIZE}
RUN = {"dataset": "mvtec_ad2", "categories": ["can"], **OPTIONS}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_mvtec_ad2(tmp_path / "set", ["can"])


def validation(root: Path, n: int) -> list[str]:
    folder = root / "can/validation/good"
    return [write_image(folder / f"{i:03d}_regular.png", good(100 + i)) for i in range(n)]


def test_enough_validation_images_give_the_threshold(root: Path) -> None:
    paths = validation(root, 9)
    (one,) = run_benchmark(root=root, **RUN).categories
    detector = create_model("patchcore", **OPTIONS)
    detector.fit(sorted(map(str, (root / "can/train/good").iterdir())))
    scores = np.asarray(detector.decision_function(paths))
    assert one.threshold == held_out_threshold(scores, 0.1).value == scores.max()
    assert one.threshold_source.startswith("calibrated on 9 normal and 0 anomalous images")
    assert one.notes == ["thresholds are those of 9 validation images"]


def test_too_few_leave_that_of_the_training_images(root: Path) -> None:
    validation(root, 8)
    (one,) = run_benchmark(root=root, **RUN).categories
    detector = create_model("patchcore", **OPTIONS)
    detector.fit(sorted(map(str, (root / "can/train/good").iterdir())))
    assert one.threshold == detector.threshold_
    assert "calibrated" not in one.threshold_source


def test_few_shots_are_not_helped_by_them(root: Path) -> None:
    validation(root, 9)
    (one,) = run_benchmark(root=root, shots=2, **RUN).categories
    assert one.error is None
    assert "calibrated" not in one.threshold_source


def test_other_validation_images_are_another_run(root: Path, tmp_path: Path) -> None:
    validation(root, 9)
    first = run_benchmark(root=root, output=tmp_path / "out", **RUN).categories[0]
    write_image(root / "can/validation/good/000_regular.png", bad(7))
    second = run_benchmark(root=root, output=tmp_path / "out", **RUN).categories[0]
    assert second.threshold != first.threshold
    assert second.threshold_source.startswith("calibrated on 9")
