from __future__ import annotations

import csv
import json
import math
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pyimgano.cli.benchmark import main
from pyimgano.errors import InvalidInputError, InvalidTypeError, UnknownNameError
from pyimgano.pipelines import category_job
from pyimgano.pipelines.comparison import ModelSpec, run_comparison
from pyimgano.pipelines.mvtec_visa import run_benchmark
from pyimgano.pipelines.shots import draw_shots
from pyimgano.reporting.report import save_run_report
from pyimgano.reporting.results import BenchmarkResult, CategoryResult
from pyimgano.reporting.table import benchmark_table, table_of
from tests.reporting.support import category, run

# Thresholds of so few images are not what is measured here.
pytestmark = pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")
OPTIONS = {"backbone": "filterbank", "image_size": (48, 64), "contamination": 0.2}


def bench(root: Path, **kwargs: object) -> BenchmarkResult:
    given = {"categories": "bolt", "seeds": (0, 1), **OPTIONS, **kwargs}
    return run_benchmark(dataset="mvtec", root=root, **given)


@pytest.fixture
def learnt(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Names of the images that each run learns from, as the runs are computed."""
    seen: list[tuple[str, ...]] = []
    real: Callable[..., CategoryResult] = category_job.evaluate_category

    def watching(*args: object, **kwargs: object) -> CategoryResult:
        seen.append(tuple(Path(path).stem for path in kwargs["train"]))
        return real(*args, **kwargs)

    monkeypatch.setattr(category_job, "evaluate_category", watching)
    return seen


def test_random_draws_are_seeded_in_order_without_repeats_and_nested() -> None:
    paths = [f"{i:02d}" for i in range(20)]
    for seed in range(5):
        draws = [draw_shots(paths, k, seed) for k in (1, 4, 20)]
        assert draws == [draw_shots(paths, k, seed) for k in (1, 4, 20)]
        assert [len(set(d)) for d in draws] == [1, 4, 20]
        assert set(draws[0]) < set(draws[1]) < set(draws[2])
        assert draws[1] == sorted(draws[1])
    assert len({draw_shots(paths, 1, seed)[0] for seed in range(20)}) > 5


def test_slices_follow_one_another() -> None:
    assert [draw_shots("abcdef", 2, seed, "slice") for seed in range(3)] == [
        ["a", "b"],
        ["c", "d"],
        ["e", "f"],
    ]


def test_each_number_has_one_run_per_seed_on_the_whole_test_set(
    mvtec_root: Path, learnt: list[tuple[str, ...]]
) -> None:
    result = bench(mvtec_root, shots=(2, 4))
    found = [(r.shots, r.seed, r.n_train, r.n_test, r.n_defect) for r in result.categories]
    assert found == [(2, 0, 2, 6, 3), (2, 1, 2, 6, 3), (4, 0, 4, 6, 3), (4, 1, 4, 6, 3)]
    names = [f"{i:03d}" for i in range(6)]
    assert learnt == [tuple(draw_shots(names, k, seed)) for k in (2, 4) for seed in (0, 1)]
    assert (result.shots, result.draw) == ([2, 4], "random")
    for row in result.rows:
        for key in ("auroc", "aupro"):
            values = [r.metrics[key] for r in result.categories if r.shots == row.shots]
            assert row.mean(key) == pytest.approx(np.mean(values))
            assert row.std(key) == pytest.approx(abs(values[0] - values[1]) / math.sqrt(2))
    assert result.mean_metrics(4)["auroc"] == 1.0
    assert result.mean_metrics() == {}, "one mean of two numbers of images would mean nothing"


def test_the_protocol_of_slices(mvtec_root: Path, learnt: list[tuple[str, ...]]) -> None:
    bench(mvtec_root, shots=[1, 3], draw="slice")
    assert learnt == [("000",), ("001",), ("000", "001", "002"), ("003", "004", "005")]


def test_all_images_by_number_are_the_benchmark(mvtec_root: Path) -> None:
    (few,) = bench(mvtec_root, shots=6, seeds=[3]).categories
    (whole,) = bench(mvtec_root, seeds=[3]).categories
    assert (few.metrics, few.threshold) == (whole.metrics, whole.threshold)
    assert (few.shots, whole.shots) == (6, None)
    one = bench(mvtec_root, shots=6, seeds=[3])
    assert one.mean_metrics() == one.mean_metrics(6) != {}
    assert one.to_json()["mean"] == one.mean_metrics()


def test_one_training_image_works_and_its_threshold_is_infinite(mvtec_root: Path) -> None:
    (one,) = bench(mvtec_root, shots=1, seeds=[0]).categories
    assert one.threshold == math.inf
    assert one.metrics["auroc"] > 0.9
    assert any("infinite" in note for note in one.notes)


def test_a_number_that_cannot_be_drawn_is_refused_before_any_work(
    mvtec_root: Path, learnt: list[tuple[str, ...]], tmp_path: Path
) -> None:
    (mvtec_root / "cloth/train/good/005.png").unlink()
    wanted = {
        "category 'cloth' has 5 training images, too few for shots=6": {"shots": (1, 6)},
        "too few for shots=2 with seed 2: its slice ends at image 6": {
            "shots": 2,
            "seeds": (0, 2),
            "draw": "slice",
        },
        "shots must be 1 or more, got 0": {"shots": 0},
        "shots is empty": {"shots": []},
        "seeds is empty": {"shots": 1, "seeds": []},
        "seeds that draw images must be 0 or more, got -1": {"shots": 1, "seeds": [-1]},
        "draw='slice' needs shots": {"draw": "slice"},
    }
    for message, given in wanted.items():
        with pytest.raises(InvalidInputError, match=message):
            bench(mvtec_root, categories="all", output=tmp_path / "out", **given)
    with pytest.raises(InvalidTypeError, match=r"shots must be integers, got 1\.5"):
        bench(mvtec_root, shots=[1.5])
    with pytest.raises(UnknownNameError, match="slices"):
        bench(mvtec_root, shots=1, draw="slices")
    assert learnt == []
    assert not (tmp_path / "out").exists()


def test_a_category_that_cannot_be_read_does_not_stop_the_others(mvtec_root: Path) -> None:
    for path in (mvtec_root / "bolt/train/good").iterdir():
        path.unlink()
    result = bench(mvtec_root, categories="all", shots=1, seeds=[0])
    assert [(c.category, c.shots, c.error is None) for c in result.categories] == [
        ("bolt", 1, False),
        ("cloth", 1, True),
    ]


def test_a_run_goes_on_and_takes_further_numbers(
    mvtec_root: Path, tmp_path: Path, learnt: list[tuple[str, ...]]
) -> None:
    first = bench(mvtec_root, shots=2, output=tmp_path)
    assert len(learnt) == 2
    names = sorted(path.name for path in (tmp_path / "categories").iterdir())
    assert names == ["bolt-2shots-seed0.json", "bolt-2shots-seed1.json"]
    more = bench(mvtec_root, shots=[2, 4], output=tmp_path)
    assert [len(names) for names in learnt] == [2, 2, 4, 4]
    assert more.categories[:2] == first.categories
    with pytest.raises(InvalidInputError, match="such as patchcore, bolt, 2 shots, seed 0"):
        bench(mvtec_root, shots=4, output=tmp_path)
    with pytest.raises(InvalidInputError, match="draw was 'random' there, and is 'slice' here"):
        bench(mvtec_root, shots=[2, 4], seeds=[0], draw="slice", output=tmp_path)
    with pytest.raises(InvalidInputError, match="draw was 'random' there, and is None here"):
        bench(mvtec_root, output=tmp_path)


def few_shot_run() -> BenchmarkResult:
    """Two categories, one and four shots, three seeds: deviations are known by hand."""
    from dataclasses import replace

    values = {
        ("bolt", 1): (0.9, 1.0, 0.8),
        ("bolt", 4): (1.0, 1.0, 1.0),
        ("nut", 1): (0.5, 0.4, 0.6),
        ("nut", 4): (0.7, 0.8, 0.6),
    }
    results = [
        replace(category(name, value), shots=shots, seed=seed)
        for (name, shots), of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]
    return replace(run(*results), shots=[1, 4], draw="random")


def test_the_table_has_mean_and_deviation_per_number() -> None:
    header, rows = table_of(few_shot_run())
    column = header.index("I-AUROC")
    assert [(row[0], row[column]) for row in rows] == [
        ("bolt, 1 shot", "0.9000 ± 0.1000"),
        ("bolt, 4 shots", "1.0000 ± 0.0000"),
        ("nut, 1 shot", "0.5000 ± 0.1000"),
        ("nut, 4 shots", "0.7000 ± 0.1000"),
        ("mean, 1 shot", "0.7000 ± 0.0000"),
        ("mean, 4 shots", "0.8500 ± 0.0500"),
    ]
    text = benchmark_table(few_shot_run())
    assert "mean over 3 seeds ± standard deviation" in text
    assert "shots: training images, drawn at random" in text


def test_csv_json_and_page_have_them_too(tmp_path: Path) -> None:
    save_run_report(tmp_path, few_shot_run())
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["category"], r["shots"], r["seed"]) for r in rows[:2]] == [
        ("bolt", "1", "0"),
        ("bolt", "1", "1"),
    ]
    figures = {(r["category"], r["shots"], r["seed"]): r["auroc"] for r in rows[12:]}
    assert len(figures) == 12
    assert float(figures["nut", "1", "mean"]) == pytest.approx(0.5)
    assert float(figures["nut", "1", "std"]) == pytest.approx(0.1)
    assert float(figures["", "4", "std"]) == pytest.approx(statistics.stdev((0.85, 0.9, 0.8)))
    data = json.loads((tmp_path / "results.json").read_text())
    assert (data["shots"], data["draw"], data["mean"]) == ([1, 4], "random", {})
    last = data["summary"][-1]
    assert (last["category"], last["shots"], last["seeds"]) == (None, 4, [0, 1, 2])
    assert last["mean"]["auroc"] == pytest.approx(0.85)
    assert last["std"]["auroc"] == pytest.approx(0.05)
    page = (tmp_path / "report.html").read_text()
    assert '<td class="" data-value="0.5">0.5000 ± 0.1000</td>' in page
    assert page.count('<tr class="pick"') == 4
    assert '"category":"nut, 4 shots"' in page
    assert "1, 4 training images per category" in page
    assert (tmp_path / "plots/nut-4shots-roc.svg").is_file()


def test_models_are_compared_with_the_same_images(
    mvtec_root: Path, tmp_path: Path, learnt: list[tuple[str, ...]]
) -> None:
    specs = [ModelSpec("patchcore", OPTIONS, "a"), ModelSpec("subspacead", OPTIONS, "b")]
    given = {"dataset": "mvtec", "root": mvtec_root, "categories": "bolt"}
    result = run_comparison(specs, shots=[1, 2], output=tmp_path, **given)
    assert learnt[:2] == learnt[2:]
    assert [row[:2] for row in table_of(result)[1]] == [
        ["bolt, 1 shot", "a"],
        ["bolt, 1 shot", "b"],
        ["bolt, 2 shots", "a"],
        ["bolt, 2 shots", "b"],
    ]


def test_the_command(mvtec_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--dataset", "mvtec", "--root", str(mvtec_root), "--category", "bolt"]
    argv += ["--backbone", "filterbank", "--image-size", "48x64", "--seed", "0", "1"]
    out = ["--output", str(tmp_path / "out")]
    assert main([*argv, "--shots", "1", "2", "--draw", "slice", *out]) == 0
    text = capsys.readouterr().out
    assert "bolt, 1 shot " in text
    assert "bolt, 2 shots " in text
    assert " ± " in text
    for folder in ("pictures/bolt-1shots-seed0", "pictures/bolt-2shots-seed0"):
        assert len(list((tmp_path / "out" / folder).iterdir())) > 6
    for folder in ("bolt-1shots/overlays", "bolt-2shots/overlays"):
        assert list((tmp_path / "out" / folder).iterdir())
    assert main([*argv, "--shots", "7"]) == 2
    error = capsys.readouterr().err
    assert "category 'bolt' has 6 training images, too few for shots=7" in error
    assert "Traceback" not in error
