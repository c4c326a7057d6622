"""A torch backbone and its ONNX export give the same features, whatever runs the export."""

from __future__ import annotations

import copy
import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, MissingDependencyError, WeightsError
from pyimgano.features.backbones.onnx.backbone import OnnxBackbone
from pyimgano.features.backbones.onnx.engines import FLOAT32_ENGINES, OpenVinoEngine
from pyimgano.features.backbones.onnx.file import load_onnx
from tests.conftest import texture

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("torchvision", reason="torchvision is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

from pyimgano.features.backbones.onnx import export as onnx_export  # noqa: E402
from pyimgano.features.backbones.torchvision import TorchvisionBackbone  # noqa: E402
from pyimgano.features.patches.layer_maps import LayerPatches  # noqa: E402
from pyimgano.features.patches.pooling import aggregate, aggregate_arrays  # noqa: E402


def unit(seed: int, size: tuple[int, int] = (64, 96)) -> np.ndarray:
    return texture(seed, size).astype(np.float32) / 255


@pytest.fixture(scope="module")
def network() -> TorchvisionBackbone:
    return TorchvisionBackbone("resnet18", pretrained=False)


@pytest.fixture(scope="module")
def exported(network: TorchvisionBackbone) -> OnnxBackbone:
    return network.to_onnx(image_size=64)


def run_by(engine: str, model: OnnxBackbone) -> OnnxBackbone:
    names = [layer.name for layer in model.info.layers]
    try:
        return OnnxBackbone(model.onnx_bytes(), layers=names, engine=engine)
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("engine", FLOAT32_ENGINES)
@pytest.mark.parametrize("size", [(64, 96), (75, 61), (16, 16), (1, 1)])
def test_every_engine_gives_what_torch_gives(
    engine: str, size: tuple[int, int], network: TorchvisionBackbone, exported: OnnxBackbone
) -> None:
    images = [unit(0, size), unit(1, size)]
    expected = LayerPatches(network).extract_batch(images)
    found = LayerPatches(run_by(engine, exported)).extract_batch(images)
    for a, b in zip(expected, found, strict=True):
        assert a.shape == b.shape
        assert np.abs(a.rows - b.rows).max() <= 1e-5 * np.abs(a.rows).max()


def test_openvino_computes_in_float32_where_the_cpu_could_do_less(exported: OnnxBackbone) -> None:
    features = run_by("openvino", exported)
    assert isinstance(features._engine, OpenVinoEngine)
    hint = features._engine._compiled.get_property("INFERENCE_PRECISION_HINT")
    assert hint.get_type_name() == "f32"


def test_the_export_of_a_network_on_a_gpu_is_compared_on_the_cpu(
    network: TorchvisionBackbone,
) -> None:
    elsewhere = copy.copy(network)
    elsewhere.device = "cuda"  # as if: its tensors are where they were
    found = onnx_export._on_cpu(elsewhere)
    assert (found.device, elsewhere.device) == ("cpu", "cuda")
    assert found.body is not elsewhere.body
    images = [unit(0)]
    rows, expected = (LayerPatches(one).extract_batch(images)[0].rows for one in (found, network))
    np.testing.assert_array_equal(rows, expected)
    assert onnx_export._on_cpu(network) is network


def test_bfloat16_is_less_precise_and_only_where_asked_for(
    network: TorchvisionBackbone, exported: OnnxBackbone
) -> None:
    try:
        features = run_by("openvino-bf16", exported)
    except InvalidInputError as error:
        pytest.skip(str(error))
    assert features.info.origin["engine"] == "openvino-bf16"
    image = unit(0, (64, 96))
    patches = LayerPatches(features)
    expected, found = (
        one.extract_batch([image])[0].array for one in (LayerPatches(network), patches)
    )
    difference = np.abs(found - expected).max() / np.abs(expected).max()
    assert 1e-5 < difference < 0.03
    np.testing.assert_array_equal(found, patches.extract_batch([image, image])[1].array)


def test_a_cpu_without_bfloat16_is_told_so(
    exported: OnnxBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    openvino = pytest.importorskip("openvino", reason="needs the extra openvino")
    monkeypatch.setattr(openvino.Core, "get_property", lambda *_: ["FP32", "INT8"])
    with pytest.raises(InvalidInputError, match="'openvino-bf16' needs a CPU with bfloat16"):
        run_by("openvino-bf16", exported)
    run_by("openvino", exported)


@pytest.mark.parametrize(
    "shapes",
    [
        [(2, 5, 32, 32), (2, 7, 16, 16)],
        [(1, 5, 25, 39), (1, 7, 13, 20), (1, 3, 7, 10)],
        [(1, 7, 13, 20), (1, 5, 25, 39)],
        [(1, 4, 1, 1), (1, 4, 1, 1)],
        [(1, 4, 5, 3), (1, 200, 2, 1)],
    ],
)
def test_pooling_is_the_same_on_arrays(shapes: list[tuple[int, ...]]) -> None:
    rng = np.random.default_rng(0)
    maps = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    expected = aggregate([torch.from_numpy(m) for m in maps])
    np.testing.assert_allclose(aggregate_arrays(maps), expected, rtol=0, atol=2e-6)


def test_the_export_says_where_it_comes_from(network: TorchvisionBackbone, tmp_path: Path) -> None:
    torch.manual_seed(3)
    file = tmp_path / "w.pth"
    torch.save(__import__("torchvision").models.resnet18(weights=None).state_dict(), file)
    plain = ([0.5] * 3, [0.25] * 3)
    features = TorchvisionBackbone("resnet18", weights=file, layers=["layer1"], normalization=plain)
    exported = features.to_onnx(image_size=32)
    found = LayerPatches(exported).describe()
    assert found["backbone"] == "resnet18"
    assert found["layers"] == ["layer1"]
    assert found["normalization"] == [[0.5] * 3, [0.25] * 3]
    assert found["weights"] == "resnet18.onnx"
    assert found["weights_sha256"] == hashlib.sha256(exported.onnx_bytes()).hexdigest()
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert found["exported_from"] == {"weights": "w.pth", "weights_sha256": digest}
    model = load_onnx(exported.onnx_bytes())
    assert model.outputs == ("layer1",)
    assert model.input_shape == (None, 3, None, None)
    assert len(model.data) < 1_000_000  # cut: layer1 and what is before it
    with pytest.raises(InvalidInputError, match=r"needs normalization=\(\[0.5"):
        OnnxBackbone(exported.onnx_bytes(), normalization="imagenet")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("mobilenet_v2", ["features.6", "features.3"]),
        ("squeezenet1_1", ["features.7"]),
        ("efficientnet_b0", ["features.3"]),
        ("densenet121", ["features.denseblock2"]),
        ("googlenet", ["inception3b"]),
        ("wide_resnet50_2", ["layer2", "layer3"]),
    ],
)
def test_other_networks_can_be_exported(name: str, layers: list[str]) -> None:
    features = TorchvisionBackbone(name, pretrained=False, layers=layers)
    exported = features.to_onnx(image_size=64)  # compares the features at two sizes
    assert [layer.name for layer in exported.info.layers] == layers


