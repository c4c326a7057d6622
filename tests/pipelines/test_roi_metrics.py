"""A benchmark with a region of interest: figures of what is inside, and a word on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyimgano.metrics.pixels import compute_pixel_metrics
from pyimgano.models import PatchCore
from pyimgano.pipelines.mvtec_visa import run_benchmark
from tests.conftest import texture, with_blot, write_image, write_mvtec

BANK = {"backbone": "filterbank", "contamination": 0.2}


def bench(root: Path, **given: object):
    (found,) = run_benchmark(
        dataset="mvtec", root=root, image_size=(48, 64), **{**BANK, **given}
    ).categories
    return found


def test_pixel_metrics_leave_out_what_is_outside_and_say_so(tmp_path: Path) -> None:
    root = write_mvtec(tmp_path, ["bolt"])
    inside = np.zeros((48, 64), np.bool_)
    inside[:, 30:] = True  # it cuts the blots, which have the columns 24 to 35
    file = write_image(tmp_path / "roi.png", inside.astype(np.uint8) * 255)
    found = bench(root, roi=file)
    train = [texture(i) for i in range(6)]
    detector = PatchCore(**BANK, image_size=(48, 64), roi=inside).fit(train)
    bad = [with_blot(texture(30 + i)) for i in range(3)]
    images = [*bad, *(texture(20 + i) for i in range(3))]
    mask = np.zeros((48, 64), np.uint8)
    mask[16:28, 24:36] = 255
    masks = [mask] * 3 + [np.zeros_like(mask)] * 3
    maps = detector.predict_anomaly_map(images)
    # Each blot is one region, also where it is cut: the columns inside alone have it whole.
    by_hand = compute_pixel_metrics([m[:, 30:] for m in masks], [m[:, 30:] for m in maps])
    assert found.metrics["pixel_auroc"] == pytest.approx(by_hand.auroc, abs=1e-12)
    assert found.metrics["pixel_ap"] == pytest.approx(by_hand.ap, abs=1e-12)
    assert found.metrics["aupro"] == pytest.approx(by_hand.aupro, abs=1e-12)
    assert found.threshold == detector.threshold_
    assert found.notes == [
        "pixel metrics leave out what is outside the region of interest: 46.9 % of the pixels"
    ]
    small = bench(root, roi=file, metric_size=32)
    assert small.metrics["aupro"] > 0.5


def test_defects_outside_and_regions_that_are_not_found_are_noted(tmp_path: Path) -> None:
    root = write_mvtec(tmp_path, ["bolt"])
    left = np.zeros((48, 64), np.uint8)
    left[:, :20] = 1
    notes = bench(root, roi=left).notes
    assert any("3 defect images without a defect inside the region of interest" in n for n in notes)
    assert any("finds no part" in note for note in bench(root, roi="auto").notes)
