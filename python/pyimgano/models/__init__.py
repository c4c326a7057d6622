"""Detectors, by name and by class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyimgano.models.catalogue import create_model, list_models, model_info, register_model

if TYPE_CHECKING:
    from pyimgano.models.patch_detector import PatchDetector
    from pyimgano.models.patchcore import PatchCore

__all__ = [
    "PatchCore",
    "PatchDetector",
    "create_model",
    "list_models",
    "model_info",
    "register_model",
]


def __getattr__(name: str) -> Any:
    if name == "PatchCore":
        from pyimgano.models.patchcore import PatchCore

        return PatchCore
    if name == "PatchDetector":
        from pyimgano.models.patch_detector import PatchDetector

        return PatchDetector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
