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
from pyimgano.metrics import ImageMetric, MetricInfo, MetricResult, PixelMetric, register_metric
from pyimgano.models.parameters import COMMON
from pyimgano.utils.parameters import (
    Choice,
    Count,
    Device,
    Either,
    Flag,
    ListOf,
    Normalization,
    Number,
    Opaque,
    Parameter,
    PathLike,
    Registered,
    Size,
    Text,
)

__all__ = [
    "COMMON",
    "EXPECTED_FAILURES",
    "Choice",
    "Count",
    "Dataset",
    "Device",
    "Either",
    "Flag",
    "FolderLayout",
    "ImageMetric",
    "Layout",
    "ListOf",
    "Listing",
    "MetricInfo",
    "MetricResult",
    "Normalization",
    "Number",
    "Opaque",
    "Parameter",
    "PathLike",
    "PixelMetric",
    "Registered",
    "Sample",
    "Size",
    "Text",
    "check_detector",
    "register_layout",
    "register_metric",
]
