"""Feature extractors in a detector file, and the way back to a working one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, WeightsError
from pyimgano.features.embedded import EmbeddedFeatures
from pyimgano.features.pooled import PooledEmbeddedFeatures
from pyimgano.persistence.container import Malformed, Tensors
from pyimgano.persistence.weights_file import find_file
from pyimgano.utils.text import shown

#: Name of the tensor that holds an ONNX model.
ONNX_TENSOR = "backbone_onnx"
_PREFIX = "features."
_LARGEST = 1e6


def describe_features(
    features: Any, params: Mapping[str, Any], *, embed_backbone: bool = False
) -> dict[str, Any]:
    """Header entries of an extractor, whose ONNX model the file may hold.

    Raises
    ------
    InvalidInputError
        It is not one of this package's.
    """
    # Exact types: what a subclass does differently would be lost.
    if type(features) is EmbeddedFeatures:
        return {"kind": "embedded", **features.describe()}
    if type(features) is PooledEmbeddedFeatures:
        found = features.describe()
        found["patches"] = {"kind": "embedded", **found["patches"]}
        given = params.get("feature_extractor") is not None
        return {"kind": "pooled", "given": given, **found}
    module = type(features).__module__
    # Named, not imported: either would import what the other needs.
    if module == "pyimgano.features.onnx_backbone":
        found = {"exported_from": None, "embedded": embed_backbone, **features.describe()}
        location = None if embed_backbone else _location(params["backbone"])
        return {"kind": "onnx", **found, "location": location}
    if module == "pyimgano.features.torchvision_backbone":
        found = features.describe()
        is_file = found["weights_sha256"] is not None
        return {
            "kind": "torchvision",
            **found,
            "parameters_sha256": features.parameters_sha256(),
            "location": _location(params["weights"]) if is_file else None,
        }
    raise InvalidInputError(
        f"a detector with a feature extractor of your own ({type(features).__name__}) cannot be"
        " stored: its code is not part of the file. Fit with this package's extractors, or store"
        " the features and the parameters yourself"
    )


def feature_tensors(features: Any, *, embed_backbone: bool) -> Tensors:
    """What an extractor has learnt, and its ONNX model where it is to be in the file."""
    tensors = {f"{_PREFIX}{name}": array for name, array in features.get_state().items()}
    if embed_backbone:
        tensors[ONNX_TENSOR] = np.frombuffer(features.onnx_bytes(), dtype=np.uint8)
    return tensors


def restore_features(
    entry: dict[str, Any],
    params: dict[str, Any],
    tensors: Tensors,
    *,
    weights: str | os.PathLike[str] | None,
    folder: Path,
    allow_onnx: bool,
) -> Any:
    """A working extractor; takes its tensors out of ``tensors`` and completes ``params``.

    Raises
    ------
    Malformed
        The entries or the tensors do not fit.
    WeightsError
        A backbone's weights are not at hand, or are others.
    """
    kind = entry["kind"]
    if weights is not None and kind in ("embedded", "pooled"):
        raise InvalidInputError("weights were given, but this detector's features need none")
    if kind == "embedded":
        return _restore_embedded(entry, tensors)
    if kind == "pooled":
        return _restore_pooled(entry, params, tensors)
    if kind == "onnx":
        return _restore_onnx(entry, params, tensors, weights, folder, allow_onnx)
    return _restore_torchvision(entry, params, weights, folder)


def choose_engine(entry: dict[str, Any], params: dict[str, Any], engine: str) -> None:
    """Have another engine run an ONNX backbone than the one that the file names."""
    if entry["kind"] != "onnx":
        raise InvalidInputError(
            f"engine {engine!r} was given, but this detector has no ONNX backbone"
        )
    entry["engine"] = params["engine"] = engine


def _restore_embedded(entry: Mapping[str, Any], tensors: Tensors) -> EmbeddedFeatures:
    own = {k: v for k, v in entry.items() if k not in ("kind", "backbone")}
    own["neighborhoods"] = tuple(own["neighborhoods"])
    features = EmbeddedFeatures(**own)
    features.set_state(_embedded_state(features, tensors))
    return features


def _embedded_state(features: EmbeddedFeatures, tensors: Tensors) -> Tensors:
    """The tensors of embedded features, of the right shapes and in ranges that stay finite."""
    n = features.n_measured
    levels = (features.levels,)
    wanted: dict[str, tuple[tuple[int, ...], type, float, float]] = {
        "mean": ((n,), np.float32, -_LARGEST, _LARGEST),
        "scale": ((n,), np.float32, 0.0, _LARGEST),
        "axes": ((n, min(features.n_components, n)), np.float32, -1.001, 1.001),
        "energy": (levels, np.float32, 1e-6, _LARGEST),
        "light_mean": ((6,), np.float64, -10.0, 10.0),
        "light_shrink": ((6,), np.float64, 0.0, 1.0),
        "light_reach": ((6,), np.float64, 0.0, 100.0),
    }
    return {
        name: take(tensors, f"{_PREFIX}{name}", shape, dtype, low, high)
        for name, (shape, dtype, low, high) in wanted.items()
    }


def _restore_pooled(
    entry: Mapping[str, Any], params: dict[str, Any], tensors: Tensors
) -> PooledEmbeddedFeatures:
    patches = _restore_embedded(entry["patches"], tensors)
    features = PooledEmbeddedFeatures(entry["image_size"], max_pixels=entry["max_pixels"])
    features.set_state(patches.get_state(), patches)
    if entry["given"]:
        params["feature_extractor"] = features
    return features


def _restore_torchvision(
    entry: Mapping[str, Any],
    params: dict[str, Any],
    weights: str | os.PathLike[str] | None,
    folder: Path,
) -> Any:
    from pyimgano.features.torchvision_backbone import TorchvisionFeatures

    name, expected = entry["weights"], entry["weights_sha256"]
    if expected is not None:
        where = (weights, entry["location"], folder)
        params["weights"], _ = find_file(name, entry["weights_bytes"] or 0, expected, *where)
    elif not params["pretrained"]:
        if weights is not None:
            raise InvalidInputError("weights were given, but those of its backbone are random")
    else:  # torchvision's own, by their name
        params["weights"] = weights if weights is not None else name
    keys = ("layers", "weights", "pretrained", "normalization", "device", "batch_size")
    features = TorchvisionFeatures(
        entry["backbone"], **{**{k: params[k] for k in keys}, "layers": entry["layers"]}
    )
    found = features.parameters_sha256()
    if found != entry["parameters_sha256"]:
        raise WeightsError(
            f"the parameters of backbone {entry['backbone']!r} from weights"
            f" {shown(params['weights'] or name)!r} have SHA-256 {found}, those of the fitted"
            f" detector {entry['parameters_sha256']}"
        )
    return features


def _restore_onnx(
    entry: Mapping[str, Any],
    params: dict[str, Any],
    tensors: Tensors,
    weights: str | os.PathLike[str] | None,
    folder: Path,
    allow_onnx: bool,
) -> Any:
    if not allow_onnx:
        raise Malformed("it has an ONNX backbone, which allow_onnx=False (--no-onnx) refuses")
    from pyimgano.features.onnx_backbone import OnnxFeatures

    name, expected = entry["weights"], entry["weights_sha256"]
    if entry["embedded"]:
        if weights is not None:
            raise InvalidInputError("weights were given, but the file holds its backbone")
        array = tensors.pop(ONNX_TENSOR, None)
        if array is None or array.dtype != np.uint8 or array.ndim != 1:
            raise Malformed(f"lacks the tensor {ONNX_TENSOR!r}, uint8 of one dimension")
        model = array.tobytes()
        if hashlib.sha256(model).hexdigest() != expected:
            raise Malformed(f"the ONNX model inside has not the SHA-256 {expected}")
    else:
        where = (weights, entry["location"], folder)
        params["backbone"], model = find_file(name, entry["weights_bytes"], expected, *where)
    return OnnxFeatures(
        model,
        layers=entry["layers"],
        normalization=entry["normalization"],
        engine=entry["engine"],
        batch_size=params["batch_size"],
        name=name,
    )


def take(
    tensors: Tensors,
    name: str,
    shape: tuple[int | None, ...],
    dtype: type | tuple[type, ...],
    low: float,
    high: float,
) -> NDArray[Any]:
    """Take a tensor out; of a shape (None: any length from 1), a dtype, and a range.

    Raises
    ------
    Malformed
        It is absent or something else.
    """
    array = tensors.pop(name, None)
    if array is None:
        raise Malformed(f"lacks the tensor {name!r}")
    dtypes = dtype if isinstance(dtype, tuple) else (dtype,)
    fits = array.ndim == len(shape) and all(
        have == want if want is not None else have > 0
        for have, want in zip(array.shape, shape, strict=True)
    )
    if not fits or array.dtype.type not in dtypes:
        wanted = f"{' or '.join(d.__name__ for d in dtypes)} {shape}"
        raise Malformed(f"tensor {name!r} is {array.dtype} {array.shape}, not {wanted}")
    # min and max are NaN if any value is, and a comparison with NaN is false.
    if array.size and not (low <= float(array.min()) and float(array.max()) <= high):
        raise Malformed(f"tensor {name!r} has values outside {low:g} to {high:g}, or NaN")
    return array


def _location(given: Any) -> str | None:
    return os.path.abspath(given) if isinstance(given, (str, os.PathLike)) else None
