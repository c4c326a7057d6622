"""The kernels: coreset, nearest neighbours, nearest row per group, components, curves, joined maps
of layers, and networks of convolutions; all but the last two are exact.

Arrays are taken without a copy where they are C-contiguous, the GIL is released, Ctrl-C works, and
results do not depend on the number of threads or the instruction set (but for the last digits of
convolutions on x86-64 without AVX2).

An array that another thread writes to during a call gives an arbitrary result or an
:class:`~pyimgano.errors.InvalidInputError`, never a crash or a hang. Where there is no memory, or
there are no threads, for what a call needs, it raises
:class:`~pyimgano.errors.NotEnoughMemoryError` (a MemoryError). Forked children may call them all.

Environment variables, read at every call:

``PYIMGANO_NUM_THREADS``
    Threads to use where `n_threads` is not given, 1 to 1,024; default: one per core.
``PYIMGANO_SIMD``
    ``portable``, ``avx2``, ``avx512`` or ``neon``; default: the best that the CPU has.
"""

from pyimgano.kernels.about import n_threads, simd_level, version
from pyimgano.kernels.components import component_stats, filter_components, label_components
from pyimgano.kernels.convolution import Convolution, ConvolutionalNetwork
from pyimgano.kernels.curves import PixelMetrics, pixel_metrics, pro_curve
from pyimgano.kernels.group_index import GroupIndex
from pyimgano.kernels.layer_maps import join_maps
from pyimgano.kernels.search import KnnIndex, greedy_coreset
from pyimgano.kernels.stats import SearchStats
from pyimgano.kernels.sweep import DefectPixels, PixelCurves, pixel_curves

__all__ = [
    "Convolution",
    "ConvolutionalNetwork",
    "DefectPixels",
    "GroupIndex",
    "KnnIndex",
    "PixelCurves",
    "PixelMetrics",
    "SearchStats",
    "component_stats",
    "filter_components",
    "greedy_coreset",
    "join_maps",
    "label_components",
    "n_threads",
    "pixel_curves",
    "pixel_metrics",
    "pro_curve",
    "simd_level",
    "version",
]
