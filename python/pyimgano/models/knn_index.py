"""Former names of what :mod:`pyimgano.neighbors` holds, kept for those who import them."""

from importlib import import_module
from typing import Any

_HOMES = {
    "KNNIndex": ("base", "NearestNeighbors"),
    "RustKNNIndex": ("rust", "RustNeighbors"),
    "SklearnKNNIndex": ("sklearn", "SklearnNeighbors"),
    "FaissKNNIndex": ("faiss", "FaissNeighbors"),
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, target = _HOMES[name]
    return getattr(import_module(f"pyimgano.neighbors.{module}"), target)
