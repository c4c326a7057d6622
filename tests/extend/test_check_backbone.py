"""What third parties run on their backbones; ours pass it, and each lie is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimgano.errors import CheckFailedError
from pyimgano.extend import BackboneInfo, LayerInfo, check_backbone
from pyimgano.features.backbones.onnx.backbone import OnnxBackbone
from tests.features.onnx_support import tiny

PLAIN = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
LAYERS = (LayerInfo("fine", 3, 4), LayerInfo("coarse", 6, 8))


def cells(batch: np.ndarray, stride: int) -> np.ndarray:
    """Means over squares of so many pixels."""
    n, channels, height, width = batch.shape
    high, wide = height // stride, width // stride
    cut = batch[:, :, : high * stride, : wide * stride]
    return cut.reshape(n, channels, high, stride, wide, stride).mean(axis=(3, 5))


class Means:
    """Means of squares as a backbone; ``spoil`` makes something else of the maps."""

    def __init__(
        self, info: BackboneInfo | None = None, spoil: Callable[[list[Any]], Any] | None = None
    ) -> None:
        self.info = info or BackboneInfo("means", LAYERS, PLAIN)
        self.spoil = spoil

    def layer_maps(self, batch: np.ndarray) -> Any:
        coarse = cells(batch, 8)
        maps = [cells(batch, 4), np.concatenate([coarse, coarse**2], axis=1)]
        return maps if self.spoil is None else self.spoil(maps)


def test_a_backbone_that_keeps_its_word_passes() -> None:
    check_backbone(Means())
    check_backbone(Means(BackboneInfo("means", LAYERS, PLAIN, size_multiple=14)))


def test_onnx_backbones_pass() -> None:
    check_backbone(OnnxBackbone(tiny()))
    check_backbone(OnnxBackbone(tiny(shape=(1, 3, 96, 128))))


@pytest.mark.parametrize(
    ("name", "layers"),
    [("resnet18", None), ("squeezenet1_1", ["features.7"]), ("swin_t", ["features.1"])],
)
def test_torchvision_backbones_pass(name: str, layers: list[str] | None) -> None:
    pytest.importorskip("torchvision", reason="needs the extra torch")
    from pyimgano.features.backbones.torchvision import TorchvisionBackbone

    check_backbone(TorchvisionBackbone(name, pretrained=False, layers=layers))


def info(**changed: Any) -> BackboneInfo:
    return BackboneInfo(**{"name": "liar", "layers": LAYERS, "normalization": PLAIN, **changed})


def spoilt_once() -> Callable[[list[Any]], list[Any]]:
    """Other maps at each call."""
    calls: list[int] = []

    def spoil(maps: list[Any]) -> list[Any]:
        calls.append(1)
        return [one + np.float32(len(calls)) for one in maps]

    return spoil


@pytest.mark.parametrize(
    ("changed", "spoil", "told"),
    [
        ({"layers": ()}, None, "its info needs layers"),
        ({"layers": (LayerInfo("fine", 3, 4), LayerInfo("fine", 6, 8))}, None, "one name"),
        ({"layers": (LayerInfo("fine", 0, 4), LAYERS[1])}, None, "0 channels"),
        ({"layers": (LayerInfo("fine", 3.0, 4), LAYERS[1])}, None, "whole numbers"),
        ({"layers": ("fine", "coarse")}, None, "needs layers, .* and has .'fine', 'coarse'."),
        ({"size_multiple": 0}, None, "has .*, size_multiple=0"),
        ({"fixed_size": 48}, None, "has .*, fixed_size=48"),
        ({"normalization": ((0, 0, 0), (1, 1, 0))}, None, "normalization must be"),
        ({"normalization": "imagenet"}, None, r"normalization must be \(mean, std\), got 'imag"),
        ({"origin": {"made": object()}}, None, "origin is not ready for JSON"),
        ({"layers": (LayerInfo("fine", 5, 4), LAYERS[1])}, None, "3 channels, its info says 5"),
        ({"layers": (LayerInfo("fine", 3, 8), LAYERS[1])}, None, "its info says stride 8"),
        ({"layers": (LAYERS[0], LayerInfo("coarse", 6, 7))}, None, "stride 7"),
        ({}, lambda maps: maps[:1], "gives 1 maps for its 2 layers"),
        ({}, lambda maps: np.ones(3), "gives ndarray for its 2 layers"),
        ({}, lambda maps: [one.tolist() for one in maps], "neither a NumPy array nor a torch"),
        ({}, lambda maps: [one.astype(float) for one in maps], r"'fine' gives float64 \(2, 3,"),
        ({}, lambda maps: [one[0] for one in maps], "not float32 feature maps"),
        ({}, lambda maps: [one[:1] for one in maps], "of 2 images"),
        ({}, lambda maps: [one * np.float32(np.nan) for one in maps], "NaN or infinity"),
        ({}, lambda maps: [one.transpose(0, 1, 3, 2) for one in maps], "stride 4"),
        ({}, spoilt_once(), "check_the_same_batch_gives_the_same_maps.* a second call"),
        ({}, lambda maps: [m + m.mean(axis=0) for m in maps], "off by .* in a batch"),
        ({}, lambda maps: 1 / 0, "liar .a batch of shape .* fails with ZeroDivisionError"),
    ],
)
def test_each_lie_is_named(
    changed: dict[str, Any], spoil: Callable[[list[Any]], Any] | None, told: str
) -> None:
    with pytest.raises(CheckFailedError, match=rf"^liar fails \d checks: .*{told}"):
        check_backbone(Means(info(**changed), spoil))


def test_what_has_no_info_is_no_backbone() -> None:
    for what in (object(), Means):
        with pytest.raises(CheckFailedError, match="is no backbone: it needs info"):
            check_backbone(what)  # type: ignore[arg-type]


def test_a_batch_that_is_written_to_is_named() -> None:
    class Writes(Means):
        def layer_maps(self, batch: np.ndarray) -> Any:
            batch += 1
            return super().layer_maps(batch)

    with pytest.raises(CheckFailedError, match="layer_maps changes the batch"):
        check_backbone(Writes())


def test_the_real_network_passes(resnet18_file: Path) -> None:
    pytest.importorskip("torchvision", reason="needs the extra torch")
    from pyimgano.features.backbones.torchvision import TorchvisionBackbone

    check_backbone(TorchvisionBackbone("resnet18", weights=resnet18_file))
