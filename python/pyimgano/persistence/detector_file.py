"""Fitted detectors to files and back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyimgano.errors import (
    DetectorFileError,
    InvalidInputError,
    MissingDependencyError,
    WeightsError,
)
from pyimgano.features.backbones.embedded.engines import ENGINES
from pyimgano.features.patches.pooled import PooledPatches
from pyimgano.images.preprocess import as_size
from pyimgano.models.catalogue import is_storable_class, storable_class
from pyimgano.models.fitted import FittedState
from pyimgano.models.training_images import PATHS
from pyimgano.persistence.backbone import (
    choose_engine,
    describe_features,
    feature_tensors,
    restore_features,
)
from pyimgano.persistence.container import Malformed, Tensors, read_container, write_container
from pyimgano.persistence.embed import try_to_embed, with_onnx
from pyimgano.persistence.encode import check_params, decode, encode
from pyimgano.persistence.header import family
from pyimgano.persistence.networks import named
from pyimgano.persistence.source import PREFIX, Source
from pyimgano.persistence.storable import take_arrays
from pyimgano.registry import unknown_name
from pyimgano.utils.foreign import asked
from pyimgano.utils.text import shown

if TYPE_CHECKING:
    from pyimgano.models.base import Detector


def save(
    detector: Detector,
    path: str | os.PathLike[str],
    *,
    bank_dtype: str = "float32",
    embed_backbone: bool = False,
    training_paths: bool = True,
) -> None:
    """Write a fitted detector to a file; see :meth:`pyimgano.models.base.Detector.save`."""
    kind = kind_of(detector)
    with _storing(detector):
        state = detector.get_state()
        state = replace(state, params=named(state.params))
        features = None if family(kind) == "other" else detector.features_
        if embed_backbone:
            features, state = with_onnx(detector, features, state)
        entry = describe_features(features, state.params, embed_backbone=embed_backbone)
        learnt = feature_tensors(features, entry, embed_backbone=embed_backbone)
        header, tensors = encode(kind, state, entry, bank_dtype)
        if not training_paths:
            for name in PATHS:
                tensors.pop(name, None)
        tensors.update(learnt)
        _rehearse(header, dict(tensors))
        write_container(path, header, tensors)


def load(
    path: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    allow_onnx: bool = True,
    engine: str | None = None,
) -> Detector:
    """Read a fitted detector that ``save`` wrote; nothing in the file is run as code.

    Parameters
    ----------
    path
        The file.
    weights
        The backbone's weights, or its ONNX model, for a detector that needs one and whose file
        is not where it was; its SHA-256 must be that of the file the detector was fitted with.
    allow_onnx
        False refuses detectors with an ONNX backbone, so that no ONNX model is parsed.
    engine
        What runs the backbone, see :class:`pyimgano.models.PatchDetector`; None: the engine of the
        saved detector. Those that compute in float32 agree to six digits.

    Returns
    -------
    Detector
        It scores as the saved one did, bit for bit with the same package versions and the same
        engine, unless its memory bank was stored as float16.

    Raises
    ------
    DetectorFileError
        The file cannot be read, is damaged, of a newer format version, or holds values that no
        detector can have; names the file.
    WeightsError
        The backbone's weights are not at hand or have another SHA-256.
    MissingDependencyError
        The detector needs a package that is not installed.
    UnknownNameError
        No such engine.
    """
    if engine is not None and engine not in ENGINES:
        raise unknown_name("engine", engine, ENGINES)
    header, tensors = read_container(path)
    with _naming(path):
        entries, state = decode(header, tensors)
        if engine is not None:
            choose_engine(entries["features"], state.params, engine)
        folder = Path(path).absolute().parent
        features = restore_features(
            Source(entries["features"], state.params, tensors, weights, folder, allow_onnx)
        )
        return _restore(entries["detector"], state, features, tensors)


def check_storable(detector: Detector, *, bank_dtype: str, embed_backbone: bool) -> None:
    """Refuse a detector, fitted or not, that ``save`` would refuse whatever it learns."""
    kind = kind_of(detector)
    with _storing(detector):
        params = named(detector.get_params())
        check_params(kind, params, detector.build_scorer(), bank_dtype)
        if embed_backbone:
            try_to_embed(detector)


@contextmanager
def _storing(detector: Detector) -> Iterator[None]:
    """Name the detector where it cannot be stored."""
    try:
        yield
    except (Malformed, InvalidInputError) as error:
        raise InvalidInputError(f"{type(detector).__name__} cannot be stored: {error}") from error


def kind_of(detector: Detector) -> str:
    """What a file calls such a detector, fitted or not; an error if it cannot be stored."""
    cls = type(detector)
    if not cls.kind:
        detector.to_state()  # refuses, and may have a reason of its own
    if not is_storable_class(cls):
        raise InvalidInputError(
            f"{cls.__name__} is not registered as storable: a file holds no code, so give the class"
            " a kind of its own, PARAMETERS, to_state and from_state, and call"
            f" register_model(NAME, {cls.__name__}) where whoever loads the file can import it"
        )
    return cls.kind


def _rehearse(header: dict[str, Any], tensors: Tensors) -> None:
    """Refuse to write what could not be read; classical detectors must repeat their fit."""
    entries, state = decode(header, tensors)
    if entries["features"]["kind"] == "registered":
        take_arrays(tensors, PREFIX)
    elif entries["features"]["kind"] in ("filterbank", "pooled", "pooled_network", "none"):
        features = restore_features(Source(entries["features"], state.params, tensors))
        _check_fit(state, features)
        if state.scorer is None:
            _restore(entries["detector"], state, features, tensors)


def _restore(kind: str, state: FittedState, features: Any, tensors: Tensors) -> Detector:
    if tensors:
        raise Malformed(f"it holds a tensor that does not belong: {min(tensors)[:40]!r}")
    _check_fit(state, features)
    cls = storable_class(kind)
    whose = f"{cls.__name__}.from_state"
    detector: Detector = asked(whose, cls.from_state, state.params, state.learnt)
    if type(detector) is not cls:
        raise InvalidInputError(f"{whose} gives a {type(detector).__name__}")
    detector.set_state(state, features)
    return detector


def _check_fit(state: FittedState, features: Any) -> None:
    """The rows are as wide as the features, and these take images of that size."""
    if features is None:
        return
    rows: Any
    if isinstance(features, PooledPatches):
        rows, patches, size = state.learnt["rows"], features.patches_, features.image_size
    else:
        patches, size = features, state.params["image_size"]
        rows = getattr(state.scorer, "memory_bank_", None)
        inexact = ("preset", "tiles", "smallest_defect", "resize_mode")
        if any(state.params[name] is not None for name in inexact):
            size = None  # parameters alone do not say what the network sees
    width = getattr(patches, "n_features_out", None)
    if width is not None and state.params.get("projection") is not None:
        axes = state.learnt.get("axes", np.empty((0, 0)))
        if len(axes) != width:
            raise Malformed(f"axes of {len(axes)} features do not go with extractors of {width}")
        width = axes.shape[-1]
    if rows is not None and width is not None and rows.shape[1] != width:
        raise Malformed(f"rows of {rows.shape[1]} features do not go with extractors of {width}")
    if (sides := as_size(size)) is not None and hasattr(patches, "check_size"):
        patches.check_size(*sides)


@contextmanager
def _naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Every error names the file."""
    try:
        yield
    except (WeightsError, MissingDependencyError) as error:
        raise type(error)(f"{shown(path)}: {error}") from error
    except Exception as error:  # whatever the packages involved raise at values out of the usual
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DetectorFileError(f"{shown(path)}: {reason}") from error
