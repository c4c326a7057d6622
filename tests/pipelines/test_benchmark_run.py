from __future__ import annotations

import gc
import json
import math
import re
import shutil
import weakref
from pathlib import Path

import numpy as np
import pytest

from pyimgano.errors import (
    DatasetError,
    InvalidInputError,
    OutputError,
    UnknownNameError,
)
from pyimgano.models import PatchCore
from pyimgano.pipelines.mvtec_visa import build_default_detector, run_benchmark
from pyimgano.reporting.table import benchmark_table
from tests.conftest import texture, write_image

OPTIONS = {"backbone": "embedded", "image_size": (48, 64), "contamination": 0.2}
METRICS = {"auroc", "average_precision", "f1_max", "pixel_auroc", "pixel_ap", "aupro"}


def bench(root: Path, **kwargs: object):
    return run_benchmark(dataset="mvtec", root=root, **{**OPTIONS, **kwargs})


def test_every_category_gets_every_metric_and_the_defects_are_found(mvtec_root: Path) -> None:
    result = bench(mvtec_root)
    assert [c.category for c in result.categories] == ["bolt", "cloth"]
    for one in result.categories:
        assert (one.error, one.n_train, one.n_test, one.n_defect) == (None, 6, 6, 3)
        assert set(one.metrics) >= METRICS
        assert one.metrics["auroc"] == 1.0
        assert one.metrics["aupro"] > 0.8
        assert all(not math.isnan(v) for v in one.metrics.values())
        assert len(one.images) == 6
        assert {"decode", "backbone", "learn", "threshold", "score", "metrics"} <= set(
            one.stage_seconds
        )
        # 6 training images are enough for a contamination of 0.2 (n >= 4): nothing to note.
        assert one.notes == []
    assert result.failed == []


def test_the_json_holds_what_the_result_holds(mvtec_root: Path, tmp_path: Path) -> None:
    result = bench(mvtec_root, output=tmp_path / "out", metric_size=32, seeds=(0, 1))
    data = json.loads((tmp_path / "out/results.json").read_text())
    assert data == json.loads(json.dumps(result.to_json()))
    assert data["schema_version"] == 1
    assert [(c["category"], c["seed"]) for c in data["categories"]] == [
        ("bolt", 0),
        ("bolt", 1),
        ("cloth", 0),
        ("cloth", 1),
    ]
    assert "32 x 32" in data["metric_rule"]
    assert data["parameters"]["backbone"] == "embedded"
    pictures = sorted(p.name for p in (tmp_path / "out/bolt/overlays").iterdir())
    assert any(name.startswith("00_best_defect_blot_") for name in pictures)


def test_too_few_training_images_for_the_threshold_are_noted(mvtec_root: Path) -> None:
    (one,) = bench(mvtec_root, categories="bolt", contamination=0.1).categories
    assert any("takes 9 training images, here are 6" in note for note in one.notes)


def test_one_seed_gives_one_result_and_another_differs_in_its_bank_only(mvtec_root: Path) -> None:
    first, again = (bench(mvtec_root, categories="bolt").categories[0] for _ in range(2))
    assert first.metrics == again.metrics
    assert first.threshold == again.threshold


@pytest.mark.parametrize("size", [0, -1, 2.5])
def test_an_impossible_size_of_metrics_is_refused_before_any_work(size: object) -> None:
    with pytest.raises(InvalidInputError, match=f"metric_size must be an integer .*, got {size}"):
        bench(Path("set"), categories=["bolt"], metric_size=size)


def test_a_category_that_fails_does_not_stop_the_others(mvtec_root: Path, tmp_path: Path) -> None:
    (mvtec_root / "bolt/test/blot/001.png").write_bytes(b"")
    seen = []
    result = bench(mvtec_root, output=tmp_path / "out", on_result=seen.append)
    failed, finished = result.categories
    assert "001.png" in str(failed.error)
    assert finished.metrics["auroc"] == 1.0
    assert [c.category for c in seen] == ["bolt", "cloth"]
    assert "bolt: failed: " in benchmark_table(result)
    data = json.loads((tmp_path / "out/results.json").read_text())
    assert [c["error"] is None for c in data["categories"]] == [False, True]


