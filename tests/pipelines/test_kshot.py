from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from pyimgano.errors import DatasetError, InvalidInputError, InvalidTypeError
from pyimgano.pipelines.kshot import KShotResult, draw_shots, kshot_table, run_kshot
from pyimgano.pipelines.mvtec_visa import run_benchmark
from pyimgano.reporting.results import CategoryResult

# Thresholds of so few images are not what is measured here.
pytestmark = pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")
OPTIONS = {"backbone": "filterbank", "image_size": (48, 64), "contamination": 0.2}


def kshot(root: Path, **kwargs: object) -> list[KShotResult]:
    given = {"category": "bolt", "seeds": (0, 1), **OPTIONS, **kwargs}
    return run_kshot(dataset="mvtec", root=root, **given)


def test_draws_are_seeded_sorted_without_repeats_and_nested() -> None:
    paths = [f"{i:02d}" for i in range(20)]
    for seed in range(5):
        draws = [draw_shots(paths, k, seed) for k in (1, 4, 20)]
        assert draws == [draw_shots(paths, k, seed) for k in (1, 4, 20)]
        assert [len(set(d)) for d in draws] == [1, 4, 20]
        assert set(draws[0]) < set(draws[1]) < set(draws[2])
        assert draws[1] == sorted(draws[1])
    assert len({draw_shots(paths, 1, seed)[0] for seed in range(20)}) > 5


def test_each_k_has_one_run_per_seed_on_the_whole_test_set(mvtec_root: Path) -> None:
    seen = []
    results = kshot(mvtec_root, k=(2, 4), on_result=lambda k, one: seen.append((k, one.seed)))
    assert [r.k for r in results] == [2, 4]
    assert seen == [(2, 0), (2, 1), (4, 0), (4, 1)]
    for result in results:
        assert [(r.seed, r.n_train, r.n_test, r.n_defect) for r in result.runs] == [
            (seed, result.k, 6, 3) for seed in (0, 1)
        ]
        for name in ("auroc", "aupro"):
            values = [r.metrics[name] for r in result.runs]
            assert result.mean[name] == pytest.approx(np.mean(values))
            assert result.std[name] == pytest.approx(abs(values[0] - values[1]) / math.sqrt(2))
    assert results[1].mean["auroc"] == 1.0


def test_all_images_are_the_benchmark(mvtec_root: Path) -> None:
    (result,) = kshot(mvtec_root, k=6, seeds=[3])
    bench = run_benchmark(
        dataset="mvtec", root=mvtec_root, categories="bolt", seeds=[3], **OPTIONS
    ).categories[0]
    assert result.mean == bench.metrics
    assert result.runs[0].threshold == bench.threshold
    assert all(math.isnan(v) for v in result.std.values())


def test_one_training_image_works_and_its_threshold_is_infinite(mvtec_root: Path) -> None:
    (result,) = kshot(mvtec_root, k=1, seeds=[0])
    assert result.runs[0].threshold == math.inf
    assert result.mean["auroc"] > 0.9
    assert any("infinite" in note for note in result.runs[0].notes)


def test_the_table_shows_mean_and_deviation() -> None:
    runs = [
        CategoryResult("leather", seed, metrics={"auroc": value, "aupro": 0.5})
        for seed, value in enumerate((0.9, 1.0, 0.8))
    ]
    table = kshot_table([KShotResult("leather", 1, runs), KShotResult("leather", 4, runs[:1])])
    assert table.splitlines() == [
        "| category | k | seeds | auroc | pixel_auroc | aupro |",
        "| --- | --- | --- | --- | --- | --- |",
        "| leather | 1 | 3 | 0.900 ± 0.100 | - | 0.500 ± 0.000 |",
        "| leather | 4 | 1 | 0.900 | - | 0.500 |",
    ]


def test_a_k_that_cannot_be_drawn_is_refused_before_any_work(mvtec_root: Path) -> None:
    with pytest.raises(
        InvalidInputError, match="from 1 to 6, the training images of 'bolt'; got 7"
    ):
        kshot(mvtec_root, k=(1, 7))
    with pytest.raises(InvalidInputError, match="got 0"):
        kshot(mvtec_root, k=0)
    with pytest.raises(InvalidTypeError, match=r"k must be integers, got 1\.5"):
        kshot(mvtec_root, k=[1.5])
    with pytest.raises(InvalidInputError, match="seeds is empty"):
        kshot(mvtec_root, seeds=[])
    with pytest.raises(InvalidInputError, match="k is empty"):
        kshot(mvtec_root, k=[])
    shutil.rmtree(mvtec_root / "bolt/test")
    with pytest.raises(DatasetError, match="no test half"):
        kshot(mvtec_root, k=1)


@pytest.mark.slow
def test_leather_with_one_two_and_four_images(shared_data: Path) -> None:
    results = run_kshot(
        dataset="mvtec",
        root=shared_data,
        category="leather",
        k=(1, 2, 4),
        seeds=(0, 1),
        metric_size=256,
        backbone="filterbank",
    )
    print(kshot_table(results))
    assert [r.k for r in results] == [1, 2, 4]
    for result in results:
        assert [run.n_test for run in result.runs] == [15, 15]
        assert result.mean["auroc"] > 0.9
        assert result.mean["aupro"] > 0.9
    assert results[2].mean["auroc"] == 1.0
