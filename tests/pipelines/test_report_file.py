"""A benchmark's report is never replaced by one that holds less."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyimgano.errors import InvalidInputError
from pyimgano.pipelines.comparison import ModelSpec, run_comparison
from tests.pipelines.test_benchmark_run import bench

OPTIONS = {"backbone": "embedded", "image_size": (48, 64), "coreset_ratio": 0.3}


def held(out: Path) -> list[tuple[str, int]]:
    data = json.loads((out / "results.json").read_text())
    return [(c["category"], c["seed"]) for c in data["categories"]]


@pytest.fixture
def full(mvtec_root: Path, tmp_path: Path) -> Path:
    """A folder with a report of two categories and two seeds."""
    bench(mvtec_root, output=tmp_path / "out", seeds=(0, 1), n_overlays=0)
    return tmp_path / "out"


@pytest.mark.parametrize(
    "fewer", [{"categories": "bolt", "seeds": (0, 1)}, {"seeds": (0,)}, {"seeds": (2,)}]
)
def test_fewer_or_other_categories_and_seeds_are_refused(
    mvtec_root: Path, full: Path, fewer: dict[str, object]
) -> None:
    before = (full / "results.json").read_bytes()
    with pytest.raises(InvalidInputError, match="holds a report of 4 results .* would be lost"):
        bench(mvtec_root, output=full, n_overlays=0, **fewer)
    assert (full / "results.json").read_bytes() == before


def test_more_of_them_go_on_from_there(mvtec_root: Path, full: Path) -> None:
    bench(mvtec_root, output=full, seeds=(0, 1, 2), n_overlays=0)
    assert len(held(full)) == 6


def test_overwrite_is_the_users_word(mvtec_root: Path, full: Path) -> None:
    bench(mvtec_root, output=full, categories="bolt", overwrite=True, n_overlays=0)
    assert held(full) == [("bolt", 0)]


def test_a_run_that_stops_early_leaves_the_fuller_report(mvtec_root: Path, full: Path) -> None:
    before = (full / "results.json").read_bytes()

    def stop(one: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench(mvtec_root, output=full, seeds=(0, 1), n_overlays=0, on_result=stop)
    assert (full / "results.json").read_bytes() == before


def test_a_comparison_of_fewer_models_is_refused(mvtec_root: Path, tmp_path: Path) -> None:
    specs = [ModelSpec("patchcore", {**OPTIONS, "n_neighbors": k}, f"k{k}") for k in (1, 2)]
    common = {"dataset": "mvtec", "root": mvtec_root, "output": tmp_path, "n_overlays": 0}
    run_comparison(specs, categories="bolt", **common)
    before = (tmp_path / "results.json").read_bytes()
    for fewer, categories in ((specs[:1], "bolt"), (specs, "cloth")):
        with pytest.raises(InvalidInputError, match="such as k1, bolt, seed 0|such as k2, bolt"):
            run_comparison(fewer, categories=categories, **common)
    assert (tmp_path / "results.json").read_bytes() == before
    run_comparison(specs, categories="all", **common)
    runs = json.loads((tmp_path / "results.json").read_text())["runs"]
    assert [len(run["categories"]) for run in runs] == [2, 2]


def test_a_report_of_another_origin_is_not_replaced(mvtec_root: Path, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(OSError, match=r"report\.html is there already"):
        bench(mvtec_root, output=tmp_path, n_overlays=0)
    assert (tmp_path / "report.html").read_text() == "mine"
