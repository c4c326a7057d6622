"""Detectors, by name and by class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyimgano.models.catalogue import create_model, list_models, model_info, register_model

if TYPE_CHECKING:
    from pyimgano.models.patchcore import PatchCore

__all__ = ["PatchCore", "create_model", "list_models", "model_info", "register_model"]


def __getattr__(name: str) -> Any:
    if name == "PatchCore":
        from pyimgano.models.patchcore import PatchCore

        return PatchCore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
