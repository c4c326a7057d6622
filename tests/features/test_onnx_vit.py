"""Vision transformers of timm as ONNX: the same maps under every engine, for one size of image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyimgano.cli import main
from pyimgano.errors import InvalidInputError, MissingDependencyError
from pyimgano.features.backbones.onnx.backbone import OnnxBackbone
from pyimgano.features.build import build_features
from pyimgano.features.normalization import normalised
from pyimgano.models import create_model
from tests.conftest import texture
from tests.features.onnx_support import FOR_ANY_MODEL

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("timm", reason="timm is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

from pyimgano.features.backbones.timm import TimmBackbone  # noqa: E402

#: DINOv2 resizes its table of positions, with registers in another way; DINOv3 has angles instead.
NETWORKS = {
    "vit_small_patch14_dinov2": ((56, 84), ["blocks.0", "blocks.1+norm"]),
    "vit_small_patch14_reg4_dinov2": ((56, 56), ["blocks.1"]),
    "vit_small_patch16_dinov3": ((64, 48), ["blocks.0", "blocks.1+norm"]),
}
_CACHE: dict[str, tuple[TimmBackbone, OnnxBackbone]] = {}


@pytest.fixture(params=NETWORKS)
def exported(request: pytest.FixtureRequest) -> tuple[TimmBackbone, OnnxBackbone]:
    """A network with random weights, and the same as ONNX."""
    name = request.param
    if name not in _CACHE:
        size, layers = NETWORKS[name]
        network = TimmBackbone(name, layers=layers, pretrained=False)
        _CACHE[name] = network, network.to_onnx(image_size=size)
    return _CACHE[name]


def run_by(engine: str, model: OnnxBackbone) -> OnnxBackbone:
    try:
        return OnnxBackbone(model.onnx_bytes(), engine=engine)
    except MissingDependencyError as error:
        pytest.skip(str(error))
    except InvalidInputError as error:
        if "bfloat16" not in str(error):
            raise
        pytest.skip(str(error))


@pytest.mark.parametrize("engine", [*FOR_ANY_MODEL, "openvino-bf16"])
def test_every_engine_gives_what_torch_gives(
    engine: str, exported: tuple[TimmBackbone, OnnxBackbone]
) -> None:
    network, model = exported
    size = model.info.fixed_size
    found = run_by(engine, model)
    for n in (1, 3):  # the number of images is free
        images = [texture(i, size).astype(np.float32) / 255 for i in range(n)]
        batch = normalised(images, network.info.normalization)
        for expected, maps in zip(network.layer_maps(batch), found.layer_maps(batch), strict=True):
            a = expected.numpy()
            assert maps.shape == a.shape
            # bfloat16 keeps 8 bits of each factor.
            tolerance = 1e-5 if engine in FOR_ANY_MODEL else 2e-2
            assert np.abs(maps - a).max() <= tolerance * np.abs(a).max()


def test_the_model_says_what_the_network_is(exported: tuple[TimmBackbone, OnnxBackbone]) -> None:
    network, model = exported
    assert model.info.name == network.info.name
    assert model.info.layers == network.info.layers  # names, channels, stride
    assert model.info.normalization == network.info.normalization
    assert model.info.origin["exported_from"] == {
        "position_embedding": "authors",
        "weights": "random (pretrained=False)",
        "weights_sha256": "",
    }
    assert model.engine == "opencv-new"


def test_another_size_than_the_exported_one_is_refused(
    exported: tuple[TimmBackbone, OnnxBackbone], tmp_path: Path
) -> None:
    network, model = exported
    height, width = model.info.fixed_size
    file = tmp_path / "vit.onnx"
    file.write_bytes(model.onnx_bytes())
    with pytest.raises(
        InvalidInputError,
        match=rf"{network.info.name} cannot take an image of 112 x 112 .* only of {height} x"
        rf" {width}: set image_size",
    ):
        create_model("patchcore", backbone=file, image_size=112).validate()


def test_a_size_between_patches_says_which_would_do() -> None:
    network = TimmBackbone("vit_tiny_patch16_224", layers=["blocks.0"], pretrained=False)
    with pytest.raises(
        InvalidInputError, match="image of 250 x 250 .* of multiples of 16, such as 240 x 240 or"
    ):
        network.to_onnx(image_size=250)


def test_a_model_brings_its_normalization_along(tmp_path: Path) -> None:
    network = TimmBackbone("vit_tiny_patch16_224", layers=["blocks.0"], pretrained=False)
    assert network.info.normalization == ([0.5] * 3, [0.5] * 3)
    file = tmp_path / "vit.onnx"
    file.write_bytes(network.to_onnx(image_size=32).onnx_bytes())
    features = build_features(file)
    image = texture(0, (32, 32)).astype(np.float32) / 255
    batch = normalised([image], ([0.5] * 3, [0.5] * 3))
    expected = network.layer_maps(batch)[0].numpy()
    found = features.backbone.layer_maps(batch)[0]  # type: ignore[attr-defined]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert features.describe()["normalization"] == [[0.5] * 3, [0.5] * 3]


def test_the_command_exports_a_file_of_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import timm

    torch.manual_seed(3)
    network = timm.create_model("vit_tiny_patch16_224", num_classes=0)
    weights, file = tmp_path / "tiny.pth", tmp_path / "tiny.onnx"
    torch.save(network.state_dict(), weights)
    argv = ["export-backbone", "timm:vit_tiny_patch16_224", "--weights", str(weights)]
    argv += ["--layers", "blocks.0", "blocks.2", "-o", str(file)]
    assert main.main([*argv, "--image-size", "250"]) == 2
    assert "only of multiples of 16, such as 240 x 240 or 256 x 256" in capsys.readouterr().err
    assert not file.exists()
    assert main.main([*argv, "--image-size", "32x48"]) == 0
    assert "timm:vit_tiny_patch16_224, outputs blocks.0 blocks.2, " in capsys.readouterr().out
    model = OnnxBackbone(file)
    assert model.info.fixed_size == (32, 48)
    assert model.info.origin["exported_from"]["weights"] == "tiny.pth"
    expected = TimmBackbone(
        "vit_tiny_patch16_224", layers=["blocks.0", "blocks.2"], weights=weights
    )
    batch = np.random.default_rng(0).standard_normal((2, 3, 32, 48)).astype(np.float32)
    for a, b in zip(expected.layer_maps(batch), model.layer_maps(batch), strict=True):
        np.testing.assert_allclose(b, a.numpy(), atol=1e-5)


def test_what_is_no_network_of_torch_cannot_be_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["export-backbone", "embedded", "-o", str(tmp_path / "a.onnx")]
    assert main.main(argv) == 2
    assert "backbone 'embedded' is no network of torch" in capsys.readouterr().err
