"""Fitted detectors as files: one safetensors file with a JSON header, no pickle."""

from pyimgano.persistence.detector_file import load, save

__all__ = ["load", "save"]
