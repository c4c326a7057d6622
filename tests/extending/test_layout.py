"""A layout from another package is a set for every command, in new processes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import texture, with_blot, write_image
from tests.extending.support import run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two trays with four photos to learn from and four to check."""
    mask = np.zeros((48, 64), np.uint8)
    mask[16:28, 24:36] = 255
    for tray in ("north", "south"):
        rows = [("file", "split", "defect", "mask", "part", "side")]
        for i in range(8):
            name, bad = f"{i}.png", i >= 6
            write_image(
                tmp_path / "trays" / tray / name, with_blot(texture(i)) if bad else texture(i)
            )
            split = "train" if i < 4 else "test"
            side = "top" if i % 2 else "bottom"
            rows.append((name, split, "blot" * bad, "mask.png" * bad, f"p{i // 2}", side))
        write_image(tmp_path / "trays" / tray / "mask.png", mask)
        with (tmp_path / "trays" / tray / "photos.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    return tmp_path / "trays"


def test_the_benchmark_its_report_and_its_help_know_the_layout(
    root: Path, installed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ("--dataset", "trays", "--root", str(root), "--image-size", "48", "--backbone")
    done = run(installed, "benchmark", *words, "embedded", "--output", str(out))
    assert done.returncode == 0, done.stderr
    assert (out / "report.html").stat().st_size > 10_000
    north, south = json.loads((out / "results.json").read_text())["categories"]
    assert (north["category"], north["n_train"], north["n_test"], north["n_defect"]) == (
        *("north", 4, 4, 2),
    )
    assert north["metrics"]["auroc"] == south["metrics"]["auroc"] == 1.0
    assert north["metrics"]["aupro"] > 0.8
    last = north["images"][-1]
    assert (last["defect_type"], last["group"], last["attributes"]) == (
        *("blot", "p3", {"side": "top"}),
    )
    assert "synthetic, trays, visa" in run(installed, "benchmark", "--help").stdout


def test_an_unknown_name_lists_it_among_the_nearest(root: Path, installed: Path) -> None:
    done = run(installed, "benchmark", "--dataset", "tray", "--root", str(root))
    assert done.returncode != 0
    assert "unknown dataset 'tray'; did you mean 'trays' or" in done.stderr


def test_a_table_without_a_column_fails_its_tray_alone(root: Path, installed: Path) -> None:
    (root / "north/photos.csv").write_text("file,split\n0.png,train\n")
    words = ("--dataset", "trays", "--root", str(root), "--image-size", "48", "--backbone")
    done = run(installed, "benchmark", *words, "embedded")
    assert done.returncode != 0
    assert "layout 'trays' failed with KeyError: 'defect'" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "south" in done.stdout
