"""What a fitted detector has, as header entries and tensors, and back."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.features.build import EMBEDDED, FILTER_BANK, is_onnx
from pyimgano.images.health_range import COLUMNS, HealthRange
from pyimgano.kernels import version
from pyimgano.models.catalogue import storable_class
from pyimgano.models.fitted import FittedState
from pyimgano.models.parameters import FEATURES, PATCHES
from pyimgano.models.training_images import PATHS
from pyimgano.persistence.container import Malformed, Tensors, take
from pyimgano.persistence.header import check_header, detector_parameters, family
from pyimgano.persistence.networks import named_backbone
from pyimgano.persistence.rules import encode_float
from pyimgano.persistence.scorers import describe_scorer, restore_scorer, scorer_tensors
from pyimgano.persistence.storable import LARGEST, named_arrays, take_arrays
from pyimgano.scorers.base import PatchScorer
from pyimgano.utils.params import cloned

#: Packages whose version may matter where scores differ, beside those of extractors and engines.
_PACKAGES = ("numpy", "opencv-python-headless", "safetensors")
_FURTHER = {
    "torchvision": ("torch", "torchvision"),
    "timm": ("torch", "timm"),
    "pooled": ("pyod", "scikit-learn"),
    "pooled_network": ("pyod", "scikit-learn"),
    "onnxruntime": ("onnxruntime",),
    "openvino": ("openvino",),
    "openvino-bf16": ("openvino",),
}
_MOST_REFITTED = 20_000
#: Of the tensors that a detector's own class gives.
_PREFIX = "detector."
#: What files call a filter bank, those of older versions included.
_BANKS = ("filterbank", "embedded")


def encode(
    kind: str, state: FittedState, features: Mapping[str, Any], bank_dtype: str
) -> tuple[dict[str, Any], Tensors]:
    """Header and tensors of a state; those of the extractor come on top."""
    check_params(kind, state.params, state.scorer, bank_dtype)
    of = family(kind)
    prefix = "" if of == "classical" else _PREFIX
    tensors = {**state.tensors, **named_arrays(state.learnt, "it", prefix)}
    bank = None
    if state.scorer is not None:
        learnt, bank = scorer_tensors(state.scorer, bank_dtype)
        tensors.update(learnt)
    facts = {k: encode_float(v) if isinstance(v, float) else v for k, v in state.facts.items()}
    header = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "detector": kind,
        "params": _encode_params(kind, state.params),
        "features": dict(features),
        "fitted": facts,
        "bank": bank,
        "versions": _versions(features),
    }
    if of == "patch" and state.scorer is not None:
        header["scorer"] = describe_scorer(state.scorer, bank_dtype)
    return header, tensors


def decode(header: Any, tensors: Tensors) -> tuple[dict[str, Any], FittedState]:
    """Checked header entries, and the state; takes its tensors out of ``tensors``."""
    entries = check_header(header)
    params = entries["params"]
    facts = entries["fitted"]
    if (facts.get("pixel_threshold") is None) != (facts.get("pixel_target") is None):
        raise Malformed("'fitted' has one of 'pixel_threshold' and 'pixel_target' alone")
    scores = _take_scores(tensors)
    state: Tensors = {"decision_scores": scores}
    # Files of older versions have none of these.
    if "health" in tensors:
        state["health"] = _take_health(tensors)
    if "digests" in tensors:
        state["digests"] = take(tensors, "digests", (None, 32), np.uint8, 0, 255)
    for name in tensors.keys() & PATHS:
        state[name] = take(tensors, name, (None,), np.uint8, 0, 255)
    of, scorer = family(entries["detector"]), None
    if of == "classical":
        learnt = _take_refit(len(scores), tensors)
        further = params.pop("params")
        _check_further(further)
        if repeated := sorted(set(further) & {*params, "feature_extractor"}):
            raise Malformed(f"{repeated[0]!r} is no parameter of PyOD's")
        params.update(further)
    else:
        learnt = take_arrays(tensors, _PREFIX)
    if of.startswith("patch"):
        if params["backbone"] == EMBEDDED and entries["features"]["kind"] in _BANKS:
            params["backbone"] = FILTER_BANK  # which files of older versions call so
        _check_backbone(params, entries["features"])
        params["weights"] = None
        scorer = restore_scorer(entries, tensors)
        if "scorer" in storable_class(entries["detector"]).PARAMETERS:
            params["scorer"] = cloned("scorer", scorer)
    return entries, FittedState(params, facts, state, scorer, learnt)


def _take_refit(n: int, tensors: Tensors) -> Tensors:
    """What a PyOD detector is fitted to again, and the scores that must come of it."""
    if n > _MOST_REFITTED:
        raise Malformed(
            f"{n:,} training images are too many for a fit at loading, which is how a PyOD"
            f" detector is restored: at most {_MOST_REFITTED:,}"
        )
    low, high = -np.finfo(np.float64).max, np.finfo(np.float64).max
    return {
        "rows": take(tensors, "rows", (n, None), np.float32, -LARGEST, LARGEST),
        "train_scores": take(tensors, "train_scores", (n,), np.float64, low, high),
    }


def _take_scores(tensors: Tensors) -> NDArray[np.float64]:
    found = tensors.get("decision_scores")
    if found is not None and found.ndim == 1 and found.dtype == np.float64 and len(found):
        is_one_picture = bool(np.isnan(found).all())  # with none to hold out
        if is_one_picture:
            return tensors.pop("decision_scores")
    return take(tensors, "decision_scores", (None,), np.float64, -LARGEST, LARGEST)


def _take_health(tensors: Tensors) -> NDArray[np.float64]:
    rows = take(tensors, "health", (None, len(COLUMNS)), np.float64, -1.0, 2.0**31)
    try:
        HealthRange.from_array(rows)
    except InvalidInputError as error:
        raise Malformed(f"tensor 'health': {error}") from error
    return rows


def _check_backbone(params: Mapping[str, Any], features: Mapping[str, Any]) -> None:
    """The parameter names the extractor that the features come from."""
    kind, backbone = features["kind"], params["backbone"]
    if is_onnx(backbone):
        fits = kind == "onnx"
    elif backbone == EMBEDDED:
        fits = kind == "network"
    elif backbone == FILTER_BANK:
        fits = kind in _BANKS
    else:
        fits = kind in ("torchvision", "timm", "registered") and features["backbone"] == backbone
    if not fits:
        raise Malformed(f"backbone {backbone[:40]!r} does not go with features of kind {kind!r}")


def check_params(
    kind: str, given: Mapping[str, Any], scorer: PatchScorer | None, bank_dtype: str
) -> None:
    """Refuse parameters that no file can hold, and such a scorer."""
    if bank_dtype not in ("float32", "float16"):
        raise InvalidInputError(f'bank_dtype must be "float32" or "float16", got {bank_dtype!r}')
    if scorer is not None:
        describe_scorer(scorer, bank_dtype)
    elif bank_dtype == "float16":
        raise InvalidInputError('bank_dtype="float16" is for detectors with a memory bank')
    params, of = detector_parameters(kind).accept(_encode_params(kind, given)), family(kind)
    if of == "classical":
        _check_further(params["params"])
    if of == "patch" and (lacking := {**FEATURES, **PATCHES}.keys() - given.keys()):
        raise InvalidInputError(f"its PARAMETERS lack {min(lacking)!r}, which PatchDetector has")


def _check_further(params: Mapping[str, Any]) -> None:
    if params.get("n_jobs") not in (None, 1):
        raise Malformed("n_jobs must be 1 or None: a file starts no processes")


def _encode_params(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    given, declared = named_backbone(given), storable_class(kind).PARAMETERS
    found = {
        name: parameter.check(name, given[name])
        for name, parameter in declared.items()
        if parameter.in_file is not None
    }
    if "backbone" in found and is_onnx(found["backbone"]):
        found["backbone"] = os.path.basename(found["backbone"])
    further = {name: _plain(name, given[name]) for name in given.keys() - declared}
    if family(kind) == "classical":
        found["params"] = further
    elif further:
        raise InvalidInputError(f"no file can hold the parameter {min(further)}")
    return found


def _plain(name: str, value: Any) -> Any:
    """A parameter of another package's class, as JSON has it."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, (list, tuple)):
        return [_plain(name, one) for one in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise InvalidInputError(
        f"parameter {name} is of type {type(value).__name__}, which a file without pickle cannot"
        " hold"
    )


def _versions(features: Mapping[str, Any]) -> dict[str, str]:
    from importlib import metadata  # here, for loading needs none of it

    named = (features["kind"], features.get("engine"))
    further = [package for name in named if name in _FURTHER for package in _FURTHER[name]]
    found = {"pyimgano": version(), "python": platform.python_version()}
    for package in (*_PACKAGES, *further):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # another build of it, such as opencv-python
            continue
    return found
