"""Putting a network into a detector file, as ONNX."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pyimgano.errors import InvalidInputError
from pyimgano.features.backbones.named import BACKBONES
from pyimgano.features.build import EMBEDDED, FILTER_BANK, build_features, is_onnx
from pyimgano.features.patches.layer_maps import LayerPatches
from pyimgano.images.preprocess import as_size
from pyimgano.models.fitted import FittedState
from pyimgano.utils.optional_deps import require


def try_to_embed(params: Mapping[str, Any]) -> None:
    """Refuse what :func:`with_onnx` would refuse once a detector with these parameters is fitted.

    A torchvision network is exported for that, which takes seconds.
    """
    backbone: Any = params.get("backbone")
    _check_embeddable(backbone)
    if not is_onnx(backbone):
        keys = ("layers", "weights", "pretrained", "normalization", "position_embedding", "device")
        features: Any = build_features(backbone, **{key: params[key] for key in keys})
        features.backbone.to_onnx(used_at=_size(params))


def _size(params: Mapping[str, Any]) -> tuple[int, int] | None:
    """What the network is given; None if that differs from image to image."""
    if params["tiles"] is not None or params["smallest_defect"] is not None:
        return None
    return as_size(224 if params["preset"] else params["image_size"])


def _check_embeddable(backbone: Any) -> None:
    """There is a network, and it is ONNX or the extra for the export is installed."""
    if backbone is None or backbone in (EMBEDDED, FILTER_BANK):
        raise InvalidInputError(
            f"embed_backbone=True: backbone {backbone or EMBEDDED!r} comes with the package, a"
            " detector file needs no other file for it"
        )
    if not isinstance(backbone, (str, os.PathLike)) or BACKBONES.find(os.fspath(backbone)):
        raise InvalidInputError(
            "embed_backbone=True is for torchvision networks and ONNX models, not for a backbone"
            " of your own"
        )
    if not is_onnx(backbone):
        require("onnx", extra="export", purpose=f"exporting backbone {backbone!r}")


def with_onnx(features: Any, state: FittedState) -> tuple[Any, FittedState]:
    """A torch backbone as the ONNX model that a file can hold; an ONNX backbone as it is.

    The export is compared with torch's maps: see ``TorchvisionBackbone.to_onnx``.
    """
    _check_embeddable(state.params.get("backbone"))
    if is_onnx(state.params["backbone"]):
        return features, state
    network = features.backbone
    exported = network.to_onnx(used_at=_size(state.params))
    changed = {
        "backbone": f"{network.info.name}.onnx",
        "layers": list(features.layers),
        "weights": None,
        "device": "cpu",
        "engine": exported.engine,
    }
    found = LayerPatches(exported, batch_size=features.batch_size)
    return found, replace(state, params={**state.params, **changed})
