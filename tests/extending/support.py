"""Programs that start where the example plugin is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyimgano

PLUGIN = Path(__file__).parent / "plugin"


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own that finds what is installed in a folder."""
    ours = str(Path(pyimgano.__file__).parents[1])
    path = os.pathsep.join([str(folder), ours])
    return subprocess.run(
        [sys.executable, "-W", "ignore", *words],
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """``pyimgano`` in such a process."""
    return python(folder, "-m", "pyimgano", *words)


def scores_of(folder: Path, file: Path, images: Sequence[str]) -> list[float]:
    """What a detector file says of images, where it is loaded in such a process."""
    script = "import json, pyimgano, sys; detector = pyimgano.load(sys.argv[1]);"
    script += "print(json.dumps(detector.decision_function(sys.argv[2:]).tolist()))"
    done = python(folder, "-c", script, str(file), *images)
    assert done.returncode == 0, done.stderr
    scores: list[float] = json.loads(done.stdout)
    return scores
