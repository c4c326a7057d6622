"""Packages of their own that add to pyimgano, and programs that start where they are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyimgano

HERE = Path(__file__).parent


def install(package: str, folder: Path) -> Path:
    """A module beside this file as an installer leaves it: with the entry point ``register``."""
    shutil.copy(HERE / f"{package}.py", folder)
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    entry = f"[pyimgano.plugins]\n{package} = {package}:register\n"
    (info / "entry_points.txt").write_text(entry)
    return folder


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """``python -m pyimgano`` in a process of its own that finds what is installed in a folder."""
    ours = str(Path(pyimgano.__file__).parents[1])
    path = os.pathsep.join([str(folder), ours])
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "pyimgano", *words],
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
