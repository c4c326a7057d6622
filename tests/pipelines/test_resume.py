from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pyimgano.datasets import Dataset, FolderLayout
from pyimgano.errors import InvalidInputError, OutputError
from pyimgano.extend import MetricInfo, MetricResult, register_metric
from pyimgano.features.backbones.embedded.networks import NETWORKS, NEWEST
from pyimgano.pipelines import category_job
from pyimgano.pipelines.checkpoints import images_digest, weights_digest
from pyimgano.reporting.results import BenchmarkResult, CategoryResult
from tests.conftest import texture, write_image
from tests.extending.plugin.pyimgano_example_plugin.backbone import Edges
from tests.extending.plugin.pyimgano_example_plugin.neighbors import TableNeighbors
from tests.pipelines.test_benchmark_run import bench


def without_timings(one: CategoryResult) -> CategoryResult:
    return replace(
        one,
        fit_seconds=0,
        ms_per_image=0,
        stage_seconds={},
        peak_memory_mb=None,
        model_memory_mb={},
    )


def same(a: BenchmarkResult, b: BenchmarkResult) -> bool:
    return [without_timings(c) for c in a.categories] == [without_timings(c) for c in b.categories]


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the categories that are really computed, as they come."""
    seen: list[str] = []
    real = category_job.evaluate_category

    def counting(*args: object, **kwargs: object) -> CategoryResult:
        seen.append(f"{kwargs['category']}-{kwargs['seed']}")
        return real(*args, **kwargs)

    monkeypatch.setattr(category_job, "evaluate_category", counting)
    return seen


def test_a_run_that_was_killed_goes_on_where_it_stopped(
    mvtec_root: Path, tmp_path: Path, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bench(mvtec_root, output=tmp_path / "whole", seeds=(0, 1))
    assert computed == ["bolt-0", "bolt-1", "cloth-0", "cloth-1"]
    computed.clear()

    def stop(one: CategoryResult) -> None:
        if (one.category, one.seed) == ("bolt", 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench(mvtec_root, output=tmp_path / "out", seeds=(0, 1), on_result=stop)
    assert computed == ["bolt-0", "bolt-1"]
    computed.clear()
    # What a process leaves behind that dies while it writes.
    folder = tmp_path / "out/categories"
    half = (folder / "bolt-seed0.json").read_text()
    (folder / ".cloth-seed0.json.1.tmp").write_text(half[: len(half) // 2])
    (folder / "cloth-seed1.json").write_text(half[: len(half) // 2])
    resumed = bench(mvtec_root, output=tmp_path / "out", seeds=(0, 1))
    assert computed == ["cloth-0", "cloth-1"]
    assert same(resumed, whole)
    computed.clear()
    again = bench(mvtec_root, output=tmp_path / "out", seeds=(0, 1))
    assert computed == []
    assert same(again, whole)
    data = json.loads((tmp_path / "out/results.json").read_text())
    assert data == json.loads(json.dumps(again.to_json()))


def test_infinite_thresholds_and_undefined_metrics_survive_the_disk(
    mvtec_root: Path, tmp_path: Path, computed: list[str]
) -> None:
    for path in sorted((mvtec_root / "bolt/train/good").iterdir())[1:]:
        path.unlink()
    for path in (mvtec_root / "bolt/test/blot").iterdir():
        path.unlink()
    (mvtec_root / "bolt/test/blot").rmdir()
    first = bench(mvtec_root, categories="bolt", output=tmp_path / "out").categories[0]
    again = bench(mvtec_root, categories="bolt", output=tmp_path / "out").categories[0]
    assert computed == ["bolt-0"]
    assert first.threshold == again.threshold == float("inf")
    assert first.metrics.keys() == again.metrics.keys()
    assert again.metrics["auroc"] != again.metrics["auroc"]


def test_failed_categories_are_tried_again(
    mvtec_root: Path, tmp_path: Path, computed: list[str]
) -> None:
    bad = mvtec_root / "bolt/train/good/000.png"
    good = bad.read_bytes()
    bad.write_bytes(b"")
    assert len(bench(mvtec_root, output=tmp_path / "out").failed) == 1
    bad.write_bytes(good)
    computed.clear()
    assert bench(mvtec_root, output=tmp_path / "out").failed == []
    assert computed == ["bolt-0"]


@pytest.mark.usefixtures("own_registries")
def test_a_category_with_a_metric_that_failed_is_tried_again(
    mvtec_root: Path, tmp_path: Path, computed: list[str]
) -> None:
    class Moody:
        """Fails for its first category."""

        infos = (MetricInfo("moody", "Moody", "image"),)
        calls = 0

        def __call__(self, labels: object, scores: object, threshold: object) -> MetricResult:
            Moody.calls += 1
            return MetricResult({"moody": 1 / (Moody.calls - 1)})

    register_metric(Moody())
    options = {"output": tmp_path / "out", "metrics": ["auroc", "moody"]}
    first = bench(mvtec_root, **options)
    assert [c.failed_metrics for c in first.categories] == [["moody"], []]
    assert first.failed == []
    computed.clear()
    again = bench(mvtec_root, **options)
    assert computed == ["bolt-0"]
    assert [c.metrics["moody"] for c in again.categories] == [0.5, 1.0]


def test_objects_are_known_by_their_class_parameters_and_facts(
    mvtec_root: Path, tmp_path: Path, computed: list[str]
) -> None:
    options = {"output": tmp_path / "out", "categories": ["bolt"], "image_size": 48}
    first = bench(mvtec_root, backbone=Edges(), **options)
    assert same(bench(mvtec_root, backbone=Edges(), **options), first)
    assert computed == ["bolt-0"]
    with pytest.raises(
        InvalidInputError, match="layers was .*'stride': 4}, .* there, and is .*'stride': 2}"
    ):
        bench(mvtec_root, backbone=Edges(stride=2), **options)
    namesake = type("Edges", (Edges,), {"__module__": "elsewhere"})
    with pytest.raises(InvalidInputError, match="class was .*, and is 'elsewhere.Edges' here"):
        bench(mvtec_root, backbone=namesake(), **options)


def test_an_object_that_no_second_run_knows_is_named(mvtec_root: Path, tmp_path: Path) -> None:
    # The very same one: an address, which another may have next time, tells nothing.
    options = {"output": tmp_path / "out", "categories": ["bolt"], "knn_backend": TableNeighbors()}
    bench(mvtec_root, **options)
    with pytest.raises(InvalidInputError, match="knn_backend is an object without PARAMETERS"):
        bench(mvtec_root, **options)


def test_other_parameters_in_the_same_folder_are_refused_unless_overwritten(
    mvtec_root: Path, tmp_path: Path, computed: list[str]
) -> None:
    out = tmp_path / "out"
    bench(mvtec_root, categories="bolt", output=out)
    before = (out / "results.json").read_bytes()
    for other, what in (
        ({"metric_size": 32}, "metric_size was None there, and is 32 here"),
        ({"contamination": 0.3}, "contamination was 0.2 there, and is 0.3 here"),
        ({"integration_limit": 0.1}, "integration_limit was 0.3"),
    ):
        with pytest.raises(InvalidInputError, match=what):
            bench(mvtec_root, categories="cloth", output=out, **other)
    assert (out / "results.json").read_bytes() == before
    computed.clear()
    (one,) = bench(
        mvtec_root, categories="bolt", output=out, metric_size=32, overwrite=True
    ).categories
    assert computed == ["bolt-0"]
    assert one.error is None
    bench(mvtec_root, categories="bolt", output=out, metric_size=32)
    assert computed == ["bolt-0"]


def test_changed_images_and_missing_pictures_are_computed_again(
    mvtec_root: Path, tmp_path: Path, computed: list[str]
) -> None:
    out = tmp_path / "out"
    bench(mvtec_root, output=out)
    computed.clear()
    write_image(mvtec_root / "bolt/train/good/006.png", texture(77))
    assert bench(mvtec_root, output=out).categories[0].n_train == 7
    assert computed == ["bolt-0"]
    computed.clear()
    next((out / "pictures/cloth-seed0").glob("*-heat.webp")).unlink()
    bench(mvtec_root, output=out)
    assert computed == ["cloth-0"]


def test_changed_masks_and_what_else_a_set_knows_are_computed_again(
    mvtec_root: Path, tmp_path: Path, computed: list[str]
) -> None:
    out, bolt = tmp_path / "out", mvtec_root / "bolt"
    before = bench(mvtec_root, output=out).categories[0]
    mask = np.zeros((48, 64), np.uint8)
    mask[:4] = 255
    for i in range(3):
        write_image(bolt / f"ground_truth/blot/{i:03d}_mask.png", mask)
    computed.clear()
    after = bench(mvtec_root, output=out).categories[0]
    assert computed == ["bolt-0"]
    assert after.metrics["pixel_auroc"] < before.metrics["pixel_auroc"]
    assert after.metrics["auroc"] == before.metrics["auroc"]
    computed.clear()
    bench(mvtec_root, output=out)
    assert computed == []
    typed, untyped = (
        Dataset(mvtec_root, "bolt", layout=FolderLayout("mvtec", typed=typed))
        for typed in (True, False)
    )
    assert images_digest(typed) != images_digest(untyped)


def test_the_hash_of_a_weights_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(b"one")
    # printf one | sha256sum
    one = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    assert weights_digest({"weights": path}) == weights_digest({"weights": os.fspath(path)}) == one
    path.write_bytes(b"two")
    assert weights_digest({"weights": path, "backbone": "resnet18"}) not in (one, None)
    assert weights_digest({"weights": None, "backbone": "embedded"}) == NETWORKS[NEWEST]
    assert weights_digest({"weights": None, "backbone": "filterbank"}) is None
    assert weights_digest({"weights": "IMAGENET1K_V1"}) is None
    model = tmp_path / "m.onnx"
    model.write_bytes(b"one")
    assert weights_digest({"weights": None, "backbone": os.fspath(model)}) == one


def test_a_full_disk_ends_the_run_with_one_clear_error(
    mvtec_root: Path, tmp_path: Path, full_disk: Callable[[str], None]
) -> None:
    full_disk("seed0.json")
    with pytest.raises(OutputError, match=r"bolt-seed0\.json: No space left on device"):
        bench(mvtec_root, output=tmp_path / "out")
    assert list((tmp_path / "out/categories").iterdir()) == []
