"""The feature extractor that a backbone's name stands for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import Enum
from pathlib import PurePath
from typing import Any

from pyimgano.errors import InvalidInputError
from pyimgano.features.base import PatchExtractor
from pyimgano.utils.checks import check_path, check_text

#: The backbone that needs no torch, no weights file and no network.
EMBEDDED = "embedded"


def is_onnx(backbone: str | os.PathLike[str]) -> bool:
    """Whether a backbone is an ONNX file rather than the name of a network."""
    return PurePath(backbone).suffix.lower() == ".onnx"


def check_backbone(backbone: object) -> None:
    """Refuse what can be no backbone, whatever its name."""
    if not isinstance(backbone, (str, os.PathLike)) or not os.fspath(backbone):
        raise InvalidInputError(
            f"backbone must be the name of a network or an ONNX file, got {backbone!r}"
        )


def check_weights(weights: object) -> None:
    """Refuse what can be no weights, whatever their name."""
    if not isinstance(weights, Enum):  # torchvision's own
        check_path("weights", weights, "a file, a torchvision enum, its name or None")


def check_engine(engine: object) -> None:
    """Refuse what can be no engine, whatever its name."""
    if engine is not None:
        check_text("engine", engine, "the name of an engine or None")


def build_features(
    backbone: str | os.PathLike[str],
    *,
    layers: Sequence[str] | None = None,
    weights: Any = None,
    pretrained: bool = True,
    normalization: Any = "imagenet",
    device: str = "cpu",
    batch_size: int = 8,
    engine: str | None = None,
) -> PatchExtractor:
    """Build an extractor.

    ``embedded`` refuses weights and layers; an ONNX file, which holds its weights, refuses weights;
    both refuse any device but the CPU, and ignore ``pretrained``. Only an ONNX file has an
    ``engine``; None is ``"opencv"``.
    """
    if is_onnx(backbone):
        return _build_onnx(backbone, layers, weights, normalization, device, batch_size, engine)
    if engine is not None:
        raise InvalidInputError(
            f"engine={engine!r} is for ONNX backbones (a file named .onnx), not {backbone!r}"
        )
    if backbone == EMBEDDED:
        if weights is not None or layers is not None:
            raise InvalidInputError("the backbone embedded has no weights and no layers to choose")
        _check_cpu(backbone, device)
        from pyimgano.features.embedded import EmbeddedFeatures

        return EmbeddedFeatures()
    from pyimgano.features.torchvision_backbone import TorchvisionFeatures

    return TorchvisionFeatures(
        os.fspath(backbone),
        layers=layers,
        weights=weights,
        pretrained=pretrained,
        normalization=normalization,
        device=device,
        batch_size=batch_size,
    )


def _build_onnx(
    backbone: str | os.PathLike[str],
    layers: Sequence[str] | None,
    weights: Any,
    normalization: Any,
    device: str,
    batch_size: int,
    engine: str | None,
) -> PatchExtractor:
    from pyimgano.features.onnx_backbone import OnnxFeatures
    from pyimgano.features.onnx_engines import DEFAULT_ENGINE

    shown = os.fspath(backbone)
    if weights is not None:
        raise InvalidInputError(f"backbone {shown!r} holds its weights: leave out weights")
    _check_cpu(backbone, device)
    return OnnxFeatures(
        backbone,
        layers=layers,
        normalization=normalization,
        engine=DEFAULT_ENGINE if engine is None else engine,
        batch_size=batch_size,
    )


def _check_cpu(backbone: str | os.PathLike[str], device: str) -> None:
    if str(device) != "cpu":
        raise InvalidInputError(
            f"backbone {os.fspath(backbone)!r} runs on the CPU, not on device={device!r}: leave out"
            " device"
        )
