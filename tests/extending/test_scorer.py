"""A scorer of the plugin is a detector by its name, in files and in new processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyimgano import load
from pyimgano.errors import DetectorFileError
from tests.conftest import write_mvtec
from tests.extending.support import run, scores_of

SIZES = ("--backbone", "embedded", "--image-size", "48")


def test_fit_save_load_and_predict_in_new_processes(installed: Path, tmp_path: Path) -> None:
    root, file = write_mvtec(tmp_path / "set", ["bolt"]) / "bolt", tmp_path / "bolt.pyimgano"
    good, tests = str(root / "train/good"), sorted(map(str, (root / "test").rglob("*.png")))
    done = run(installed, "fit", good, "--model", "deviation", *SIZES, "--output", str(file))
    assert done.returncode == 0, done.stderr
    scores = scores_of(installed, file, tests)
    assert min(scores[:3]) > max(scores[3:])  # blot comes before good
    done = run(installed, "predict", str(file), *tests, "--jsonl")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["score"] for line in done.stdout.splitlines()] == scores
    # Where the package is not installed, the error says what is missing.
    with pytest.raises(DetectorFileError, match="unknown scorer 'deviation'"):
        load(file)


def test_benchmark_its_report_and_the_listings_have_it(installed: Path, tmp_path: Path) -> None:
    root, out = write_mvtec(tmp_path / "set", ["bolt"]), tmp_path / "out"
    words = ("--dataset", "mvtec", "--root", str(root), "--model", "deviation", *SIZES)
    done = run(installed, "benchmark", *words, "--output", str(out))
    assert done.returncode == 0, done.stderr
    results = json.loads((out / "results.json").read_text())
    assert results["model"] == "deviation"
    assert results["categories"][0]["metrics"]["auroc"] == 1.0
    assert "deviation" in (out / "report.html").read_text()
    listed = run(installed, "models").stdout
    assert "Standard deviations from the mean patch" in listed
    assert "deviation" in run(installed, "benchmark", "--help").stdout
