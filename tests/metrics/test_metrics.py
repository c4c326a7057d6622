"""Metrics as data: what is registered appears everywhere, and none that fails loses the others."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimgano import registry
from pyimgano.calibration import tune_postprocess
from pyimgano.cli import benchmark
from pyimgano.errors import InvalidInputError, InvalidTypeError, UnknownNameError
from pyimgano.evaluation import compute_pixel_metrics, compute_score_metrics
from pyimgano.extend import MetricInfo, MetricResult, register_metric
from pyimgano.metrics import catalogue, list_metrics, metric_info
from pyimgano.metrics.catalogue import select_metrics
from pyimgano.metrics.measure import Measured
from pyimgano.reporting.report import report_schema, save_run_report
from pyimgano.reporting.table import benchmark_table
from tests.pipelines.test_benchmark_run import bench

OWN = ["auroc", "average_precision", "f1_max"]
IF_NAMED = ["class_f1", "seg_f1", "aupimo", "spro"]
OWN_PIXEL = ["pixel_auroc", "pixel_ap", "pixel_f1_max", "pixel_f1_threshold", "aupro"]
LABELS = np.array([0, 0, 1, 1])
SCORES = np.array([0.1, 0.4, 0.35, 0.8])


class Peak:
    """The mean of the maps' peaks, per image too: lower counts as better."""

    infos = (MetricInfo("peak", "Peak", "pixel", higher_is_better=False),)

    def __init__(self) -> None:
        self.thresholds: list[float | None] = []

    def __call__(self, masks: Any, maps: Any, threshold: float | None) -> MetricResult:
        self.thresholds.append(threshold)
        peaks = [float(one.max()) for one in maps]
        return MetricResult({"peak": float(np.mean(peaks))}, {"peak": peaks}, {"of": "maps"})


