"""Networks in a detector file: our own, torchvision's and timm's, ONNX models, others'."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pyimgano.errors import InvalidInputError, UnknownNameError, WeightsError
from pyimgano.features.backbones.embedded.networks import name_of
from pyimgano.features.backbones.named import BACKBONES
from pyimgano.features.build import build_features, takes
from pyimgano.features.patches.layer_maps import LayerPatches
from pyimgano.features.patches.pooled import PooledNetwork
from pyimgano.persistence.container import Malformed
from pyimgano.persistence.rules import Fields, stored_parameters
from pyimgano.persistence.source import PREFIX, Source
from pyimgano.persistence.storable import parameters_of, take_arrays
from pyimgano.persistence.weights_file import find_file
from pyimgano.utils.storable import is_storable
from pyimgano.utils.text import shown

#: Name of the tensor that holds an ONNX model.
ONNX_TENSOR = "backbone_onnx"
#: Parameters of a detector that are its backbone's.
_OPTIONS = (
    "layers",
    "weights",
    "pretrained",
    "normalization",
    "position_embedding",
    "device",
    "batch_size",
    "engine",
)


def named(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that have a name for an object of the package's own networks.

    An ONNX model as an object stays one: it does not know its file.
    """
    network: Any = params.get("backbone")
    own = type(network).__module__.startswith("pyimgano.") and hasattr(network, "as_parameters")
    return {**params, **(network.as_parameters() if own else {})}


def describe_torch(features: LayerPatches, params: Mapping[str, Any], _: bool) -> dict[str, Any]:
    """Header entries of a network of torch."""
    network: Any = features.backbone
    found = features.describe()
    is_file = found["weights_sha256"] is not None
    return {
        **found,
        "parameters_sha256": network.unchanged_sha256(),
        "location": _location(params["weights"]) if is_file else None,
    }


def describe_timm(features: LayerPatches, params: Mapping[str, Any], _: bool) -> dict[str, Any]:
    """Header entries of a network of timm."""
    mean_std = [list(part) for part in features.backbone.info.normalization]
    return {**describe_torch(features, params, _), "normalization": mean_std}


def restore_torchvision(source: Source) -> LayerPatches:
    """The network with the weights that the file names, in a file of their own or by name."""
    from pyimgano.features.backbones.torchvision import TorchvisionBackbone

    _choose_weights(source, source.entry["weights"])
    keys = ("weights", "pretrained", "normalization", "device")
    given = {key: source.params[key] for key in keys} | {"engine": source.entry["engine"]}
    return _with_its_parameters(source, TorchvisionBackbone, given)


def restore_timm(source: Source) -> LayerPatches:
    """The network with the weights that the file names, or those that timm has for it."""
    from pyimgano.features.backbones.timm import TimmBackbone

    _choose_weights(source, None)
    given = {key: source.params[key] for key in ("weights", "pretrained", "device")}
    given |= {key: source.entry[key] for key in ("normalization", "position_embedding", "engine")}
    return _with_its_parameters(source, TimmBackbone, given)


def _choose_weights(source: Source, own: str | None) -> None:
    """Set the parameter to the file that the entry names, else to the name of the library's."""
    if _find_weights(source):
        return
    if source.params["pretrained"]:
        source.params["weights"] = own if source.weights is None else source.weights
    elif source.weights is not None:
        raise InvalidInputError("weights were given, but those of its backbone are random")


def _with_its_parameters(source: Source, cls: Any, given: Mapping[str, Any]) -> LayerPatches:
    """The patches of a network of torch, if its parameters are those of the fitted detector."""
    entry, params = source.entry, source.params
    network = cls(entry["backbone"], layers=entry["layers"], **given)
    found = network.parameters_sha256()
    if found != entry["parameters_sha256"]:
        raise WeightsError(
            f"the parameters of backbone {entry['backbone']!r} from weights"
            f" {shown(params['weights'] or entry['weights'])!r} have SHA-256 {found}, those of the"
            f" fitted detector {entry['parameters_sha256']}"
        )
    return LayerPatches(network, batch_size=params["batch_size"])


def _find_weights(source: Source) -> bool:
    """Set the parameter to the file of weights that the entry names, if it names one."""
    entry = source.entry
    if entry["weights_sha256"] is None:
        return False
    expected, where = entry["weights_sha256"], (source.weights, entry["location"], source.folder)
    size = entry["weights_bytes"] or 0
    source.params["weights"], _ = find_file(entry["weights"], size, expected, *where)
    return True


def describe_embedded(features: LayerPatches, *_: Any) -> dict[str, Any]:
    """Header entries of the network that comes with the package."""
    return features.describe()


def restore_embedded(source: Source) -> LayerPatches:
    """The released network that the file names by its SHA-256, which may be an older one."""
    from pyimgano.features.backbones.embedded.backbone import EmbeddedBackbone

    entry = source.entry
    network = name_of(entry["network_sha256"])
    backbone = EmbeddedBackbone(layers=entry["layers"], engine=entry["engine"], network=network)
    return LayerPatches(backbone, batch_size=source.params["batch_size"])


def describe_pooled(features: PooledNetwork, params: Mapping[str, Any], _: bool) -> dict[str, Any]:
    """Header entries of that network, pooled."""
    found = features.describe()
    found["patches"] = {"kind": "network", **found["patches"]}
    return {"given": params.get("feature_extractor") is not None, **found}


def restore_pooled(source: Source) -> PooledNetwork:
    """The network that the file names, pooled."""
    entry = source.entry
    features = PooledNetwork(entry["image_size"], max_pixels=entry["max_pixels"])
    features.patches_ = restore_embedded(replace(source, entry=entry["patches"]))
    if entry["given"]:
        source.params["feature_extractor"] = features
    return features