def test_a_detector_that_raises_whatever_it_likes_does_not_stop_the_others(
    mvtec_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = PatchCore.fit

    def broken(self: PatchCore, images: list[str], y: object = None) -> PatchCore:
        if "bolt" in str(images[0]):
            raise ZeroDivisionError("no light")
        return fit(self, images, y)

    monkeypatch.setattr(PatchCore, "fit", broken)
    failed, finished = bench(mvtec_root).categories
    assert failed.error == "ZeroDivisionError: no light"
    assert finished.error is None


def test_one_class_at_test_time_leaves_metrics_undefined_and_says_so(mvtec_root: Path) -> None:
    shutil.rmtree(mvtec_root / "bolt/test/blot")
    (one,) = bench(mvtec_root, categories=["bolt"]).categories
    assert one.error is None
    assert math.isnan(one.metrics["auroc"])
    assert math.isnan(one.metrics["aupro"])
    assert any("all images are normal" in note for note in one.notes)
    table = benchmark_table(bench(mvtec_root))
    assert "n/a" in table
    assert "all images are normal" in table


def test_without_masks_pixel_metrics_are_left_out_and_it_is_said(mvtec_root: Path) -> None:
    shutil.rmtree(mvtec_root / "cloth/ground_truth")
    (one,) = bench(mvtec_root, categories=["cloth"]).categories
    assert set(one.metrics) == {"auroc", "average_precision", "f1_max"}
    assert "no ground_truth folder: pixel metrics omitted" in one.notes


def test_a_mask_that_marks_nothing_is_named(mvtec_root: Path) -> None:
    write_image(mvtec_root / "bolt/ground_truth/blot/001_mask.png", np.zeros((48, 64), np.uint8))
    result = bench(mvtec_root, metric_size=32)
    (note,) = result.categories[0].notes
    assert note.startswith("1 defect image with a mask without any defect pixel, such as ")
    assert f"{mvtec_root}/bolt/test/blot/001.png: pixel metrics count" in note
    assert result.categories[1].notes == []
    assert f"bolt: {note}" in benchmark_table(result)
    # A single pixel that is lost at the size of the metrics is a defect nevertheless.
    speck = np.zeros((48, 64), np.uint8)
    speck[0, 0] = 1
    write_image(mvtec_root / "bolt/ground_truth/blot/001_mask.png", speck)
    assert bench(mvtec_root, categories="bolt", metric_size=32).categories[0].notes == []


def test_images_of_differing_sizes_are_measured_at_native_size(mvtec_root: Path) -> None:
    write_image(mvtec_root / "bolt/test/good/000.png", texture(5, (60, 40)))
    (one,) = bench(mvtec_root, categories=["bolt"]).categories
    assert one.error is None
    assert 0.8 < one.metrics["pixel_auroc"] <= 1.0


def test_mistakes_that_concern_all_categories_are_raised_before_any_work(
    mvtec_root: Path, tmp_path: Path
) -> None:
    with pytest.raises(UnknownNameError, match="'nut'"):
        bench(mvtec_root, categories=["bolt", "nut"])
    with pytest.raises(DatasetError, match="nowhere does not exist"):
        bench(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="no mvtec category"):
        bench(mvtec_root / "bolt" / "train")
    with pytest.raises(InvalidInputError, match="coreset_ratio"):
        bench(mvtec_root, coreset_ratio=2)
    for limit in (0, 2.0, math.nan):
        with pytest.raises(InvalidInputError, match="integration_limit must be above 0 and at mo"):
            bench(mvtec_root, integration_limit=limit)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        bench(mvtec_root, output=tmp_path / "file")


def test_the_default_detector_is_patchcore_on_the_named_device() -> None:
    detector = build_default_detector(model="patchcore", device="cpu", pretrained=False)
    assert detector.get_params()["pretrained"] is False
    assert detector.get_params()["backbone"] == "wide_resnet50_2"


def test_the_table_shows_means_over_categories_and_seeds(mvtec_root: Path) -> None:
    result = bench(mvtec_root, seeds=(0, 1))
    table = benchmark_table(result).splitlines()
    assert [line.split()[0] for line in table[:5]] == [
        "category",
        "--------",
        "bolt",
        "cloth",
        "mean",
    ]
    means = [re.sub(r" ± \S+", "", line) for line in table[2:5]]  # without the deviations
    aupro = [float(line.split()[6]) for line in means]
    assert aupro[2] == pytest.approx(np.mean(aupro[:2]), abs=1e-4)
    by_hand = np.mean([c.metrics["aupro"] for c in result.categories if c.category == "bolt"])
    assert aupro[0] == pytest.approx(by_hand, abs=5e-5)
    assert any("mean over 2 seeds" in line for line in table)


def test_a_fitted_detector_lives_no_longer_than_its_job(
    mvtec_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[weakref.ref] = []
    alive: list[int] = []
    fit = PatchCore.fit

    def watched(self: PatchCore, *args: object) -> PatchCore:
        gc.collect()
        alive.append(sum(hasattr(one(), "memory_bank_") for one in fitted))
        fitted.append(weakref.ref(self))
        return fit(self, *args)

    monkeypatch.setattr(PatchCore, "fit", watched)
    result = bench(mvtec_root, seeds=(0, 1))
    assert len(result.categories) == 4
    assert alive == [0, 0, 0, 0]


def test_test_images_that_are_copies_of_training_images_are_noted(mvtec_root: Path) -> None:
    good = mvtec_root / "bolt/test/good"
    shutil.copy(sorted((mvtec_root / "bolt/train/good").iterdir())[0], good / "copy.png")
    (one,) = bench(mvtec_root, categories="bolt").categories
    (note,) = one.notes
    assert re.fullmatch(
        r"1 of 7 is an image that the detector has learnt from, such as .*copy\.png: the figures"
        r" are too good",
        note,
    )
