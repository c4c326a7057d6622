"""What is needed to add something of your own: protocols, registrations, checks."""

from __future__ import annotations

from pyimgano.datasets import (
    Dataset,
    FolderLayout,
    Layout,
    Listing,
    Sample,
    register_layout,
)
from pyimgano.extend.detector_checks import EXPECTED_FAILURES, check_detector

__all__ = [
    "EXPECTED_FAILURES",
    "Dataset",
    "FolderLayout",
    "Layout",
    "Listing",
    "Sample",
    "check_detector",
    "register_layout",
]
