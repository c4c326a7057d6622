"""The example plugin, installed as a distribution of its own, and a run of everything in it."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import texture, with_blot, write_image
from tests.extending.support import PLUGIN, Told, run

SIZE = ("--image-size", "48")
FITTED = {
    "deviation": ("--model", "deviation", "--backbone", "embedded", *SIZE),
    "edges": ("--backbone", "edges", *SIZE),
    "extremes": ("--model", "extremes", "--side", "32"),
    "table": ("--backbone", "embedded", "--knn-backend", "table", *SIZE),
}
HELP = ("fit", "detect", "check-good", "benchmark")


@dataclass(frozen=True)
class Installed:
    """Where the plugin is installed, and what was done with it there.

    Attributes
    ----------
    site
        The folder with the plugin.
    trays
        Photos as the plugin's layout has them.
    out
        The detector files, ``{name}.pyimgano``, and the benchmark's folder, ``benchmark``.
    told
        What the commands said, by the name of what they are about.
    """

    site: Path
    trays: Path
    out: Path
    told: dict[str, Told]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """One process that learns, runs benchmarks and asks for help: no test needs its own."""
    site, out = _install(tmp_path_factory), tmp_path_factory.mktemp("out")
    trays, broken = _write_trays(out / "trays"), _write_trays(out / "broken")
    (broken / "north/photos.csv").write_text("file,split\n0.png,train\n")
    good = [str(trays / "north" / f"{i}.png") for i in range(4)]
    models = ("--model", "deviation:embedded", "patchcore:edges")
    benchmark = ("benchmark", "--dataset", "trays", "--root", str(trays))
    chosen = ("--knn-backend", "table", "--metrics", "auroc", "aupro", "contrast")
    commands = {
        **{
            name: ("fit", *good, *words, "-o", f"{out / name}.pyimgano")
            for name, words in FITTED.items()
        },
        "benchmark": (
            *(*benchmark, *models, "extremes", *SIZE, *chosen, "--side", "32"),
            *("--output", str(out / "benchmark")),
        ),
        "broken layout": (
            *("benchmark", "--dataset", "trays", "--root", str(broken), "--json"),
            *("--model", "deviation:embedded", *SIZE),
        ),
        "unknown layout": ("benchmark", "--dataset", "tray", "--root", str(trays)),
        "bad number": (*benchmark, "--model", "extremes", "--side", "4"),
        "bad choice": (*benchmark, "--model", "extremes", "--end", "left"),
        **{f"{name} --help": (name, "--help") for name in HELP},
        "models": ("models",),
    }
    told = dict(zip(commands, run(site, list(commands.values())), strict=True))
    return Installed(site, trays, out, told)


def _install(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plugin as pip leaves it; nothing is downloaded."""
    source = tmp_path_factory.mktemp("source") / "plugin"
    shutil.copytree(PLUGIN, source, ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path_factory.mktemp("site")
    offline = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--no-compile"]
    words = ["install", *offline, "--disable-pip-version-check", "--target", str(target)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *words, str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


def _write_trays(root: Path) -> Path:
    """Two trays with four photos to learn from and four to check, two with a blot."""
    mask = np.zeros((48, 64), np.uint8)
    mask[16:28, 24:36] = 255
    for tray in ("north", "south"):
        rows = [("file", "split", "defect", "mask", "part", "side")]
        for i in range(8):
            name, bad = f"{i}.png", i >= 6
            write_image(root / tray / name, with_blot(texture(i)) if bad else texture(i))
            split, side = "train" if i < 4 else "test", "top" if i % 2 else "bottom"
            rows.append((name, split, "blot" * bad, "mask.png" * bad, f"p{i // 2}", side))
        write_image(root / tray / "mask.png", mask)
        with (root / tray / "photos.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    return root
