"""Patches of images behind one protocol: of a backbone's layers, or of filters that learn."""

from pyimgano.features.backbones.named import list_backbones, register_backbone
from pyimgano.features.base import PatchExtractor, PatchGrid
from pyimgano.features.build import EMBEDDED, build_features

__all__ = [
    "EMBEDDED",
    "PatchExtractor",
    "PatchGrid",
    "build_features",
    "list_backbones",
    "register_backbone",
]
