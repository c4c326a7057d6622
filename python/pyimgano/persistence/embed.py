"""Putting a network into a detector file, as ONNX."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pyimgano.errors import InvalidInputError
from pyimgano.features.backbones.named import BACKBONES
from pyimgano.features.backbones.onnx.backbone import OnnxBackbone
from pyimgano.features.build import EMBEDDED, FILTER_BANK, build_features, is_onnx
from pyimgano.features.patches.layer_maps import LayerPatches
from pyimgano.features.patches.tiled import TiledPatches
from pyimgano.images.preprocess import as_size
from pyimgano.models.fitted import FittedState
from pyimgano.utils.optional_deps import require


def try_to_embed(params: Mapping[str, Any]) -> None:
    """Refuse what :func:`with_onnx` would refuse once a detector with these parameters is fitted.

    A network of torch is exported for that, which takes seconds.
    """
    backbone: Any = params.get("backbone")
    _check_embeddable(backbone)
    if not is_onnx(backbone):
        keys = ("layers", "weights", "pretrained", "normalization", "position_embedding", "device")
        _export(build_features(backbone, **{key: params[key] for key in keys}), params)


def _export(features: Any, params: Mapping[str, Any]) -> OnnxBackbone:
    """The backbone as ONNX, at the size at which the detector uses it."""
    backbone = features.backbone
    if params["tiles"] is not None or params["smallest_defect"] is not None:
        size = _tile(features, params["tiles"]) if backbone.has_positions else None
    else:
        size = as_size(224 if params["preset"] else params["image_size"])
        if backbone.has_positions and (size is None or params["resize_mode"] == "fit"):
            raise InvalidInputError(
                f"embed_backbone=True: the ONNX model of {backbone.info.name} takes images of one"
                " size, and here each has its own: set image_size without resize_mode, or tiles"
            )
    exported: OnnxBackbone = backbone.to_onnx(used_at=size)
    return exported


def _tile(features: Any, tiles: Any) -> tuple[int, int]:
    side = tiles[0] if isinstance(tiles, (tuple, list)) else tiles or "auto"
    tile = TiledPatches(features, tile=side).tile
    return tile, tile


def _check_embeddable(backbone: Any) -> None:
    """There is a network, and it is ONNX or the extra for the export is installed."""
    if backbone is None or backbone in (EMBEDDED, FILTER_BANK):
        raise InvalidInputError(
            f"embed_backbone=True: backbone {backbone or EMBEDDED!r} comes with the package, a"
            " detector file needs no other file for it"
        )
    if not isinstance(backbone, (str, os.PathLike)) or BACKBONES.find(os.fspath(backbone)):
        raise InvalidInputError(
            "embed_backbone=True is for networks of torchvision and timm and for ONNX models, not"
            " for a backbone of your own"
        )
    if not is_onnx(backbone):
        require("onnx", extra="export", purpose=f"exporting backbone {backbone!r}")


def with_onnx(features: Any, state: FittedState) -> tuple[Any, FittedState]:
    """A torch backbone as the ONNX model that a file can hold; an ONNX backbone as it is.

    The export is compared with torch's maps: see ``TorchBackbone.to_onnx``.
    """
    _check_embeddable(state.params.get("backbone"))
    if is_onnx(state.params["backbone"]):
        return features, state
    exported = _export(features, state.params)
    changed: dict[str, Any] = {
        "backbone": exported.info.origin["weights"],
        "layers": list(features.layers),
        "weights": None,
        "device": "cpu",
        "position_embedding": "authors",  # whatever they were: the model holds them
        "engine": exported.engine,
    }
    found = LayerPatches(exported, batch_size=features.batch_size)
    return found, replace(state, params={**state.params, **changed})
