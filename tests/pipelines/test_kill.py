"""A run that is killed for real, and goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pyimgano.cli import main

SEEDS = [str(seed) for seed in range(6)]
TIMINGS = ("fit_seconds", "ms_per_image", "stage_seconds", "peak_memory_mb", "model_memory_mb")


def command(root: Path, output: Path) -> list[str]:
    return ["benchmark", "--dataset", "mvtec", "--root", str(root), "--backbone", "embedded",
            "--image-size", "48x64", "--contamination", "0.2", "--overlays", "2", "--quiet",
            "--output", str(output), "--seed", *SEEDS]  # fmt: skip


def results(output: Path) -> list[dict[str, Any]]:
    """Finished categories as written, but for what is measured in seconds and bytes."""
    categories = json.loads((output / "results.json").read_text())["categories"]
    return [{k: v for k, v in c.items() if k not in TIMINGS} for c in categories]


def finished(output: Path) -> dict[str, int]:
    """Names and times of the files that hold finished categories."""
    return {p.name: p.stat().st_mtime_ns for p in (output / "categories").glob("*.json")}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL on this system")
def test_a_run_that_is_killed_half_way_ends_as_if_it_had_not_been(
    mvtec_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(command(mvtec_root, tmp_path / "whole")) == 0
    output = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, "-m", "pyimgano", *command(mvtec_root, output)],
        stdout=subprocess.DEVNULL,
    ) as process:
        while len(finished(output)) < 3:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.002)
        process.kill()
    assert process.returncode == -9
    kept = finished(output)
    assert 3 <= len(kept) < 2 * len(SEEDS)

    assert main.main(command(mvtec_root, output)) == 0
    after = finished(output)
    assert len(after) == 2 * len(SEEDS)
    # None that was finished was computed, or even written, again.
    assert {name: after[name] for name in kept} == kept
    assert results(output) == results(tmp_path / "whole")
    capsys.readouterr()
