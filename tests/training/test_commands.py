"""The way from a folder of one's own photos to a network, command by command."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="distillation needs the extra pyimgano[export]")

from tests.conftest import texture, write_image  # noqa: E402
from training.__main__ import main  # noqa: E402
from training.network import read_network  # noqa: E402


@pytest.mark.slow
def test_from_own_photos_to_a_network_file(tmp_path: Path, teacher_file: Path) -> None:
    for i in range(13):
        write_image(tmp_path / f"line/{i}.png", texture(i, (200, 240)))
    store, run, cool = (str(tmp_path / name) for name in ("store", "run", "cool"))
    network = tmp_path / "own.safetensors"
    common = ["--store", store, "--teacher", str(teacher_file)]
    trained = ["--source", f"{run}/latest.safetensors"]
    settled = ["--source", f"{cool}/latest.safetensors"]
    for words in (
        ["prepare", "--store", store, "--pictures", str(tmp_path / "line"), "--rendered", "2"],
        ["run", *common, "--run", run, "--steps", "16"],
        ["cooldown", *common, "--run", cool, *trained, "--steps", "16"],
        ["export", *settled, "--network", str(network), "--format", "float16"],
    ):
        assert main(words) == 0, words
    assert network.stat().st_size < 3_000_000
    assert read_network(network)[1]["steps"] == "32"


def test_a_missing_checkpoint_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", "--source", str(tmp_path / "none"), "--network", str(tmp_path / "n")]
    assert main(words) == 2
    assert capsys.readouterr().err == f"error: {tmp_path}/none: no such checkpoint\n"
