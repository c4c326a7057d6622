"""Metrics that share the sweep: AUPRO and sPRO at any limit, AUPIMO, SegF1; and ClassF1."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from pyimgano import kernels
from pyimgano.datasets.defects import DefectMask
from pyimgano.errors import InvalidInputError, UndefinedMetricWarning, UnknownNameError
from pyimgano.images.region import RegionOfInterest
from pyimgano.kernels import DefectPixels
from pyimgano.metrics import metric_info
from pyimgano.metrics.aupimo import Aupimo
from pyimgano.metrics.catalogue import column_infos, info_or_key, select_metrics
from pyimgano.metrics.class_f1 import ClassF1
from pyimgano.metrics.measure import Measured
from pyimgano.metrics.seg_f1 import SegF1
from pyimgano.metrics.spro import Spro
from pyimgano.pipelines.mvtec_visa import run_benchmark
from pyimgano.pipelines.region_pixels import counted_defects, counted_pixels
from pyimgano.reporting.report import report_schema, save_run_report
from pyimgano.reporting.table import benchmark_table
from tests.datasets.shipped import write_loco
from tests.pipelines.test_benchmark_run import bench
from tests.reference import curves_per_image

NAMES = ["aupro@0.05", "seg_f1", "aupimo", "spro@0.1", "aupro"]


def image_set() -> tuple[list, list]:
    rng = np.random.default_rng(0)
    masks = [np.zeros((20, 30), np.uint8) for _ in range(6)]
    for mask in masks[3:]:
        mask[5:12, 4:9] = 1
    return masks, [(rng.normal(0, 1, m.shape) + 2 * m).astype(np.float32) for m in masks]


def test_all_that_are_asked_for_take_one_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    masks, maps = image_set()
    defects = [DefectPixels(i, np.flatnonzero(masks[i]), 10) for i in range(3, 6)]
    calls = []
    sweep = kernels.pixel_curves
    monkeypatch.setattr(kernels, "pixel_curves", lambda *a, **k: calls.append(k) or sweep(*a, **k))
    (one,) = select_metrics(NAMES, integration_limit=0.3)  # of a run: for those without their own
    assert one.takes_defects
    found = Measured()
    found.add(one.with_defects(defects), masks, maps, 1.0)
    assert len(calls) == 1
    assert sorted(found.values) == sorted(NAMES)
    expected = {
        limit: kernels.pixel_metrics(masks, maps, integration_limit=limit) for limit in (0.05, 0.3)
    }
    assert found.values["aupro@0.05"] == expected[0.05].aupro
    assert found.values["aupro"] == expected[0.3].aupro
    each = curves_per_image.aupimo(masks, maps, 1e-5, 1e-4)
    assert found.values["aupimo"] == pytest.approx(np.nanmean(each), abs=1e-9)
    np.testing.assert_allclose(found.per_image["aupimo"], each, atol=1e-9)
    assert found.values["spro@0.1"] == pytest.approx(
        curves_per_image.spro(masks, maps, defects, 0.1), abs=1e-9
    )
    assert found.settings["seg_f1_threshold"] == 1.0


def test_seg_f1_is_scikit_learns_and_never_above_the_best() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    masks, maps = image_set()
    truth = np.concatenate([m.ravel() for m in masks])
    best = kernels.pixel_metrics(masks, maps)
    for threshold in (-9.0, 0.0, 0.7, 1.5, best.f1_threshold):
        found = SegF1()(masks, maps, threshold)
        flagged = np.concatenate([m.ravel() > threshold for m in maps])
        assert found.values["seg_f1"] == pytest.approx(metrics.f1_score(truth, flagged), abs=1e-12)
        assert found.values["seg_f1"] <= best.f1_max + 1e-12
        for i in range(3, 6):
            alone = metrics.f1_score(masks[i].ravel(), maps[i].ravel() > threshold)
            assert found.per_image["seg_f1"][i] == pytest.approx(alone, abs=1e-12)
    assert found.values["seg_f1"] == pytest.approx(best.f1_max, abs=1e-12)
    nothing = SegF1()(masks, maps, 100.0)
    assert nothing.values["seg_f1"] == 0.0
    assert np.isnan(nothing.per_image["seg_f1"]).tolist() == [True] * 3 + [False] * 3


def test_class_f1_by_hand() -> None:
    # Flagged: 0.6 and 0.9; anomalous: 0.2 and 0.9.
    found = ClassF1()([0, 1, 0, 1], [0.6, 0.2, 0.5, 0.9], 0.5)
    assert found.values == {"class_f1": 2 * 1 / (2 + 2)}
    assert ClassF1()([0, 1], [0.1, 0.2], math.inf).values == {"class_f1": 0.0}
    with pytest.warns(UndefinedMetricWarning, match="no image is anomalous"):
        assert math.isnan(ClassF1()([0, 0], [0.1, 0.2], 0.15).values["class_f1"])


@pytest.mark.parametrize(
    ("metric", "labels", "threshold", "why"),
    [
        (Aupimo(), [1, 1], None, "no image is without defects"),
        (Aupimo(), [0, 0], None, "no image has a defect"),
        (SegF1(), [0, 1], None, "no threshold of its maps"),
        (SegF1(), [0, 0], 0.5, "no defect pixel in any mask"),
        (Spro(), [0, 1], None, "no single defects with a saturation"),
    ],
)
@pytest.mark.filterwarnings("ignore::pyimgano.errors.UndefinedMetricWarning")
def test_what_is_undefined_says_why(
    metric: Aupimo | SegF1 | Spro, labels: list[int], threshold: float | None, why: str
) -> None:
    masks = [np.full((2, 2), 0, np.uint8) for _ in labels]
    for mask, label in zip(masks, labels, strict=True):
        mask[0, 0] = label
    maps = [np.arange(4.0).reshape(2, 2)] * len(masks)
    with pytest.warns(UndefinedMetricWarning, match=why):
        (value,) = metric(masks, maps, threshold).values.values()
    assert math.isnan(value)


def test_a_limit_is_part_of_the_key_and_written_one_way() -> None:
    (one,) = select_metrics(["aupro@0.050", "aupro@.05", "spro@1"])
    assert one.keys == ("aupro@0.05", "spro@1")
    assert metric_info("aupro@.05").title == "AUPRO@0.05"
    assert [info.title for info in column_infos(["aupro@0.05"], asked=["spro@1", "auroc"])] == [
        *("I-AUROC", "sPRO@1", "AUPRO@0.05"),
    ]
    assert info_or_key("auroc@0.3").title == "auroc@0.3"  # as a foreign file may have it


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("aupro@0", "limit of aupro must be above 0 and at most 1, got 0"),
        ("spro@1.5", "limit of spro must be above 0"),
        ("aupro@nan", "above 0 and at most 1, got nan"),
        ("aupro@x", "limit in metric 'aupro@x' is no number"),
        ("auroc@0.1", "metric 'auroc' has no limit"),
    ],
)
def test_impossible_limits_are_refused(key: str, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why):
        select_metrics([key])


def test_a_limit_of_something_unknown_is_unknown() -> None:
    with pytest.raises(UnknownNameError, match="unknown metric 'aupor'; did you mean 'aupro'"):
        select_metrics(["aupor@0.1"])


def test_defects_shrink_with_their_masks() -> None:
    pixels = np.zeros((40, 40), np.uint8)
    pixels[:20, :20] = 1
    speck = np.zeros_like(pixels)
    speck[0, 0] = 1
    native = counted_defects(3, [DefectMask(pixels, 100), DefectMask(speck, 1)], pixels, None, None)
    assert [(one.image, len(one.pixels), one.saturation) for one in native] == [
        *((3, 400, 100), (3, 1, 1)),
    ]
    (small,) = counted_defects(3, [DefectMask(pixels, 100), DefectMask(speck, 1)], pixels, None, 20)
    assert (len(small.pixels), small.saturation) == (100, 25)


def test_a_run_that_names_them_has_them_everywhere(mvtec_root: Path, tmp_path: Path) -> None:
    names = ["aupro@0.05", "seg_f1", "class_f1", "aupimo"]
    result = bench(mvtec_root, categories="bolt", output=tmp_path, metrics=names)
    (one,) = result.categories
    assert sorted(one.metrics) == sorted(names)
    assert not any(map(math.isnan, one.metrics.values()))
    header = benchmark_table(result).splitlines()[0].split()
    assert header[1:5] == ["ClassF1", "SegF1", "AUPIMO", "AUPRO@0.05"]
    assert one.metrics["aupimo"] == pytest.approx(
        np.nanmean([image.metrics["aupimo"] for image in one.images])
    )
    save_run_report(tmp_path, result)
    data = json.loads((tmp_path / "results.json").read_text())
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    jsonschema.Draft202012Validator(report_schema()).validate(data)
    with (tmp_path / "results.csv").open(newline="") as file:
        assert float(next(csv.DictReader(file))["aupro@0.05"]) == one.metrics["aupro@0.05"]
    assert "AUPRO@0.05" in (tmp_path / "report.html").read_text()
    again = bench(mvtec_root, categories="bolt", output=tmp_path, metrics=names).categories[0]
    assert again.metrics == one.metrics


def test_defects_are_laid_out_as_their_map_in_a_region_of_interest() -> None:
    mask = np.zeros((10, 12), np.uint8)
    mask[2:6, 1:6] = 1
    mask[7:9, 2:4] = 1
    region = RegionOfInterest(np.repeat([[False, True]], 10, 0).repeat([3, 9], 1))
    scores = np.arange(120, dtype=np.float32).reshape(10, 12)
    single = [DefectMask(mask, 24), DefectMask((mask * (scores > 80)).astype(np.uint8), 2)]
    kept, found = counted_pixels(mask, scores, region, None)
    assert found is not None
    whole, small = counted_defects(0, single, mask, region, None)
    inside = [float(s) for s in scores[:, 3:][mask[:, 3:] != 0]]
    assert sorted(found.ravel()[whole.pixels].tolist()) == inside
    assert sorted(found.ravel()[small.pixels].tolist()) == [87.0, 99.0]
    assert kept.ravel()[whole.pixels].all()
    assert (whole.saturation, small.saturation) == (14, 1)


def test_a_run_over_mvtec_loco_has_spro(tmp_path: Path) -> None:
    (one,) = run_benchmark(
        dataset="mvtec_loco",
        root=write_loco(tmp_path),
        backbone="filterbank",
        metrics=["spro@0.01", "spro"],
    ).categories
    assert one.error is None
    assert sorted(one.metrics) == ["spro", "spro@0.01"]
    assert 0 <= one.metrics["spro@0.01"] < one.metrics["spro"] <= 1
