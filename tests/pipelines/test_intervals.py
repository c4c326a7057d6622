"""Intervals of a run: asked for, shown, written, read again."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError
from pyimgano.extend import MetricInfo, MetricResult, register_metric
from pyimgano.reporting.report import report_schema, save_run_report
from pyimgano.reporting.results import CategoryResult
from pyimgano.reporting.table import benchmark_table, markdown_table
from pyimgano.statistics import mean_interval
from tests.pipelines.test_benchmark_run import bench

PIXEL = ("pixel_auroc", "pixel_ap", "pixel_f1_max", "aupro")


def test_every_figure_has_limits_around_it_and_tables_show_them(
    mvtec_root: Path, tmp_path: Path
) -> None:
    result = bench(mvtec_root, intervals=200, output=tmp_path / "out")
    for one in result.categories:
        for key in PIXEL:
            limits = one.interval(key)
            assert limits is not None, key
            assert 0 < limits.low < one.metrics[key] < limits.high < 1, key
        assert one.resampling["n"] == 200
    save_run_report(tmp_path / "out", result)
    text = benchmark_table(result)
    low, high = result.categories[0].interval("aupro") or (0, 0)
    cell = f"{result.categories[0].metrics['aupro']:.4f} [{low:.4f}, {high:.4f}]"
    for table in (text, (tmp_path / "out/results.md").read_text().replace("\\[", "["),
                  (tmp_path / "out/results.tex").read_text()):  # fmt: skip
        assert cell in table
        assert "95" in table
    with (tmp_path / "out/results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (float(rows[0]["aupro_low"]), float(rows[0]["aupro_high"])) == (low, high)
    data = json.loads((tmp_path / "out/results.json").read_text())
    assert data["categories"][0]["intervals"]["aupro"] == [low, high]
    again = CategoryResult.from_json(data["categories"][0])
    assert again.interval("aupro") == (low, high)


def test_the_mean_of_categories_has_limits_from_theirs(mvtec_root: Path) -> None:
    result = bench(mvtec_root, intervals=100)
    values = [one.metrics["aupro"] for one in result.categories]
    limits = [one.interval("aupro") for one in result.categories]
    (mean,) = result.means
    assert mean.interval("aupro") == mean_interval(values, [i for i in limits if i is not None])


def test_without_asking_only_closed_forms_are_known_and_tables_are_as_ever(
    mvtec_root: Path, tmp_path: Path
) -> None:
    result = bench(mvtec_root, output=tmp_path)
    (bolt, _) = result.categories
    assert bolt.resampling == {}
    assert bolt.interval("aupro") is None
    assert bolt.metrics["auroc"] == 1.0
    limits = bolt.interval("auroc")  # 3 good and 3 defect images tell little
    assert limits is not None
    assert limits.low < 0.6
    assert limits.high == 1.0
    assert "[" not in benchmark_table(result)
    assert "[" not in markdown_table(result)
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    jsonschema.validate(json.loads((tmp_path / "results.json").read_text()), report_schema())


def test_a_run_that_goes_on_has_the_same_limits_and_another_number_is_another_run(
    mvtec_root: Path, tmp_path: Path
) -> None:
    first = bench(mvtec_root, intervals=100, output=tmp_path, categories="bolt", seeds=(0, 1))
    again = bench(mvtec_root, intervals=100, output=tmp_path, categories="bolt", seeds=(0, 1))
    assert again.to_json()["summary"] == first.to_json()["summary"]
    (row,) = again.rows
    found = row.seeds_interval("aupro")
    assert found is not None
    spread = np.ptp([one.metrics["aupro"] for one in again.categories]) / math.sqrt(2)
    assert found.high - found.low == pytest.approx(2 * 12.7062 * spread / math.sqrt(2), rel=1e-4)
    with pytest.raises(InvalidInputError, match="intervals was 100 there, and is 200 here"):
        bench(mvtec_root, intervals=200, output=tmp_path, categories="bolt", seeds=(0, 1))


def test_a_mean_per_image_of_anybodys_has_limits_at_once(
    mvtec_root: Path, own_registries: None
) -> None:
    class Peak:
        infos = (MetricInfo("peak", "Peak", "pixel"),)

        def __call__(
            self, masks: object, maps: list[np.ndarray], threshold: object
        ) -> MetricResult:
            peaks = [float(one.max()) for one in maps]
            return MetricResult({"peak": float(np.mean(peaks))}, per_image={"peak": peaks})

    register_metric(Peak())
    (bolt,) = bench(mvtec_root, categories="bolt", metrics=["peak"]).categories
    limits = bolt.interval("peak")
    assert limits is not None
    assert limits.low < bolt.metrics["peak"] < limits.high


def test_a_metric_that_resamples_wrongly_fails_by_name(
    mvtec_root: Path, own_registries: None
) -> None:
    class Wrong:
        infos = (MetricInfo("wrong", "Wrong", "image"),)

        def __call__(self, labels: object, scores: object, threshold: object) -> MetricResult:
            return MetricResult({"wrong": 0.5}, resample=lambda weights: {"wrong": np.zeros(3)})

    register_metric(Wrong())
    (bolt,) = bench(
        mvtec_root, categories="bolt", metrics=["wrong", "auroc"], intervals=100
    ).categories
    assert bolt.metrics["auroc"] == 1.0
    assert any("wrong failed" in n and "shape (3,) for 101 resamples" in n for n in bolt.notes)


@pytest.mark.parametrize("n", [1, -5, "many"])
def test_impossible_numbers_are_refused_before_any_work(mvtec_root: Path, n: object) -> None:
    with pytest.raises(InvalidInputError, match="100 to 100,000 resamples"):
        bench(mvtec_root, intervals=n)


def test_a_single_defect_image_has_no_limits(mvtec_root: Path) -> None:
    for path in sorted((mvtec_root / "bolt/test").glob("*/*"))[1:]:
        if path.parent.name != "good":
            path.unlink()
    (bolt,) = bench(mvtec_root, categories="bolt", intervals=100).categories
    assert bolt.n_defect == 1
    assert bolt.interval("auroc") is None
    assert bolt.interval("aupro") is None
    assert "[n/a]" in benchmark_table(bench(mvtec_root, categories="bolt", intervals=100))
