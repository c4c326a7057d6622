"""Exports of networks of torch, each made and checked once, and kept for later runs."""

from __future__ import annotations

import hashlib
import json
import warnings
from typing import TYPE_CHECKING

from pyimgano.errors import OutputError
from pyimgano.features.backbones.cache import VARIABLE, keep_cached, package_versions, read_cached
from pyimgano.features.backbones.onnx.backbone import OnnxBackbone
from pyimgano.features.backbones.onnx.engines import in_float32
from pyimgano.features.backbones.onnx.export import export_backbone, file_name, metadata_of

if TYPE_CHECKING:
    from pyimgano.features.backbones.torch_network import TorchBackbone


def cached_export(
    backbone: TorchBackbone, *, engine: str, size: tuple[int, int] | None = None
) -> OnnxBackbone:
    """The export of a network, as :func:`export_backbone` gives it, run by ``engine``.

    It is taken from an earlier run if the same network (layers, parameters, normalization, size
    where its model is for one alone) was exported by the same versions of the packages and checked
    under the same engine; else it is made and kept. A file that is damaged is made anew; a folder
    that cannot be written to is a UserWarning.

    Raises as :func:`export_backbone` does; a MissingDependencyError tells that the engine, or what
    the export needs, is not installed.
    """
    file = f"{_key(backbone, in_float32(engine), size)}.export"
    if (model := read_cached(file)) is not None:
        return OnnxBackbone(model, engine=engine, name=file_name(backbone))
    fixed = {} if size is None else {"image_size": size}
    exported = export_backbone(backbone, engine=engine, **fixed)
    try:
        keep_cached(file, exported.onnx_bytes())
    except OutputError as error:
        warnings.warn(
            f"{error}: the export is not kept for the next run ({VARIABLE} names another folder)",
            stacklevel=2,
        )
    return exported


def _key(backbone: TorchBackbone, engine: str, size: tuple[int, int] | None) -> str:
    """What tells two exports apart."""
    facts = {
        **metadata_of(backbone),  # network, layers, weights, normalization, version
        "parameters_sha256": backbone.parameters_sha256(),
        "size": size,
        "engine": engine,
        "packages": package_versions(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
