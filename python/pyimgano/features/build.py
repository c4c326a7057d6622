"""The feature extractor that a backbone's name, or the backbone itself, stands for."""

import os
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any

from pyimgano.errors import BackboneError, InvalidInputError
from pyimgano.features.backbones.base import Backbone, is_backbone
from pyimgano.features.backbones.named import BACKBONES, register_backbone
from pyimgano.features.backbones.timm import TIMM_PREFIX
from pyimgano.features.base import PatchExtractor
from pyimgano.utils.foreign import asked, parameters_of

#: Names of the network that comes with the package, and of the hand-crafted features.
EMBEDDED, FILTER_BANK = "embedded", "filterbank"
#: What ``backbone=`` takes.
BackboneLike = str | os.PathLike[str] | Backbone


def is_onnx(backbone: object) -> bool:
    """Whether a backbone is an ONNX file rather than a name or an object."""
    return isinstance(backbone, (str, os.PathLike)) and PurePath(backbone).suffix.lower() == ".onnx"


def _check(backbone: object) -> None:
    named = isinstance(backbone, (str, os.PathLike)) and os.fspath(backbone)
    if not named and not is_backbone(backbone):
        raise InvalidInputError(
            "backbone must be the name of a network, an ONNX file, or an object with info (a"
            f" BackboneInfo) and layer_maps, got {backbone!r}"
        )


def build_features(
    backbone: BackboneLike,
    *,
    layers: Sequence[str] | None = None,
    weights: Any = None,
    pretrained: bool = True,
    normalization: Any = "imagenet",
    device: str = "cpu",
    batch_size: int = 8,
    engine: str | None = None,
    position_embedding: str = "authors",
    blocks: Callable[[int], Sequence[int] | None] | None = None,
) -> PatchExtractor:
    """The extractor of a detector.

    Parameters
    ----------
    backbone
        A name (:func:`list_backbones`, or ``"timm:NAME"``), an ONNX file, or a backbone.
    layers, weights, pretrained, normalization, device, engine, position_embedding
        For the backbone; what it has no use for is an error.
    blocks
        Tells which blocks of a vision transformer of so many are taken if ``layers`` is None.
    batch_size
        Images per pass.

    Raises
    ------
    UnknownNameError
        No such backbone; lists the nearest names.
    BackboneError
        What is registered under the name gives no backbone.
    InvalidInputError
        It fails; names the backbone.
    """
    _check(backbone)
    # An array, which is a normalization as well, has no one answer to ==.
    is_imagenet = isinstance(normalization, str) and normalization == "imagenet"
    options = {
        "layers": None if layers is None else list(layers),
        "weights": weights,
        "pretrained": None if pretrained else False,
        "normalization": None if is_imagenet else normalization,
        "device": None if str(device) == "cpu" else str(device),
        "engine": engine,
        "position_embedding": None if position_embedding == "authors" else position_embedding,
    }
    given = {name: value for name, value in options.items() if value is not None}
    factory = _factory(backbone)
    known = parameters_of(factory)
    for name in given.keys() - known - {"layers"}:
        raise _useless(backbone, name, given[name])
    taken = {name: value for name, value in given.items() if name in known}
    if "blocks" in known:
        taken["blocks"] = blocks
    made = asked(f"backbone {_title(backbone)!r}", lambda: factory(**taken))
    if is_backbone(made):
        from pyimgano.features.patches.layer_maps import LayerPatches

        picked = None if "layers" in known else layers
        return LayerPatches(made, layers=picked, batch_size=batch_size)
    if not hasattr(made, "extract_batch"):
        raise BackboneError(f"backbone {backbone!r} is a {type(made).__name__}, and that is none")
    if "layers" in given:
        raise _useless(backbone, "layers", layers)
    extractor: PatchExtractor = made
    return extractor


