"""Vision transformers of torchvision: blocks as maps, at any size."""

from __future__ import annotations

import numpy as np
import pytest

from pyimgano import create_model
from pyimgano.errors import InvalidInputError, WeightsError

torch = pytest.importorskip("torch", reason="needs the extra torch")
models = pytest.importorskip("torchvision.models", reason="needs the extra torch")

from pyimgano.features.backbones.base import LayerInfo  # noqa: E402
from pyimgano.features.backbones.torchvision import TorchvisionBackbone  # noqa: E402

BLOCK = "encoder.layers.encoder_layer_"


def batch_of(height: int, width: int) -> np.ndarray:
    size = (1, 3, height, width)
    return np.random.default_rng(0).standard_normal(size).astype(np.float32)


def test_blocks_give_what_torchvision_computes_at_a_size_of_its_own() -> None:
    layers = ["encoder.ln", f"{BLOCK}1", "conv_proj"]
    backbone = TorchvisionBackbone("vit_b_32", pretrained=False, layers=layers)
    assert backbone.info.layers == tuple(LayerInfo(name, 768, 32) for name in layers)
    assert (backbone.info.size_multiple, backbone.info.fixed_size) == (32, (None, None))
    batch = batch_of(96, 96)

    # A network of torchvision built for 96 pixels, with the table that torchvision resizes.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = models.vit_b_32(weights=None).state_dict()
    resized = models.vision_transformer.interpolate_embeddings(96, 32, state)
    network = models.vit_b_32(weights=None, image_size=96).eval()
    network.load_state_dict(resized)
    seen = {}
    for name, module in network.named_modules():
        if name in layers:
            module.register_forward_hook(lambda _, __, out, name=name: seen.update({name: out}))
    with torch.inference_mode():
        network(torch.from_numpy(batch))
    for name, one in zip(layers, backbone.layer_maps(batch), strict=True):
        wanted = seen[name]
        if name != "conv_proj":  # tokens, the first of which is that of the class
            wanted = wanted[:, 1:].reshape(1, 3, 3, 768).permute(0, 3, 1, 2)
        np.testing.assert_allclose(one.numpy(), wanted.numpy(), rtol=1e-5, atol=1e-5)

    wide = backbone.layer_maps(batch_of(64, 160))
    assert [tuple(one.shape) for one in wide] == [(1, 768, 2, 5)] * 3
    fixed = backbone.body_at(64, 160)
    with torch.inference_mode():
        found = fixed(torch.from_numpy(batch_of(64, 160)))
    for name, one in zip(layers, wide, strict=True):
        np.testing.assert_array_equal(found[name].numpy(), one.numpy())
    assert fixed.encoder.pos_embedding.shape == (1, 1 + 2 * 5, 768)


def test_only_the_blocks_in_use_are_needed() -> None:
    backbone = TorchvisionBackbone("vit_b_32", pretrained=False, layers=[f"{BLOCK}0"])
    keys = backbone.body.state_dict()
    assert any(key.startswith(f"{BLOCK}0.") for key in keys)
    assert not any(key.startswith((f"{BLOCK}1.", "encoder.ln", "heads")) for key in keys)
    alone = TorchvisionBackbone("vit_b_32", pretrained=False, layers=["conv_proj"])
    assert sorted(alone.body.state_dict()) == ["conv_proj.bias", "conv_proj.weight"]


@pytest.mark.parametrize(
    ("model", "layers"),
    [
        ("anomalydino", ["encoder.ln"]),
        ("superadd", [f"{BLOCK}{i}" for i in (3, 5, 8, 10)]),
    ],
)
def test_methods_take_their_blocks_and_say_which_sizes_there_are(
    model: str, layers: list[str]
) -> None:
    detector = create_model(model, backbone="vit_b_32", pretrained=False, image_size=100)
    with pytest.raises(InvalidInputError, match=r"multiples of 32, such as 96 x 96 or 128 x 128"):
        detector.validate()
    features = detector.set_params(image_size=64)._build_features()
    assert features.describe()["layers"] == layers


def test_an_export_is_refused_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx", reason="needs the extra export")
    backbone = TorchvisionBackbone("vit_b_32", pretrained=False, layers=[f"{BLOCK}0"])
    with pytest.raises(
        WeightsError,
        match="vit_b_32 cannot be exported to ONNX: torchvision's vision transformers cannot be"
        " exported: take the same network from timm$",
    ):
        backbone.to_onnx(image_size=64)
    assert capfd.readouterr().out == ""
