"""The exact kernels: coreset, nearest neighbours, components, curves.

Arrays are taken without a copy where they are C-contiguous, the GIL is released, Ctrl-C works, and
results do not depend on the number of threads or the instruction set.
"""

from __future__ import annotations

from pyimgano.kernels.components import component_stats, filter_components, label_components
from pyimgano.kernels.curves import PixelMetrics, pixel_metrics, pro_curve
from pyimgano.kernels.search import KnnIndex, greedy_coreset

__all__ = [
    "KnnIndex",
    "PixelMetrics",
    "component_stats",
    "filter_components",
    "greedy_coreset",
    "label_components",
    "pixel_metrics",
    "pro_curve",
]