def describe_onnx(features: LayerPatches, params: Mapping[str, Any], embed: bool) -> dict[str, Any]:
    """Header entries of an ONNX model, and whether the file holds it."""
    found = {"exported_from": None, "embedded": embed, **features.describe()}
    return {**found, "location": None if embed else _location(params["backbone"])}


def restore_onnx(source: Source) -> LayerPatches:
    """The model out of the file, or out of its own."""
    if not source.allow_onnx:
        raise Malformed("it has an ONNX backbone, which allow_onnx=False (--no-onnx) refuses")
    from pyimgano.features.backbones.onnx.backbone import OnnxBackbone

    entry, params = source.entry, source.params
    name, expected = entry["weights"], entry["weights_sha256"]
    if entry["embedded"]:
        if source.weights is not None:
            raise InvalidInputError("weights were given, but the file holds its backbone")
        array = source.tensors.pop(ONNX_TENSOR, None)
        if array is None or array.dtype != np.uint8 or array.ndim != 1:
            raise Malformed(f"lacks the tensor {ONNX_TENSOR!r}, uint8 of one dimension")
        model = array.tobytes()
        if hashlib.sha256(model).hexdigest() != expected:
            raise Malformed(f"the ONNX model inside has not the SHA-256 {expected}")
    else:
        where = (source.weights, entry["location"], source.folder)
        params["backbone"], model = find_file(name, entry["weights_bytes"], expected, *where)
    network = OnnxBackbone(
        model,
        layers=entry["layers"],
        normalization=entry["normalization"],
        engine=entry["engine"],
        name=name,
    )
    return LayerPatches(network, batch_size=params["batch_size"])


def describe_registered(
    features: LayerPatches, params: Mapping[str, Any], _: bool
) -> dict[str, Any]:
    """Header entries of a backbone of somebody else's."""
    network: Any = features.backbone
    given = params["backbone"] is not None and not isinstance(params["backbone"], str)
    weights, size, digest = params["weights"], None, None
    if isinstance(weights, (str, os.PathLike)) and os.path.isfile(weights):
        content = Path(weights).read_bytes()
        size, digest = len(content), hashlib.sha256(content).hexdigest()
    return {
        "backbone": registered_name(network) if given else params["backbone"],
        "layers": list(features.layers),
        "given": given,
        "parameters": parameters_of(network) if given else {},
        "info_sha256": _info_sha256(features),
        "weights": None if weights is None else os.path.basename(str(weights)),
        "weights_bytes": size,
        "weights_sha256": digest,
        "location": _location(weights) if digest else None,
    }


def restore_registered(source: Source) -> LayerPatches:
    """The backbone made anew by what is registered under its name."""
    entry, params = source.entry, source.params
    name = entry["backbone"]
    if BACKBONES.find(name) is None:
        raise UnknownNameError(
            f"its backbone {name!r} is not registered here: import the package that registers it"
        )
    if not _find_weights(source):
        params["weights"] = source.weights if source.weights is not None else entry["weights"]
    if entry["given"]:
        cls: Any = BACKBONES.get(name).value
        if not is_storable(cls):
            raise Malformed(f"its backbone {name!r} is here registered as none that files hold")
        own = Fields(stored_parameters(cls.PARAMETERS)).accept(entry["parameters"])
        params["backbone"] = cls.from_state(own, take_arrays(source.tensors, PREFIX))
    given = {key: params[key] for key in _OPTIONS}
    if "device" not in takes(params["backbone"]):
        given["device"] = "cpu"  # it is that of the search alone
    features: Any = build_features(params["backbone"], **given)
    if _info_sha256(features) != entry["info_sha256"]:
        raise WeightsError(
            f"backbone {name!r} is not the one that the detector was fitted with: its info or the"
            " layers in use are others"
        )
    found: LayerPatches = features
    return found


def _info_sha256(features: Any) -> str:
    """SHA-256 of the facts about a backbone and of the layers in use."""
    info = features.backbone.info
    layers = [[one.name, one.channels, one.stride] for one in info.layers]
    mean_std = [[float(v) for v in part] for part in info.normalization]
    facts = [info.name, layers, mean_std, info.size_multiple, dict(info.origin)]
    try:
        text = json.dumps([facts, list(features.layers)], sort_keys=True)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"backbone {info.name!r}: the origin in its info is not ready for JSON: {error}"
        ) from error
    return hashlib.sha256(text.encode()).hexdigest()


def registered_name(backbone: Any) -> str:
    """The name that the class of a backbone, given as an object, is registered under.

    A class that is not, or that says not what files hold of it, is an InvalidInputError.
    """
    cls = type(backbone)
    found = BACKBONES.find(cls.kind) if is_storable(cls) else None
    if found is None or found.value is not cls:
        raise InvalidInputError(
            f"backbone {backbone.info.name!r} is a {cls.__name__}, which is not registered as"
            " storable: a file holds no code, so give the class kind, PARAMETERS, to_state and"
            f" from_state, and call register_backbone({cls.__name__}.kind, {cls.__name__}) where"
            " whoever loads the file can import it"
        )
    name: str = cls.kind
    return name


def named_backbone(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with the name of a backbone that is given as an object."""
    given = params.get("backbone")
    if given is None or isinstance(given, (str, os.PathLike)):
        return dict(params)
    return {**params, "backbone": registered_name(given)}


def _location(given: Any) -> str | None:
    return os.path.abspath(given) if isinstance(given, (str, os.PathLike)) else None
