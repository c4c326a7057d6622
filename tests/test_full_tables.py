"""``make bench-mvtec`` and ``make bench-visa`` on small sets in the layouts that are shipped."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from pyimgano.cli import benchmark
from tests.conftest import REPO
from tests.docs.stand_ins import write_sets, write_weights


def command_of(target: str, root: str) -> list[str]:
    """The arguments that a target gives to ``pyimgano-benchmark``."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    recipe = subprocess.run(
        ["make", "--dry-run", "--always-make", target, f"ROOT={root}", "OUT=out"],
        cwd=REPO, capture_output=True, text=True, check=True,
    ).stdout.replace("\\\n", " ")  # fmt: skip
    (line,) = [line for line in recipe.splitlines() if "pyimgano-benchmark" in line]
    return shlex.split(line)[1:]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "root", "categories"),
    [
        ("bench-mvtec", "mvtec_ad", ["cookie", "screw"]),
        ("bench-visa", "VisA", ["candle", "pcb1"]),
    ],
)
def test_the_table_has_every_category_both_backbones_all_metrics_time_and_memory(
    target: str,
    root: str,
    categories: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("torchvision", reason="needs the extra torch")
    write_sets(tmp_path)
    write_weights(tmp_path, tmp_path / "torch")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.chdir(tmp_path)
    assert benchmark.main(command_of(target, root)) == 0
    lines = capsys.readouterr().out.splitlines()
    header = re.split(r"  +", lines[0])
    assert header == ["category", "model", "I-AUROC", "I-AP", "I-F1max", "P-AUROC", "P-AP",
                      "AUPRO", "fit s", "ms/img", "peak MB"]  # fmt: skip
    models = ["patchcore:wide_resnet50_2", "patchcore:embedded"]
    rows = [line.split() for line in lines[2:8]]
    assert [row[:2] for row in rows] == [[c, m] for c in [*categories, "mean"] for m in models]
    assert all(float(number) > 0 for row in rows for number in row[2:])
    assert (tmp_path / f"out/{target}/report.html").is_file()
