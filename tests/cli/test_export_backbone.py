from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from pyimgano.cli import benchmark, detector_options, main
from pyimgano.features.backbones.onnx.backbone import OnnxBackbone
from pyimgano.features.backbones.onnx.file import load_onnx
from tests.features.onnx_support import tiny

SMALL = ["--layers", "fine", "coarse", "--image-size", "48x64", "--quiet"]


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.onnx"
    file.write_bytes(tiny())
    return file


def test_a_network_is_exported_and_used(
    tmp_path: Path, mvtec_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    torch.manual_seed(0)
    weights, file = tmp_path / "w.pth", tmp_path / "r18.onnx"
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), weights)
    export = ["export-backbone", "resnet18", "--weights", str(weights), "-o", str(file)]
    assert main.main([*export, "--image-size", "64"]) == 0
    digest = OnnxBackbone(file).info.origin["weights_sha256"]
    size = len(file.read_bytes()) / 1e6
    assert capsys.readouterr().out == (
        f"{file}: resnet18, outputs layer2 layer3, {size:.1f} MB, SHA-256 {digest}\n"
    )
    metadata = load_onnx(file).metadata
    assert json.loads(metadata["layers"]) == ["layer2", "layer3"]
    assert (metadata["backbone"], metadata["weights"]) == ("resnet18", "w.pth")
    run = ["benchmark", "--dataset", "mvtec", "--root", str(mvtec_root), "--category", "bolt"]
    assert main.main([*run, "--backbone", str(file), "--image-size", "64", "--json"]) == 0
    parameters = json.loads(capsys.readouterr().out)["parameters"]
    assert (parameters["backbone"], parameters["engine"]) == (str(file), None)


def test_mistakes_in_an_export_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    cases = {
        "must end in .onnx": ["resnet18", "-o", str(tmp_path / "r18.pt")],
        "'resnet19'; did you mean 'resnet18'": ["resnet19", "-o", str(tmp_path / "r.onnx")],
        "gone.pth' does not exist": ["resnet18", "-o", "r.onnx", "--weights", "gone.pth"],
    }
    for message, argv in cases.items():
        assert main.main(["export-backbone", *argv]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("pyimgano export-backbone: error: ")
        assert message in line
    assert list(tmp_path.iterdir()) == []


def test_the_benchmark_runs_an_onnx_file_by_the_engine_given(
    backbone: Path, mvtec_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--dataset", "mvtec", "--root", str(mvtec_root), "--category", "bolt", *SMALL]
    argv += ["--backbone", str(backbone), "--output", str(tmp_path / "out")]
    assert benchmark.main([*argv, "--engine", "opencv"]) == 0
    saved = json.loads((tmp_path / "out/results.json").read_text())
    assert saved["parameters"]["engine"] == "opencv"
    capsys.readouterr()
    assert benchmark.main([*argv, "--overwrite", "--engine", "tvm"]) == 2
    assert "unknown engine 'tvm'" in capsys.readouterr().err
    assert (
        benchmark.main([*argv, "--backbone", "filterbank", "--overwrite", "--engine", "opencv"])
        == 2
    )


def test_in_a_comparison_each_backbone_gets_the_options_it_has() -> None:
    parser = argparse.ArgumentParser()
    detector_options.add_detector_options(parser, backbone="resnet18", several=True)
    models = ["patchcore:embedded", "patchcore:filterbank", "patchcore:a.onnx", "patchcore"]
    given = ["--engine", "openvino", "--weights", "w.pth", "--layers", "layer2"]
    args = parser.parse_args(["--model", *models, *given])
    assert [dict(spec.parameters) for spec in detector_options.detector_specs(args)] == [
        {"backbone": "embedded", "engine": "openvino", "layers": ["layer2"]},
        {"backbone": "filterbank"},
        {"backbone": "a.onnx", "layers": ["layer2"], "engine": "openvino"},
        {
            "backbone": "resnet18",
            "weights": "w.pth",
            "layers": ["layer2"],
            "engine": "openvino",
        },
    ]
