"""Metrics by name: facts, computation, and those of other packages (:func:`register_metric`)."""

from pyimgano.metrics.base import ImageMetric, MetricInfo, MetricResult, PixelMetric
from pyimgano.metrics.catalogue import list_metrics, metric_info, register_metric

__all__ = [
    "ImageMetric",
    "MetricInfo",
    "MetricResult",
    "PixelMetric",
    "list_metrics",
    "metric_info",
    "register_metric",
]
