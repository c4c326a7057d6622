"""Patch features behind one protocol: embedded, ONNX models, torchvision (extra ``torch``)."""

from __future__ import annotations

from pyimgano.features.base import PatchExtractor, PatchGrid
from pyimgano.features.build import EMBEDDED, build_features

__all__ = ["EMBEDDED", "PatchExtractor", "PatchGrid", "build_features"]
