"""Maps that a run keeps, and tables of parts of the test images."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from pyimgano.cli import benchmark
from pyimgano.errors import InvalidInputError
from pyimgano.reporting.report import report_schema, save_run_report
from pyimgano.reporting.results import BenchmarkResult, CategoryResult, ImageResult
from pyimgano.reporting.subsets import subsets
from pyimgano.reporting.table import benchmark_table, markdown_table, subset_table
from tests.pipelines.test_benchmark_run import bench


@pytest.mark.parametrize("kind", ["tiff", "npy"])
def test_maps_are_kept_as_floats_of_each_images_size(
    mvtec_root: Path, tmp_path: Path, kind: str
) -> None:
    result = bench(mvtec_root, output=tmp_path, categories="bolt", maps=kind, seeds=(0, 1))
    first, second = result.categories
    assert len(first.images) == 6
    for number, image in enumerate(first.images):
        name = image.pictures["map"]
        assert name == f"maps/bolt-seed0/{number:04d}_{Path(image.path).stem}.{kind}"
        path = tmp_path / name
        found = np.load(path) if kind == "npy" else cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert found.dtype == np.float32
        assert found.shape == cv2.imread(image.path).shape[:2]
        # The score of an image is about its map's peak: the right map is in the file.
        assert found.max() > 0
    peaks = [np.asarray(_read(tmp_path / i.pictures["map"])).max() for i in first.images]
    assert np.argmax(peaks) == np.argmax([i.score for i in first.images])
    assert all("map" not in i.pictures for i in second.images)
    # A file that is gone is made again.
    (tmp_path / first.images[0].pictures["map"]).unlink()
    again = bench(mvtec_root, output=tmp_path, categories="bolt", maps=kind, seeds=(0, 1))
    assert (tmp_path / again.categories[0].images[0].pictures["map"]).is_file()


def _read(path: Path) -> np.ndarray:
    return np.load(path) if path.suffix == ".npy" else cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_maps_of_another_kind_or_without_a_folder_are_refused(
    mvtec_root: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match="maps are kept as tiff or npy, not 'png'"):
        bench(mvtec_root, output=tmp_path, maps="png")
    with pytest.raises(InvalidInputError, match="maps need an output folder"):
        bench(mvtec_root, maps="npy")


def images() -> list[ImageResult]:
    """Four parts with two views each: good, good, dent, scratch; light alternates."""
    scores = [0.1, 0.5, 0.2, 0.3, 0.4, 0.9, 0.35, 0.8]
    kinds = [None, None, None, None, "dent", "dent", "scratch", "scratch"]
    return [
        ImageResult(
            f"/data/bolt/{i}.png",
            int(kind is not None),
            score,
            0,
            defect_type=kind,
            group=f"part {i // 2}",
            attributes={"light": "dark" if i % 2 else "bright"},
        )
        for i, (score, kind) in enumerate(zip(scores, kinds, strict=True))
    ]


def run(by: list[str]) -> BenchmarkResult:
    one = CategoryResult("bolt", 0, 4, 8, 4, {"auroc": 14 / 16}, images=images(), threshold=0.0)
    return BenchmarkResult("mvtec", "/data", "m", "M()", {}, "exact", {}, [one], by=by)


def test_parts_are_counted_by_hand() -> None:
    found = {one.name: one for one in subsets([images()], ["defect", "group", "attribute"])}
    assert list(found) == [
        "dent",
        "scratch",
        "parts",
        "parts, mean of their images",
        "light=bright",
        "light=dark",
    ]
    auroc = {name: one.estimate("auroc") for name, one in found.items()}
    values = {name: None if e is None else e.value for name, e in auroc.items()}
    # Normal scores are 0.1, 0.5, 0.2, 0.3; of parts the higher view counts: 0.5, 0.3, 0.9, 0.8,
    # or the mean of both: 0.3, 0.25, 0.65, 0.575.
    assert values == {
        "dent": 7 / 8,
        "scratch": 7 / 8,
        "parts": 1.0,
        "parts, mean of their images": 1.0,
        "light=bright": 1.0,
        "light=dark": 1.0,
    }
    assert [len(one.images[0]) for one in found.values()] == [6, 6, 4, 4, 4, 4]
    with pytest.raises(InvalidInputError, match="by defect, group, attribute, not by 'colour'"):
        list(subsets([images()], ["colour"]))


def test_tables_and_json_have_the_parts_that_were_asked_for(tmp_path: Path) -> None:
    assert subset_table(run([])) is None
    result = run(["defect", "group"])
    lines = benchmark_table(result).splitlines()
    assert lines[-6].split() == ["category", "by", "part", "images", "I-AUROC"]
    assert lines[-4].split()[:5] == ["bolt", "defect", "dent", "6", "0.8750"]
    assert lines[-2].split()[:5] == ["bolt", "group", "parts", "4", "1.0000"]
    assert lines[-1].split()[:8] == [
        "bolt",
        "group",
        "parts,",
        "mean",
        "of",
        "their",
        "images",
        "4",
    ]
    assert "| bolt | defect | dent | 6 | 0.8750 [n/a]" in markdown_table(result).replace("\\", "")
    save_run_report(tmp_path, result)
    data = json.loads((tmp_path / "results.json").read_text())
    assert [(s["name"], s["metrics"]["auroc"]) for s in data["subsets"]] == [
        ("dent", 0.875),
        ("scratch", 0.875),
        ("parts", 1.0),
        ("parts, mean of their images", 1.0),
    ]
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    jsonschema.validate(data, report_schema())


def test_a_set_that_knows_nothing_has_no_table_of_parts() -> None:
    bare = [replace(i, group=None, attributes={}, defect_type=None) for i in images()]
    assert list(subsets([bare], ["defect", "group", "attribute"])) == []


def test_the_command_takes_both(
    mvtec_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--dataset", "mvtec", "--root", str(mvtec_root), "--category", "bolt", "--backbone"]
    words += ["embedded", "--image-size", "48", "--by", "defect", "--maps", "npy"]
    assert benchmark.main([*words, "--output", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "bolt      defect" in out
    with (tmp_path / "out/images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["file"].startswith("bolt/test/")
