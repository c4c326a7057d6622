"""A layer's own shape tells the axis of its channels; networks of one size say which."""

from __future__ import annotations

import numpy as np
import pytest

from pyimgano import create_model
from pyimgano.errors import ImageReadError, InvalidInputError

torch = pytest.importorskip("torch", reason="needs the extra torch")
pytest.importorskip("torchvision", reason="needs the extra torch")

from pyimgano.features.backbones.base import LayerInfo  # noqa: E402
from pyimgano.features.backbones.torchvision import TorchvisionBackbone  # noqa: E402
from pyimgano.features.backbones.torchvision_layers import Facts, find_facts  # noqa: E402
from pyimgano.features.patches.layer_maps import LayerPatches  # noqa: E402
from tests.conftest import texture  # noqa: E402


def unit(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).random((height, width, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "layer", "shape", "stride"),
    [
        ("swin_t", "features.0.0", (16, 24, 96), 4),  # a convolution: channels first
        ("swin_t", "features.0", (16, 24, 96), 4),  # after a permutation: last
        ("swin_t", "features.3", (8, 12, 192), 8),
        ("swin_v2_t", "features.1", (16, 24, 96), 4),
        ("convnext_tiny", "features.1.0.block.0", (16, 24, 96), 4),
        ("convnext_tiny", "features.1.0.block.1", (16, 24, 96), 4),  # permuted inside the block
        ("convnext_tiny", "features.1.0.block.3", (16, 24, 384), 4),
        ("convnext_tiny", "features.1", (16, 24, 96), 4),
        ("resnet18", "layer2", (8, 12, 128), 8),
        ("resnet18", "avgpool", (1, 1, 512), 0),
        ("vgg11", "features.0", (64, 96, 64), 1),  # as many channels as rows
    ],
)
def test_a_layers_maps_have_its_grid_and_its_channels(
    name: str, layer: str, shape: tuple[int, int, int], stride: int
) -> None:
    features = LayerPatches(TorchvisionBackbone(name, pretrained=False, layers=[layer]))
    patches = features.extract_batch([unit(64, 96)])[0].array
    assert patches.shape == shape
    assert features.backbone.info.layers == (LayerInfo(layer, shape[2], stride),)


def test_layers_of_both_kinds_go_together() -> None:
    features = LayerPatches(
        TorchvisionBackbone("swin_t", pretrained=False, layers=["features.0.0", "features.3"])
    )
    patches = features.extract_batch([unit(64, 96)])[0].array
    assert patches.shape == (16, 24, 96 + 192)


MAXVIT = {"backbone": "maxvit_t", "layers": ["blocks.0"], "pretrained": False}


@pytest.mark.parametrize("size", [256, (224, 256), 64])
def test_a_network_of_one_size_says_which(size: object) -> None:
    detector = create_model("patchcore", image_size=size, **MAXVIT)
    for call in (detector.validate, lambda: detector.fit([texture(0, (48, 64))])):
        with pytest.raises(InvalidInputError, match="maxvit_t cannot take .* only of 224 x 224"):
            call()


def test_at_native_size_the_image_is_named() -> None:
    detector = create_model("patchcore", image_size=None, **MAXVIT)
    with pytest.raises(ImageReadError, match="image 0: maxvit_t .* only of 224 x 224"):
        detector.fit([texture(0, (48, 64))])


def test_the_filter_bank_says_how_small_images_may_be() -> None:
    with pytest.raises(InvalidInputError, match="at least 8 x 8 pixels, got 7 x 9: set image_size"):
        create_model("patchcore", backbone="filterbank", image_size=(7, 9)).validate()


def test_tokens_are_no_map() -> None:
    layer = "encoder.layers.encoder_layer_0.ln_1"
    features = LayerPatches(TorchvisionBackbone("vit_b_16", pretrained=False, layers=[layer]))
    with pytest.raises(InvalidInputError, match=rf"layer '{layer}' .* not a feature map"):
        features.extract_batch([unit(224, 224)])


class Turned(torch.nn.Module):  # type: ignore[misc]
    """Gives its input with the axes in some order."""

    def __init__(self, *order: int) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"a": x.permute(0, *self.order)}


def test_the_axis_that_the_size_leaves_alone_is_that_of_channels() -> None:
    assert find_facts(Turned(1, 2, 3), ["a"], "net") == Facts((LayerInfo("a", 3, 1),))
    last = find_facts(Turned(2, 3, 1), ["a"], "net")
    assert last == Facts((LayerInfo("a", 3, 1),), frozenset({"a"}))


def test_a_layer_whose_axis_cannot_be_told_is_named() -> None:
    with pytest.raises(InvalidInputError, match="layer 'a' of net gives .* choose another layer"):
        find_facts(Turned(2, 1, 3), ["a"], "net")
