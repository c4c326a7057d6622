"""Two finished runs beside each other."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pyimgano.cli import main
from pyimgano.errors import InvalidInputError
from pyimgano.pipelines.compare_runs import compare_runs
from pyimgano.reporting.report import save_run_report
from pyimgano.reporting.results import BenchmarkResult, CategoryResult, ImageResult
from pyimgano.statistics import Estimate, Units
from tests.pipelines.test_benchmark_run import bench

LABELS = np.array([0] * 12 + [1] * 20)


def made_up(
    seed: int,
    quality: float,
    names: tuple[str, ...] = ("bolt", "nut"),
    seeds: tuple[int, ...] = (0,),
) -> BenchmarkResult:
    """Scores of a detector; the noise of an image is shared by all detectors, in part."""
    categories = []
    for number, name in enumerate(names):
        common = np.random.default_rng(number).normal(0, 1, len(LABELS))
        for run_seed in seeds:
            own = np.random.default_rng([seed, number, run_seed]).normal(0, 0.5, len(LABELS))
            scores = quality * LABELS + common + own
            images = [
                ImageResult(
                    f"/data/{name}/{i}.png", int(label), float(score), 0,
                    defect_type=("dent" if i % 2 else "scratch") if label else None,
                    attributes={"light": "dark" if i % 4 < 2 else "bright"},
                )
                for i, (label, score) in enumerate(zip(LABELS, scores, strict=True))
            ]  # fmt: skip
            found = Estimate.of_auroc(LABELS, scores, Units.of(LABELS))
            assert found is not None
            metrics = {"auroc": found.value, "average_precision": 0.5 + quality / 10}
            categories.append(
                CategoryResult(name, run_seed, 9, 32, 20, metrics, images=images, threshold=0.0)
            )
    return BenchmarkResult(
        "mvtec", "/data", "patchcore", f"Made({quality})", {}, "exact", {}, categories
    )


def written(folder: Path, result: BenchmarkResult) -> Path:
    save_run_report(folder, result)
    return folder


def changed(folder: Path, change: Callable[[dict], None]) -> Path:
    file = folder / "results.json"
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))
    return folder


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return written(tmp_path / "a", made_up(1, 1.0)), written(tmp_path / "b", made_up(2, 2.0))


def test_each_category_and_the_mean_have_a_paired_difference(pair: tuple[Path, Path]) -> None:
    found = compare_runs(*pair)
    rows = {(r.category, r.metric): r for r in found.rows}
    assert list(rows) == [
        ("bolt", "auroc"), ("bolt", "average_precision"),
        ("nut", "auroc"), ("nut", "average_precision"),
        (None, "auroc"), (None, "average_precision"),
    ]  # fmt: skip
    a, b = made_up(1, 1.0), made_up(2, 2.0)
    units = Units.of(LABELS)
    each = []
    for i, name in enumerate(("bolt", "nut")):
        one, two = (
            Estimate.of_auroc(LABELS, [im.score for im in r.categories[i].images], units)
            for r in (a, b)
        )
        assert one is not None
        assert two is not None
        each.append(two - one)
        row = rows[name, "auroc"]
        assert (row.a, row.b, row.difference) == (one.value, two.value, two.value - one.value)
        assert (row.interval, row.p_value) == ((two - one).interval, (two - one).p_value)
        assert row.interval is not None
        # Sharper than without pairs.
        alone = math.hypot(one.error, two.error)
        assert row.interval.high - row.interval.low < 0.9 * 2 * 1.96 * alone
    mean = rows[None, "auroc"]
    error = math.hypot(each[0].error, each[1].error) / 2
    assert mean.difference == pytest.approx((each[0].value + each[1].value) / 2)
    assert mean.interval == pytest.approx(
        (mean.difference - 1.959964 * error, mean.difference + 1.959964 * error), abs=1e-6
    )
    assert mean.p_value == pytest.approx(math.erfc(mean.difference / error / math.sqrt(2)))


def test_what_has_no_interval_says_how_to_get_one(pair: tuple[Path, Path]) -> None:
    found = compare_runs(*pair)
    row = next(r for r in found.rows if r.metric == "average_precision")
    assert (row.interval, math.isnan(row.p_value)) == (None, True)
    assert row.difference == pytest.approx(0.1)
    assert any(
        n.startswith("no interval of I-AP: run ") and "--intervals" in n for n in found.notes
    )


def test_pixel_metrics_are_compared_by_resamples_that_both_drew_alike(
    mvtec_root: Path, tmp_path: Path
) -> None:
    for name, size in (("a", 32), ("b", 64)):
        bench(mvtec_root, output=tmp_path / name, intervals=200, image_size=size, categories="bolt")
    found = compare_runs(tmp_path / "a", tmp_path / "b", metrics=["aupro", "pixel_auroc"])
    (aupro, auroc) = found.rows
    for row in (aupro, auroc):
        assert row.interval is not None
        assert row.interval.low < row.difference < row.interval.high
        assert 0 < row.p_value < 1
    changed(tmp_path / "b", lambda d: d["categories"][0]["resampling"].update(digest="other"))
    found = compare_runs(tmp_path / "a", tmp_path / "b", metrics=["aupro"])
    assert [row.interval for row in found.rows] == [None]


def test_a_run_does_not_differ_from_itself_wherever_its_images_lie(pair: tuple[Path, Path]) -> None:
    moved = pair[0].with_name("moved")
    shutil.copytree(pair[0], moved)
    text = (moved / "results.json").read_text().replace("/data", "D:/elsewhere")
    (moved / "results.json").write_text(text)
    for row in compare_runs(pair[0], moved, metrics=["auroc"]).rows:
        assert (row.difference, row.p_value) == (0.0, 1.0)


def test_several_seeds_are_compared_by_their_means(tmp_path: Path) -> None:
    a = written(tmp_path / "a", made_up(1, 1.0, ("bolt",), (0, 1, 2)))
    b = written(tmp_path / "b", made_up(2, 2.0, ("bolt",)))
    (row, _) = compare_runs(a, b).rows
    values = [c.metrics["auroc"] for c in made_up(1, 1.0, ("bolt",), (0, 1, 2)).categories]
    assert row.a == pytest.approx(np.mean(values))
    assert row.interval is not None


def test_parts_of_a_category_are_compared_too(pair: tuple[Path, Path]) -> None:
    found = compare_runs(*pair, metrics=["auroc"], by=["defect", "attribute"])
    subsets = [r.subset for r in found.rows if r.category == "bolt"]
    assert subsets == ["", "dent", "scratch", "light=bright", "light=dark"]
    dent = found.rows[1]
    images = made_up(1, 1.0).categories[0].images
    some = [i for i in images if i.label == 0 or i.defect_type == "dent"]
    labels = [i.label for i in some]
    one = Estimate.of_auroc(labels, [i.score for i in some], Units.of(labels))
    assert one is not None
    assert dent.a == one.value
    assert dent.interval is not None
    assert "dent" in found.table()
    nothing = compare_runs(*pair, metrics=["auroc"], by=["group"])
    assert nothing.notes[-1] == "the set knows nothing to part its images by: group"


def test_the_command_prints_a_table_or_json(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["compare", *map(str, pair), "--metrics", "auroc"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "category",
        "metric",
        "A",
        "B",
        "B",
        "-",
        "A",
        "95",
        "%",
        "interval",
        "p",
    ]
    assert lines[2].startswith("bolt")
    assert lines[4].startswith("mean")
    assert main.main(["compare", *map(str, pair), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["rows"][0]["difference"] == pytest.approx(
        data["rows"][0]["b"] - data["rows"][0]["a"]
    )
    assert data["rows"][1]["interval"] is None


def test_other_images_are_named(pair: tuple[Path, Path]) -> None:
    a, b = pair
    changed(b, lambda d: d["categories"][1]["images"][3].update(path="/data/nut/other.png"))
    told = r"nut: \S*a and \S*b were tested on different images: nut/3.png \(label 0\) is in \S*a"
    with pytest.raises(InvalidInputError, match=told):
        compare_runs(a, b)


def test_other_labels_and_other_orders_are_told(pair: tuple[Path, Path]) -> None:
    a, b = pair
    changed(b, lambda d: d["categories"][0]["images"].reverse())
    with pytest.raises(InvalidInputError, match="different orders"):
        compare_runs(a, b)
    changed(b, lambda d: d["categories"][0]["images"].reverse())
    changed(b, lambda d: d["categories"][0]["images"][0].update(label=1))
    with pytest.raises(InvalidInputError, match=r"bolt/0.png \(label 0\)"):
        compare_runs(a, b)


def test_runs_with_nothing_in_common_are_refused(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    other = written(tmp_path / "c", made_up(1, 1.0, ("gear",)))
    with pytest.raises(InvalidInputError, match="no finished category in common: bolt, nut; gear"):
        compare_runs(pair[0], other)
    with pytest.raises(InvalidInputError, match="has no 'aupro': it has auroc, average_precision"):
        compare_runs(*pair, metrics=["aupro"])
    one = written(tmp_path / "d", made_up(1, 1.0, ("bolt",)))
    assert any(n == f"only in {pair[0]}: nut" for n in compare_runs(pair[0], one).notes)


def test_pixels_measured_at_other_sizes_are_not_compared(pair: tuple[Path, Path]) -> None:
    for folder, size in zip(pair, (None, 256), strict=True):
        changed(folder, lambda d, s=size: d.update(metric_size=s))
        changed(folder, lambda d: [c["metrics"].update(aupro=0.5) for c in d["categories"]])
    with pytest.raises(InvalidInputError, match="metric_size is native in one, 256 in the other"):
        compare_runs(*pair)
    assert len(compare_runs(*pair, metrics=["auroc"]).rows) == 3


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (None, "holds no results of a benchmark: cannot read"),
        ("{", "is no JSON"),
        ("[]", "is no result of a benchmark"),
        ('{"categories": [{}]}', "is no result of a benchmark"),
        ('{"schema_version": 99}', "is of version 99, not 1"),
        ('{"runs": [{"folder": "x"}, {"folder": "y"}]}', r"holds 2 runs: name .* \(x, y\)"),
    ],
)
def test_folders_that_are_no_results_are_named(
    pair: tuple[Path, Path], tmp_path: Path, text: str | None, what: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = tmp_path / "none"
    folder.mkdir()
    if text is not None:
        (folder / "results.json").write_text(text)
    with pytest.raises(InvalidInputError, match=what):
        compare_runs(pair[0], folder)
    assert main.main(["compare", str(pair[0]), str(folder)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_resamples_that_are_damaged_are_no_result(mvtec_root: Path, tmp_path: Path) -> None:
    bench(mvtec_root, output=tmp_path / "a", intervals=100, categories="bolt")

    def damage(data: dict) -> None:
        data["categories"][0]["resampling"]["figures"]["aupro"] = "AAA"

    changed(tmp_path / "a", damage)
    with pytest.raises(InvalidInputError, match="is no result of a benchmark"):
        compare_runs(tmp_path / "a", tmp_path / "a")


def test_a_single_good_image_is_said_to_leave_no_interval(mvtec_root: Path, tmp_path: Path) -> None:
    good = sorted((mvtec_root / "bolt/test/good").iterdir())
    for path in good[1:]:
        path.unlink()
    for name in "ab":
        run = bench(mvtec_root, output=tmp_path / name, intervals=100, categories="bolt")
        assert any("one good or one defect image" in note for note in run.categories[0].notes)
    notes = compare_runs(tmp_path / "a", tmp_path / "b").notes
    assert "no interval for bolt: a single good or a single defect image" in notes
