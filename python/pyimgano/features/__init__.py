"""Patch features behind one protocol: embedded, ONNX models, torchvision (extra ``torch``)."""

from __future__ import annotations

from pyimgano.features.base import PatchFeatures
from pyimgano.features.build import EMBEDDED, build_features

__all__ = ["EMBEDDED", "PatchFeatures", "build_features"]