@dataclass(frozen=True)
class Calls:
    """An image metric made of a function."""

    function: Callable[..., Any]
    key: str = "mine"

    @property
    def infos(self) -> tuple[MetricInfo, ...]:
        return (MetricInfo(self.key, "Mine", "image"),)

    def __call__(self, labels: Any, scores: Any, threshold: float | None) -> Any:
        return self.function(labels, scores, threshold)


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test registers goes with it."""
    monkeypatch.setattr(catalogue._METRICS, "_entries", dict(catalogue._METRICS._entries))
    monkeypatch.setattr(catalogue, "_KEYS", dict(catalogue._KEYS))


def measured(*names: str) -> Measured:
    found = Measured()
    for one in select_metrics(names):
        found.add(one, LABELS, SCORES, 0.5)
    return found


def test_the_packages_own_metrics_are_entries_like_any_other() -> None:
    assert list_metrics() == [*OWN, *OWN_PIXEL, *IF_NAMED]
    assert list_metrics("image") == [*OWN, "class_f1"]
    assert catalogue.default_metrics() == [*OWN, *OWN_PIXEL]
    assert metric_info("aupro") == MetricInfo("aupro", "AUPRO", "pixel")
    image, pixel = select_metrics(integration_limit=0.1)
    assert (image.keys, pixel.keys) == (tuple(OWN), tuple(OWN_PIXEL))
    rng = np.random.default_rng(0)
    masks, maps = rng.integers(0, 2, (3, 8, 8), np.uint8), rng.random((3, 8, 8), np.float32)
    found = Measured()
    found.add(pixel, list(masks), list(maps), None)
    assert found.values["aupro"] == compute_pixel_metrics(masks, maps, 0.1).aupro
    assert found.settings == {"integration_limit": 0.1}
    assert found.curves["aupro"][0] == [0.0, 0.0]
    assert found.curves["aupro"][-1] == [1.0, 1.0]


def test_only_the_figures_that_were_named_are_given() -> None:
    assert measured("f1_max").values == {"f1_max": compute_score_metrics(LABELS, SCORES).f1_max}


def test_a_registered_metric_is_in_table_json_csv_and_page(
    mvtec_root: Path, tmp_path: Path
) -> None:
    peak = Peak()
    register_metric(peak)
    result = bench(mvtec_root, categories="bolt", output=tmp_path)
    (one,) = result.categories
    assert peak.thresholds == [pytest.approx(peak.thresholds[0])]
    assert one.metrics["peak"] == pytest.approx(np.mean([i.metrics["peak"] for i in one.images]))
    assert one.metric_settings == {"integration_limit": 0.3, "of": "maps"}
    header, _, row = benchmark_table(result).splitlines()[:3]
    assert header.split()[1:8] == [
        *("I-AUROC", "I-AP", "I-F1max", "P-AUROC", "P-AP", "AUPRO", "Peak"),
    ]
    assert row.split()[7] == f"{one.metrics['peak']:.4f}"
    save_run_report(tmp_path, result)
    data = json.loads((tmp_path / "results.json").read_text())
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    jsonschema.Draft202012Validator(report_schema()).validate(data)
    assert data["mean"]["peak"] == one.metrics["peak"]
    with (tmp_path / "results.csv").open(newline="") as file:
        assert float(next(csv.DictReader(file))["peak"]) == one.metrics["peak"]
    with (tmp_path / "images.csv").open(newline="") as file:
        peaks = [float(row["peak"]) for row in csv.DictReader(file)]
    assert peaks == [i.metrics["peak"] for i in one.images]
    page = (tmp_path / "report.html").read_text()
    assert '<button type="button">Peak</button>' in page
    assert f'data-value="{float(row.split()[7])!r}"' in page
    again = bench(mvtec_root, categories="bolt", output=tmp_path).categories[0]
    assert [i.metrics for i in again.images] == [i.metrics for i in one.images]
    assert len(peak.thresholds) == 1  # taken up from the disk


def test_workers_compute_what_the_program_registered(mvtec_root: Path) -> None:
    register_metric(Peak())
    alone, beside = (bench(mvtec_root, n_jobs=n, metrics=["peak"]) for n in (1, 2))
    assert [c.notes for c in beside.categories] == [[], []]
    assert [c.metrics for c in beside.categories] == [c.metrics for c in alone.categories]
    assert beside.metrics == ["peak"]


def test_lower_may_be_better(mvtec_root: Path, tmp_path: Path) -> None:
    register_metric(Calls(lambda labels, scores, threshold: MetricResult({"mine": threshold})))
    register_metric(Peak())
    runs = [
        bench(mvtec_root, categories="bolt", metrics=["peak"], label=str(s), gaussian_sigma=s)
        for s in (1.0, 9.0)
    ]
    assert runs[0].categories[0].metrics["peak"] > runs[1].categories[0].metrics["peak"]
    text = save_run_report(tmp_path / "r.html", runs)[0].read_text()
    low = f"{runs[1].categories[0].metrics['peak']:.4f}"
    assert f'<td class="best" data-value="{float(low)!r}">{low}</td>' in text
    assert text.count('class="best"') == 1


def test_a_metric_chosen_by_name_has_the_only_column(
    mvtec_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--dataset", "mvtec", "--root", str(mvtec_root), "--category", "bolt", "--quiet"]
    argv += ["--backbone", "embedded", "--image-size", "48x64", "--metrics"]
    assert benchmark.main([*argv, "pixel_f1_max"]) == 0
    header = capsys.readouterr().out.splitlines()[0]
    assert header.split() == ["category", "P-F1max", "fit", "s", "ms/img", "peak", "MB"]
    assert benchmark.main([*argv, "aupor"]) == 2
    assert "unknown metric 'aupor'; did you mean 'aupro'" in capsys.readouterr().err


def test_image_metrics_alone_decode_no_mask(
    mvtec_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyimgano.datasets.masks.inspect_mask", lambda *a, **k: pytest.fail("read"))
    (one,) = bench(mvtec_root, categories="bolt", metrics=["auroc"]).categories
    assert (one.metrics, one.error) == ({"auroc": 1.0}, None)


def test_results_of_other_metrics_are_not_taken_up(mvtec_root: Path, tmp_path: Path) -> None:
    bench(mvtec_root, categories="bolt", output=tmp_path, metrics=["auroc"])
    with pytest.raises(InvalidInputError, match="holds results of another run: metrics was"):
        bench(mvtec_root, categories="bolt", output=tmp_path)


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda *_: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda *_: MetricResult({}), "InvalidInputError: its values lack 'mine'"),
        (lambda *_: MetricResult({"mine": 1.0, "other": 2.0}), "values have 'other', which is not"),
        (lambda *_: MetricResult({"mine": 1.0}, {"mine": [1.0]}), "has 1 numbers for 4 images"),
        (lambda *_: {"mine": 1.0}, "it gave dict, not MetricResult"),
        (lambda labels, *_: labels.fill(0), "ValueError: assignment destination is read-only"),
        (lambda *_: MetricResult({"mine": 1.0}, {"mine": ["a", 0, 0, 0]}), "convert string"),
        (lambda *_: MetricResult({"mine": 1.0}, curves={"mine": [0.5]}), "TypeError"),
        (lambda *_: MetricResult({"mine": 1.0}, settings=["a"]), "ValueError"),
    ],
)
def test_a_metric_that_fails_is_named_and_loses_no_other(
    function: Callable[..., Any], why: str
) -> None:
    register_metric(Calls(function))
    found = measured("mine", "auroc")
    assert math.isnan(found.values["mine"])
    assert found.values["auroc"] == 0.75
    (note,) = found.notes
    assert note.startswith("mine failed: ")
    assert why in note
    assert found.failed == ["mine"]
    assert LABELS.tolist() == [0, 0, 1, 1]


def test_numbers_per_image_and_curves_may_be_arrays() -> None:
    curve = np.array([[0.0, 0.5], [1.0, 1.0]])
    register_metric(
        Calls(
            lambda _, scores, __: MetricResult({"mine": 1.0}, {"mine": scores}, {}, {"mine": curve})
        )
    )
    found = measured("mine")
    assert found.notes == []
    assert found.per_image == {"mine": [0.1, 0.4, 0.35, 0.8]}
    assert found.curves == {"mine": [[0.0, 0.5], [1.0, 1.0]]}


def test_a_metric_that_is_undefined_is_named() -> None:
    register_metric(Calls(lambda *_: MetricResult({"mine": math.nan})))
    assert measured("mine").notes == ["Mine undefined: no reason given"]
    found = Measured()
    found.add(select_metrics(["auroc", "f1_max"])[0], LABELS * 0, SCORES, 0.5)
    assert [math.isnan(v) for v in found.values.values()] == [True, True]
    assert found.notes == [
        "I-AUROC, I-F1max undefined: all images are normal: image metrics are undefined"
    ]


def test_no_memory_fails_the_category_and_is_tried_again() -> None:
    def greedy(*_: object) -> MetricResult:
        raise MemoryError

    register_metric(Calls(greedy))
    with pytest.raises(MemoryError):
        measured("mine")


def test_impossible_metrics_are_refused_when_they_are_registered() -> None:
    with pytest.raises(InvalidTypeError, match="object that can be called"):
        register_metric(Peak)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="got 'My Metric'"):
        register_metric(Calls(len, key="My Metric"))
    with pytest.raises(InvalidInputError, match="'auroc' is registered already"):
        register_metric(Calls(len, key="auroc"))
    assert list_metrics() == [*OWN, *OWN_PIXEL, *IF_NAMED]
    register_metric(Calls(lambda *_: MetricResult({"auroc": 0.25}), key="auroc"), overwrite=True)
    assert measured("auroc").values == {"auroc": 0.25}


def test_unknown_names_list_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown metric 'pixel_auc'; did you mean 'pixel_"):
        select_metrics(["pixel_auc"])
    with pytest.raises(InvalidInputError, match="must be a list of names, got 'auroc'"):
        select_metrics("auroc")


def test_metrics_of_installed_packages_are_computed_only_if_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry._PLUGINS, "loading", True)
    register_metric(Peak())
    monkeypatch.setattr(registry._PLUGINS, "loading", False)
    assert "peak" not in catalogue.default_metrics()
    assert [one.keys for one in select_metrics(["peak"])] == [("peak",)]
    assert select_metrics(["all"])[-1].keys == ("peak",)


def test_post_processing_is_tuned_by_any_metric_of_pixels() -> None:
    register_metric(Peak())
    maps = np.random.default_rng(0).random((2, 16, 16), np.float32)
    masks = (maps > 0.9).astype(np.uint8)
    best, table = tune_postprocess({"gaussian_sigma": [1, 3, 2]}, maps, masks, metric="peak")
    assert best.gaussian_sigma == 3  # the smoothest has the lowest peaks
    assert [row["gaussian_sigma"] for row in sorted(table, key=lambda r: r["peak"])] == [3, 2, 1]