def test_a_network_that_depends_on_the_traced_size_is_refused() -> None:
    class Scaled(torch.nn.Module):
        def __init__(self, body: torch.nn.Module) -> None:
            super().__init__()
            self.body = body

        def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
            found: dict[str, torch.Tensor] = self.body(image * int(image.shape[2]))
            return found

    features = TorchvisionBackbone("resnet18", pretrained=False, layers=["layer1"])
    features.body = Scaled(features.body)
    with pytest.raises(InvalidInputError, match=r"export of resnet18 .* image of 101 x 154"):
        features.to_onnx(image_size=64)


def test_an_export_that_differs_is_refused(
    network: TorchvisionBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "TOLERANCE", 1e-12)
    with pytest.raises(InvalidInputError, match=r"resnet18 gives a relative error of .* opencv"):
        network.to_onnx(image_size=32)


def test_a_layer_without_a_map_cannot_be_exported() -> None:
    features = TorchvisionBackbone("resnet18", pretrained=False, layers=["fc"])
    with pytest.raises(InvalidInputError, match="layer 'fc' .* not a feature map"):
        features.to_onnx(image_size=64)


def test_what_torch_cannot_trace_is_one_error(
    network: TorchvisionBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no such operator\nand a page of detail")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(
        WeightsError, match="resnet18 cannot be exported to ONNX: no such operator$"
    ):
        network.to_onnx()
    with pytest.raises(InvalidInputError, match="image_size must be at least 1"):
        network.to_onnx(image_size=0)


def test_an_export_without_the_package_onnx_names_the_extra(
    network: TorchvisionBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingDependencyError, match="onnx .needed for exporting a backbone."):
        network.to_onnx()


def test_a_torch_image_that_is_too_small_is_refused() -> None:
    network = TorchvisionBackbone("squeezenet1_1", pretrained=False, layers=["features.7"])
    features = LayerPatches(network)
    with pytest.raises(InvalidInputError, match="squeezenet1_1 .* image of 1 x 1 pixels"):
        features.extract_batch([unit(0, (1, 1))])
