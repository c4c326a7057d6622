"""What is needed to add something of your own: protocols, registrations, checks."""

from pyimgano.datasets import (
    Dataset,
    FolderLayout,
    Layout,
    Listing,
    Sample,
    Saturation,
    register_layout,
)
from pyimgano.extend.backbone_checks import check_backbone
from pyimgano.extend.detector_checks import EXPECTED_FAILURES, check_detector
from pyimgano.extend.neighbor_checks import check_neighbors
from pyimgano.features.backbones import (
    Backbone,
    BackboneInfo,
    LayerInfo,
    list_backbones,
    register_backbone,
)
from pyimgano.features.base import PatchExtractor, PatchGrid
from pyimgano.images.geometry import Geometry
from pyimgano.metrics import ImageMetric, MetricInfo, MetricResult, PixelMetric, register_metric
from pyimgano.models import PatchDetector, register_model
from pyimgano.models.parameters import COMMON
from pyimgano.neighbors import NearestNeighbors, register_neighbors
from pyimgano.scorers import PatchScorer, PatchScores, register_scorer
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
from pyimgano.utils.params import check_declaration
from pyimgano.utils.storable import Storable

__all__ = [
    "COMMON",
    "EXPECTED_FAILURES",
    "Backbone",
    "BackboneInfo",
    "Choice",
    "Count",
    "Dataset",
    "Device",
    "Either",
    "Flag",
    "FolderLayout",
    "Geometry",
    "ImageMetric",
    "LayerInfo",
    "Layout",
    "ListOf",
    "Listing",
    "MetricInfo",
    "MetricResult",
    "NearestNeighbors",
    "Normalization",
    "Number",
    "Opaque",
    "Parameter",
    "PatchDetector",
    "PatchExtractor",
    "PatchGrid",
    "PatchScorer",
    "PatchScores",
    "PathLike",
    "PixelMetric",
    "Registered",
    "Sample",
    "Saturation",
    "Size",
    "Storable",
    "Text",
    "check_backbone",
    "check_declaration",
    "check_detector",
    "check_neighbors",
    "list_backbones",
    "register_backbone",
    "register_layout",
    "register_metric",
    "register_model",
    "register_neighbors",
    "register_scorer",
]
