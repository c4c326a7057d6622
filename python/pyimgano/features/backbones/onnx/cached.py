"""Exports of networks of torch, each made and checked once, and kept for later runs."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import warnings
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING

from pyimgano.errors import OutputError
from pyimgano.features.backbones.onnx.backbone import OnnxBackbone
from pyimgano.features.backbones.onnx.engines import in_float32
from pyimgano.features.backbones.onnx.export import export_backbone, file_name, metadata_of
from pyimgano.utils.atomic import write_atomically

if TYPE_CHECKING:
    from pyimgano.features.backbones.torch_network import TorchBackbone

#: Names the folder of exports.
VARIABLE = "PYIMGANO_CACHE"
#: What decides, beside the network, what an export holds.
_PACKAGES = ("torch", "torchvision", "timm")
#: Length of the SHA-256 that stands in a file before the model.
_DIGEST = 32


def cache_folder(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Where exports are kept: what the environment says, else the user's folder of caches."""
    if given := environ.get(VARIABLE):
        return Path(given)
    if platform == "win32":
        base = environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "pyimgano"


def cached_export(
    backbone: TorchBackbone, *, engine: str, size: tuple[int, int] | None = None
) -> OnnxBackbone:
    """The export of a network, as :func:`export_backbone` gives it, run by ``engine``.

    It comes from `cache_folder` if the same network (layers, parameters, normalization, size where
    its model is for one alone) was exported there by the same versions of the packages and checked
    under the same engine; else it is made and kept. A file there that is damaged is made anew; a
    folder that cannot be written to is a UserWarning.

    Raises as :func:`export_backbone` does; a MissingDependencyError tells that the engine, or what
    the export needs, is not installed.
    """
    try:
        file = cache_folder() / f"{_key(backbone, in_float32(engine), size)}.export"
    except RuntimeError:  # a user without a home
        file = None
    if file is not None and (model := _read(file)) is not None:
        return OnnxBackbone(model, engine=engine, name=file_name(backbone))
    fixed = {} if size is None else {"image_size": size}
    exported = export_backbone(backbone, engine=engine, **fixed)
    if file is not None:
        _keep(file, exported.onnx_bytes())
    return exported


def _key(backbone: TorchBackbone, engine: str, size: tuple[int, int] | None) -> str:
    """What tells two exports apart."""
    facts = {
        **metadata_of(backbone),  # network, layers, weights, normalization, version
        "parameters_sha256": backbone.parameters_sha256(),
        "size": size,
        "engine": engine,
        "packages": {name: _version(name) for name in _PACKAGES},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _version(package: str) -> str | None:
    try:
        return version_of(package)
    except PackageNotFoundError:
        return None


def _read(file: Path) -> bytes | None:
    """The model in a file; None if there is none, or not the one that was written."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    digest, model = content[:_DIGEST], content[_DIGEST:]
    return model if hashlib.sha256(model).digest() == digest else None


def _keep(file: Path, model: bytes) -> None:
    try:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write {file}: {error.strerror or error}") from error
        write_atomically(file, [hashlib.sha256(model).digest(), model])
    except OutputError as error:
        warnings.warn(
            f"{error}: the export is not kept for the next run ({VARIABLE} names another folder)",
            stacklevel=2,
        )
