"""The released file: folded, rounded, small, and the same network under pyimgano."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="distillation needs the extra pyimgano[export]")

from pyimgano.features.backbones.onnx.backbone import OnnxBackbone  # noqa: E402
from pyimgano.features.patches.layer_maps import LayerPatches  # noqa: E402
from training.errors import TrainingError  # noqa: E402
from training.network import folded, read_network, to_onnx, write_network  # noqa: E402
from training.optimizer import Optimizer, orthogonalise  # noqa: E402
from training.student import Student, new_student  # noqa: E402


@pytest.fixture(scope="module")
def student() -> Student:
    """Random weights, and batch norms that have seen something."""
    network = new_student(3)
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(4, 3, 64, 64))
    return network.eval()


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(2, 3, 96, 64, generator=torch.Generator().manual_seed(1))


def largest(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def test_folding_keeps_every_map(student: Student, image: torch.Tensor) -> None:
    with torch.no_grad():
        for plain, own in zip(folded(student)(image), student(image), strict=True):
            assert largest(plain, own) < 1e-5


def test_maps_have_the_teachers_channels_and_strides(student: Student, image: torch.Tensor) -> None:
    shapes = [tuple(m.shape[1:]) for m in student(image)]
    assert shapes == [(64, 24, 16), (128, 12, 8), (256, 6, 4)]
    assert sum(p.numel() for p in student.parameters()) == 1_429_408


@pytest.mark.parametrize(("form", "off", "megabytes"), [("int8", 0.05, 1.5), ("float16", 2e-3, 3)])
def test_a_rounded_file_is_small_and_close(
    student: Student, image: torch.Tensor, tmp_path: Path, form: str, off: float, megabytes: float
) -> None:
    path = tmp_path / "network.safetensors"
    write_network(path, student, form, {"steps": "7"})
    assert path.stat().st_size < megabytes * 1e6
    read, about = read_network(path)
    assert (about["steps"], about["format"]) == ("7", form)
    with torch.no_grad():
        for rounded, own in zip(read(image), student(image), strict=True):
            assert 0 < largest(rounded, own) < off


def test_a_cut_file_is_named(student: Student, tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    write_network(path, student, "int8", {})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TrainingError, match=r"cut\.safetensors: not a network"):
        read_network(path)


def test_pyimgano_runs_the_onnx_export(student: Student, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="exporting to ONNX needs the extra pyimgano[export]")
    to_onnx(folded(student), tmp_path / "student.onnx")
    features = LayerPatches(OnnxBackbone(tmp_path / "student.onnx", layers=["layer2", "layer3"]))
    rows = features.extract_batch([np.full((72, 104, 3), 0.5, np.float32)])[0].array
    assert rows.shape == (9, 13, 384)


def test_orthogonalised_steps_have_like_singular_values() -> None:
    matrix = torch.randn(48, 144, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(matrix))
    assert 0.6 < float(values.min()) <= float(values.max()) < 1.3
    assert torch.allclose(orthogonalise(matrix.T), orthogonalise(matrix).T, atol=1e-5)


def test_a_step_turns_convolutions_and_keeps_their_norm() -> None:
    network = new_student(0)
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    optimizer = Optimizer(network)
    network(torch.randn(2, 3, 32, 32))[2].square().mean().backward()
    optimizer.step(0.1)
    for name, parameter in network.named_parameters():
        if parameter.ndim == 4 and "layer3" in name:
            now = parameter.detach()
            moved = float((now - before[name]).norm() / before[name].norm())
            assert float(now.norm()) == pytest.approx(float(before[name].norm()), rel=1e-5)
            assert moved == pytest.approx(0.1, rel=0.02)
