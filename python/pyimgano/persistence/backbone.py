"""Feature extractors in a detector file, and the way back to a working one: a row per kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyimgano.errors import InvalidInputError
from pyimgano.features.backbones.onnx.engines import ENGINES
from pyimgano.features.patches.layer_maps import LayerPatches
from pyimgano.persistence import filter_banks, networks
from pyimgano.persistence.container import Tensors
from pyimgano.persistence.source import PREFIX, Source
from pyimgano.persistence.storable import arrays_of


@dataclass(frozen=True)
class Kind:
    """How a file holds extractors of a kind."""

    #: Header entries of an extractor, the detector's parameters, whether to embed the network.
    describe: Callable[[Any, Mapping[str, Any], bool], dict[str, Any]]
    restore: Callable[[Source], Any]  #: The way back.
    has_weights: bool = False  #: Whether they lie in a file of their own.


_BANK = Kind(filter_banks.describe_bank, filter_banks.restore_bank)
#: ``embedded`` is what files of older versions call the filter bank, not the network.
_KINDS = {
    "filterbank": _BANK,
    "embedded": _BANK,
    "none": Kind(lambda *_: {}, lambda _: None),
    "pooled": Kind(filter_banks.describe_pooled, filter_banks.restore_pooled),
    "pooled_network": Kind(networks.describe_pooled, networks.restore_pooled),
    "network": Kind(networks.describe_embedded, networks.restore_embedded),
    "torchvision": Kind(networks.describe_torch, networks.restore_torchvision, True),
    "timm": Kind(networks.describe_timm, networks.restore_timm, True),
    "onnx": Kind(networks.describe_onnx, networks.restore_onnx, True),
    "registered": Kind(networks.describe_registered, networks.restore_registered, True),
}
_HOMES = {
    ("pyimgano.features.patches.filter_bank", "FilterBank"): "filterbank",
    ("pyimgano.features.patches.pooled", "PooledFilterBank"): "pooled",
    ("pyimgano.features.patches.pooled", "PooledNetwork"): "pooled_network",
    ("pyimgano.features.backbones.embedded.backbone", "EmbeddedBackbone"): "network",
    ("pyimgano.features.backbones.torchvision", "TorchvisionBackbone"): "torchvision",
    ("pyimgano.features.backbones.timm", "TimmBackbone"): "timm",
    ("pyimgano.features.backbones.onnx.backbone", "OnnxBackbone"): "onnx",
}


def describe_features(
    features: Any, params: Mapping[str, Any], *, embed_backbone: bool = False
) -> dict[str, Any]:
    """Header entries of an extractor, whose ONNX model the file may hold."""
    kind = _kind_of(features)
    return {"kind": kind, **_KINDS[kind].describe(features, params, embed_backbone)}


def _kind_of(features: Any) -> str:
    # Exact types, by name: what a subclass does differently would be lost, and torch is imported
    # only where it is needed.
    if features is None:
        return "none"
    made_by = features.backbone if type(features) is LayerPatches else features
    kind = _HOMES.get((type(made_by).__module__, type(made_by).__qualname__))
    if kind is None and made_by is features:
        raise InvalidInputError(
            f"a detector with a feature extractor of your own ({type(features).__name__}) cannot be"
            " stored: its code is not part of the file. Fit with this package's extractors, or"
            " store the features and the parameters yourself"
        )
    return kind or "registered"


def feature_tensors(
    features: Any, entry: Mapping[str, Any], *, embed_backbone: bool = False
) -> Tensors:
    """What an extractor has learnt, and its ONNX model where it is to be in the file."""
    if entry["kind"] == "registered" and entry["given"]:
        tensors = arrays_of(features.backbone, "backbone", PREFIX)
    elif entry["kind"] == "none":
        tensors = {}
    else:
        tensors = {f"{PREFIX}{name}": array for name, array in features.get_state().items()}
    if embed_backbone:
        tensors[networks.ONNX_TENSOR] = np.frombuffer(
            features.backbone.onnx_bytes(), dtype=np.uint8
        )
    return tensors


def restore_features(source: Source) -> Any:
    """A working extractor; takes its tensors out of ``tensors`` and completes ``params``.

    Entries or tensors that do not fit are Malformed, a backbone's weights that are not at hand, or
    are others, a WeightsError, and a backbone that nobody has registered here an UnknownNameError.
    """
    kind = _KINDS[source.entry["kind"]]
    if source.weights is not None and not kind.has_weights:
        raise InvalidInputError("weights were given, but this detector's features need none")
    return kind.restore(source)


def choose_engine(entry: dict[str, Any], params: dict[str, Any], engine: str) -> None:
    """Have another engine run a backbone than the one that the file names."""
    network = entry.get("patches", entry)
    if network["kind"] not in ("network", "onnx", "torchvision", "timm"):
        raise InvalidInputError(
            f"engine {engine!r} was given, but this detector has neither an ONNX backbone nor the"
            " embedded network, nor one of torchvision or timm"
        )
    if network["kind"] != "network" and engine not in ENGINES:
        raise InvalidInputError(
            f"engine {engine!r} runs the embedded network, and this detector has another backbone:"
            f" choose from {', '.join(ENGINES)}"
        )
    network["engine"] = engine
    if "engine" in params:
        params["engine"] = engine
