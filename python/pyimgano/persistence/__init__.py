"""Fitted detectors as files: one safetensors file with a JSON header, no pickle."""

from __future__ import annotations

from pyimgano.persistence.detector_file import load, save

__all__ = ["load", "save"]
