"""A device that is not there, or does not apply, is one line before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyimgano.cli import main
from pyimgano.errors import InvalidInputError
from pyimgano.features.device import check_device
from pyimgano.models import create_model
from tests.conftest import texture, write_image

ABSENT = ("cuda", "cuda:9", "gpu", "0", "banana", "meta", "", "cpu:x")


@pytest.fixture
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("this machine has a GPU")


@pytest.mark.usefixtures("without_gpu")
@pytest.mark.parametrize("device", ABSENT)
def test_a_device_that_is_not_there_is_named_with_those_that_are(device: str) -> None:
    import torch

    message = rf"^torch cannot compute on device={device!r} here: choose cpu$"
    with pytest.raises(InvalidInputError, match=message):
        check_device(torch, device)
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    with pytest.raises(InvalidInputError, match=message):
        create_model("patchcore", backbone="resnet18", device=device).validate()
    check_device(torch, "cpu")
    check_device(torch, torch.device("cpu"))


@pytest.mark.slow
@pytest.mark.usefixtures("without_gpu")
def test_anomalib_is_not_built_for_a_device_that_is_not_there() -> None:
    pytest.importorskip("anomalib", reason="anomalib is not installed")
    with pytest.raises(InvalidInputError, match=r"device='banana' here: choose cpu$"):
        create_model("vision_patchcore_anomalib", device="banana", pretrained=False).validate()


@pytest.mark.parametrize("device", ["cuda", "banana", "cpu:0", ""])
@pytest.mark.parametrize("backbone", ["embedded", "net.onnx"])
def test_a_device_that_does_not_apply_is_an_error(backbone: str, device: str) -> None:
    message = f"'{backbone}' has no use for device={device!r}: leave out device$"
    with pytest.raises(InvalidInputError, match=message):
        create_model("patchcore", backbone=backbone, device=device).validate()


@pytest.fixture
def good(tmp_path: Path) -> str:
    folder = tmp_path / "good"
    folder.mkdir()
    for i in range(3):
        write_image(folder / f"{i}.png", texture(i, (32, 32)))
    return str(folder)


@pytest.mark.parametrize("backbone", ["embedded", "resnet18"])
def test_commands_refuse_a_device_in_one_line_before_any_work(
    backbone: str, good: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if backbone != "embedded":
        pytest.importorskip("torchvision", reason="torchvision is not installed")
    choice = ["--backbone", backbone, "--device", "banana"]
    out = tmp_path / "out"
    fit = ["fit", good, "-o", str(out)]
    parts = tmp_path / "parts"
    parts.mkdir()
    write_image(parts / "part.png", texture(9, (32, 32)))
    detect = ["detect", "--normal", good, "--test", str(parts), "--output", str(out)]
    for command in (fit, detect):
        assert main.main([*command, *choice]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert "device='banana'" in err
        assert not out.exists()


def test_a_comparison_refuses_a_device_that_none_of_its_models_has(
    good: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["benchmark", "--dataset", "custom", "--root", good, "--device", "banana"]
    models = ["--model", "patchcore:embedded", "vision_knn", "--output", str(tmp_path / "out")]
    assert main.main([*command, *models]) == 2
    assert "--device: patchcore and vision_knn has no such option" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["good"]