def _useless(backbone: BackboneLike, name: str, value: Any) -> InvalidInputError:
    return InvalidInputError(
        f"backbone {_title(backbone)!r} has no use for {name}={value!r}: leave out {name}"
    )


def _title(backbone: BackboneLike) -> str:
    return os.fspath(backbone) if isinstance(backbone, (str, os.PathLike)) else backbone.info.name


def _factory(backbone: BackboneLike) -> Callable[..., Any]:
    """What makes the backbone."""
    if not isinstance(backbone, (str, os.PathLike)):
        return lambda: backbone
    if is_onnx(backbone):
        return _onnx(backbone)
    name = os.fspath(backbone)
    if name.startswith(TIMM_PREFIX):
        return _timm(name)
    entry = BACKBONES.find(name)
    return _torchvision(name) if entry is None else entry.value


def takes(backbone: BackboneLike) -> frozenset[str]:
    """Which parameters a backbone has a use for, out of those of :func:`build_features`."""
    return parameters_of(_factory(backbone))


def _onnx(file: str | os.PathLike[str]) -> Callable[..., Backbone]:
    def build(
        *,
        layers: Sequence[str] | None = None,
        pretrained: bool = True,  # whatever it says: the file holds the weights
        normalization: Any = None,
        engine: str | None = None,
    ) -> Backbone:
        from pyimgano.features.backbones.onnx.backbone import OnnxBackbone
        from pyimgano.features.backbones.onnx.engines import DEFAULT_ENGINE

        return OnnxBackbone(
            file, layers=layers, normalization=normalization, engine=engine or DEFAULT_ENGINE
        )

    return build


def _torchvision(name: str) -> Callable[..., Backbone]:
    def build(
        *,
        layers: Sequence[str] | None = None,
        blocks: Callable[[int], Sequence[int] | None] | None = None,
        weights: Any = None,
        pretrained: bool = True,
        normalization: Any = "imagenet",
        device: str = "cpu",
        engine: str | None = None,
    ) -> Backbone:
        from pyimgano.features.backbones.torchvision import TorchvisionBackbone

        return TorchvisionBackbone(
            name,
            layers=layers,
            blocks=blocks,
            weights=weights,
            pretrained=pretrained,
            normalization=normalization,
            device=device,
            engine=engine,
        )

    return build


def _timm(name: str) -> Callable[..., Backbone]:
    def build(
        *,
        layers: Sequence[str] | None = None,
        blocks: Callable[[int], Sequence[int] | None] | None = None,
        weights: Any = None,
        pretrained: bool = True,
        normalization: Any = None,  # the network's own
        position_embedding: str = "authors",
        device: str = "cpu",
        engine: str | None = None,
    ) -> Backbone:
        from pyimgano.features.backbones.timm import TimmBackbone

        return TimmBackbone(
            name,
            layers=layers,
            blocks=blocks,
            weights=weights,
            pretrained=pretrained,
            normalization=normalization,
            position_embedding=position_embedding,
            device=device,
            engine=engine,
        )

    return build


def _embedded(
    *,
    layers: Sequence[str] | None = None,
    pretrained: bool = True,  # whatever it says: the package holds the weights
    engine: str | None = None,
) -> Backbone:
    """The network that comes with the package."""
    from pyimgano.features.backbones.embedded.backbone import EmbeddedBackbone
    from pyimgano.features.backbones.embedded.engines import DEFAULT_ENGINE

    return EmbeddedBackbone(layers=layers, engine=engine or DEFAULT_ENGINE)


def _filter_bank(*, pretrained: bool = True, normalization: Any = None) -> PatchExtractor:
    """The filter bank, whatever is said of weights and scale that it has not."""
    from pyimgano.features.patches.filter_bank import FilterBank

    return FilterBank()


register_backbone(EMBEDDED, _embedded, summary="A network in the package; no torch, no download")
register_backbone(
    FILTER_BANK, _filter_bank, summary="Hand-crafted filters that learn; no torch, no weights"
)
