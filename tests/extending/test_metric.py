"""A metric of the plugin is known to the command line, the tables, the files and the page."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from tests.conftest import write_mvtec
from tests.extending.support import run


def test_the_benchmark_its_files_and_its_page_have_the_figure(
    installed: Path, tmp_path: Path
) -> None:
    root, out = write_mvtec(tmp_path / "set", ["bolt"]), tmp_path / "out"
    words = ("--dataset", "mvtec", "--root", str(root), "--image-size", "48")
    chosen = ("--backbone", "embedded", "--metrics", "auroc", "contrast", "--output", str(out))
    done = run(installed, "benchmark", *words, *chosen)
    assert done.returncode == 0, done.stderr
    (bolt,) = json.loads((out / "results.json").read_text())["categories"]
    assert set(bolt["metrics"]) == {"auroc", "contrast"}
    assert bolt["metrics"]["contrast"] > 1.2
    assert "Contrast" in done.stdout
    assert "Contrast" in (out / "report.html").read_text()
    with (out / "results.csv").open(newline="") as file:
        assert float(next(csv.DictReader(file))["contrast"]) == bolt["metrics"]["contrast"]


def test_help_lists_it_and_a_run_that_names_no_metric_leaves_it_out(
    installed: Path, tmp_path: Path
) -> None:
    assert "contrast" in run(installed, "benchmark", "--help").stdout
    root, out = write_mvtec(tmp_path / "set", ["bolt"]), tmp_path / "out"
    words = ("--dataset", "mvtec", "--root", str(root), "--image-size", "48")
    done = run(installed, "benchmark", *words, "--backbone", "embedded", "--output", str(out))
    assert done.returncode == 0, done.stderr
    (bolt,) = json.loads((out / "results.json").read_text())["categories"]
    assert {"auroc", "aupro"} <= set(bolt["metrics"])
    assert "contrast" not in bolt["metrics"]
