"""A network of torch that an earlier run has exported: known, and run, without torch."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, WeightsError

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("torchvision", reason="torchvision is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

from pyimgano.features.backbones.cache import keep_cached  # noqa: E402
from pyimgano.features.backbones.timm import TimmBackbone  # noqa: E402
from pyimgano.features.backbones.torchvision import TorchvisionBackbone  # noqa: E402

BATCH = np.random.default_rng(0).standard_normal((2, 3, 64, 48)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYIMGANO_CACHE", os.fspath(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of random weights for the first layer of a ResNet-18."""
    network = TorchvisionBackbone("resnet18", pretrained=False, layers=["layer1"])
    torch.save(network.body.state_dict(), tmp_path / "layer1.pth")
    return tmp_path / "layer1.pth"


def resnet(weights: Path, **given: object) -> TorchvisionBackbone:
    given = {"layers": ["layer1"], "engine": "opencv"} | given
    return TorchvisionBackbone("resnet18", weights=weights, **given)  # type: ignore[arg-type]


def is_made(network: TorchvisionBackbone | TimmBackbone) -> bool:
    """Whether torch has built it."""
    return "body" in vars(network)


def test_the_second_time_it_is_not_made(folder: Path, weights: Path) -> None:
    first, second = resnet(weights), resnet(weights)
    assert (is_made(first), is_made(second)) == (True, False)
    assert second.info == first.info
    assert second.parameters_sha256() == first.parameters_sha256()
    for a, b in zip(first.layer_maps(BATCH), second.layer_maps(BATCH), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not is_made(second)
    for a, b in zip(first.maps_by_torch(BATCH), second.maps_by_torch(BATCH), strict=True):
        assert torch.equal(a, b)
    assert is_made(second)


def test_a_command_of_it_imports_no_torch(folder: Path, weights: Path) -> None:
    maps = resnet(weights).layer_maps(BATCH)
    np.save(folder / "maps.npy", maps[0])
    code = f"""
        import sys
        sys.modules["torch"] = None  # installed, but not to be imported
        import numpy as np
        from pyimgano.features.build import build_features
        from pyimgano.models import create_model
        given = dict(layers=["layer1"], weights={os.fspath(weights)!r}, engine="opencv")
        network = build_features("resnet18", **given).backbone
        batch = np.random.default_rng(0).standard_normal((2, 3, 64, 48)).astype(np.float32)
        np.testing.assert_array_equal(
            network.layer_maps(batch)[0], np.load({os.fspath(folder / "maps.npy")!r})
        )
        good = list(np.random.default_rng(0).integers(0, 255, (10, 64, 64), np.uint8))
        detector = create_model("patchcore", backbone="resnet18", image_size=64, **given)
        detector.fit(good).save({os.fspath(folder / "detector")!r})
        assert not [name for name in sys.modules if name.startswith("torch") and name != "torch"]
        try:
            network.body
        except ImportError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("torch ")  # what is missing, where torch itself is asked for


def test_other_weights_under_the_same_name_are_another_network(folder: Path, weights: Path) -> None:
    first = resnet(weights)
    state = torch.load(weights)
    state["conv1.weight"] *= 2
    torch.save(state, weights)
    second = resnet(weights)
    assert is_made(second)
    assert second.parameters_sha256() != first.parameters_sha256()


def test_weights_that_change_while_a_run_goes_on_are_told_of(folder: Path, weights: Path) -> None:
    resnet(weights)
    known = resnet(weights)
    state = torch.load(weights)
    state["conv1.weight"] *= 2
    torch.save(state, weights)
    with pytest.raises(WeightsError, match="the parameters of resnet18 changed since an export"):
        known.maps_by_torch(BATCH)


def test_a_damaged_description_is_as_if_there_were_none(folder: Path, weights: Path) -> None:
    first = resnet(weights)
    (file,) = folder.glob("*.network")
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    second = resnet(weights)
    assert is_made(second)
    assert second.info == first.info
    assert file.read_bytes() == content


@pytest.mark.parametrize("facts", ["[]", "{}", '{"blocks": 3, "info": {}}', "no JSON"])
def test_a_description_of_another_form_is_as_if_there_were_none(
    facts: str, folder: Path, weights: Path
) -> None:
    first = resnet(weights)
    (file,) = folder.glob("*.network")
    keep_cached(file.name, facts.encode())
    second = resnet(weights)
    assert is_made(second)
    assert second.info == first.info
    assert not is_made(resnet(weights))


def test_without_its_export_it_is_made_and_exported_again(folder: Path, weights: Path) -> None:
    resnet(weights)
    (file,) = folder.glob("*.export")
    file.unlink()
    second = resnet(weights)
    assert file.is_file()
    for a, b in zip(second.maps_by_torch(BATCH), second.layer_maps(BATCH), strict=True):
        np.testing.assert_allclose(b, a.numpy(), rtol=0, atol=1e-4 * float(a.abs().max()))


def test_another_device_is_refused_as_ever(folder: Path, weights: Path) -> None:
    resnet(weights)
    with pytest.raises(InvalidInputError, match="computes on the CPU: leave out device='cuda'"):
        resnet(weights, device="cuda")


def test_a_transformer_is_known_by_the_blocks_that_a_method_takes(folder: Path) -> None:
    pytest.importorskip("timm", reason="timm is not installed")

    def network(*picked: int) -> TimmBackbone:
        return TimmBackbone(
            "test_vit", pretrained=False, engine="opencv", blocks=lambda depth: picked or None
        )

    batch = BATCH[:, :, :32, :32]
    first = network(0, 2)
    expected = first.layer_maps(batch)
    second = network(0, 2)
    assert not is_made(second)
    assert [one.name for one in second.info.layers] == ["blocks.0", "blocks.2"]
    for a, b in zip(expected, second.layer_maps(batch), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not is_made(second)
    second.layer_maps(BATCH[:, :, :32, :16])  # of a size that was not exported
    assert is_made(second)
    other = network(1)
    assert is_made(other)
    assert [one.name for one in other.info.layers] == ["blocks.1"]
    assert not is_made(network(0, 2))  # neither takes the place of the other
    assert not is_made(network(1))
