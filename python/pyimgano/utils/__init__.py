"""Leaf helpers: optional packages, image files, parameters, timing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyimgano.images.preprocess import ImagePreprocessor
    from pyimgano.utils.optional_deps import optional_import, require

_HOMES = {
    "ImagePreprocessor": "pyimgano.images.preprocess",
    "optional_import": "pyimgano.utils.optional_deps",
    "require": "pyimgano.utils.optional_deps",
}

__all__ = ["ImagePreprocessor", "optional_import", "require"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
