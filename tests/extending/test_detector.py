"""A detector of the plugin is a model like any other, and its parameters are options."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import write_mvtec
from tests.extending.support import python, run


@pytest.mark.parametrize("command", ["fit", "detect", "check-good", "benchmark"])
def test_help_has_its_parameters(installed: Path, command: str) -> None:
    said = " ".join(run(installed, command, "--help").stdout.split())
    assert "detector, only for extremes:" in said
    assert "--side S side that images are brought to (default: 64)" in said
    assert "--end {bright,dark} which pixels count (default: bright)" in said


def test_its_options_reach_it_and_the_results(installed: Path, tmp_path: Path) -> None:
    root, out = write_mvtec(tmp_path / "set", ["bolt"]), tmp_path / "out"
    words = ("--dataset", "mvtec", "--root", str(root), "--output", str(out))
    done = run(installed, "benchmark", *words, "--model", "extremes", "--side", "32")
    assert done.returncode == 0, done.stderr
    results = json.loads((out / "results.json").read_text())
    assert results["parameters"]["side"] == 32
    assert "extremes" in (out / "report.html").read_text()


def test_a_value_that_cannot_be_is_one_line(installed: Path, tmp_path: Path) -> None:
    root = write_mvtec(tmp_path / "set", ["bolt"])
    words = ("--dataset", "mvtec", "--root", str(root), "--model", "extremes", "--side", "4")
    done = run(installed, "benchmark", *words)
    assert done.returncode == 2
    assert done.stderr == (
        "pyimgano benchmark: error: --side must be an integer from 8 to 1,024, got 4\n"
    )
    done = run(installed, "benchmark", *words[:-2], "--end", "left")
    assert "argument --end: invalid choice: 'left'" in done.stderr


def test_it_passes_the_checks(installed: Path) -> None:
    check = "from pyimgano import *; from pyimgano.extend import check_detector;"
    done = python(installed, "-c", check + "check_detector(create_model('extremes', side=16))")
    assert done.returncode == 0, done.stderr
