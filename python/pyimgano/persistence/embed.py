"""Putting a network into a detector file, as ONNX."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from pyimgano.errors import InvalidInputError
from pyimgano.features.backbones.named import BACKBONES
from pyimgano.features.backbones.onnx.backbone import OnnxBackbone
from pyimgano.features.build import EMBEDDED, FILTER_BANK, is_onnx
from pyimgano.features.patches.layer_maps import LayerPatches
from pyimgano.models.fitted import FittedState
from pyimgano.persistence.networks import named
from pyimgano.utils.optional_deps import require


def try_to_embed(detector: Any) -> None:
    """Refuse what :func:`with_onnx` would refuse once this detector is fitted, as far as is known.

    A network of torch is exported for that, which takes seconds.
    """
    backbone: Any = named(detector.get_params()).get("backbone")
    _check_embeddable(backbone)
    if not is_onnx(backbone):
        _export(detector, detector._build_features())


def _export(detector: Any, features: Any, least: int | None = None) -> OnnxBackbone:
    """The backbone as ONNX, at the size at which the detector uses it.

    ``least`` is the shortest side of its training images, where that is known.
    """
    backbone, size = features.backbone, detector.seen_size()
    if detector.is_tiled:
        size = _tile(detector, features, least) if backbone.has_positions else None
    elif backbone.has_positions and size is None:
        raise InvalidInputError(
            f"embed_backbone=True: the ONNX model of {backbone.info.name} takes images of one"
            " size, and here each has its own: set image_size without resize_mode and preset, or"
            " tiles"
        )
    exported: OnnxBackbone = backbone.to_onnx(used_at=size)
    return exported


def _tile(detector: Any, features: Any, least: int | None) -> tuple[int, int]:
    """The size of whole tiles, if all are: an image smaller than one is a tile of its own size."""
    tile, size = detector._seeing(features).tile, detector.seen_size()
    least = least if size is None else min(size)
    if least is not None and least < tile:
        raise InvalidInputError(
            f"embed_backbone=True: the ONNX model of {features.backbone.info.name} takes tiles of"
            f" {tile} x {tile} pixels alone, and images have a side of {least} as they are resized:"
            f" set tiles={least} or fewer, or a larger image_size"
        )
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


def with_onnx(detector: Any, features: Any, state: FittedState) -> tuple[Any, FittedState]:
    """A torch backbone as the ONNX model that a file can hold; an ONNX backbone as it is.

    The export is compared with torch's maps: see ``TorchBackbone.to_onnx``.
    """
    _check_embeddable(state.params.get("backbone"))
    if is_onnx(state.params["backbone"]):
        return features, state
    # set_params takes effect at the next fit.
    exported = _export(type(detector)(**state.params), features, detector.least_side_)
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
