"""Synthetic data in the MVTec AD layout: textures and objects, defects, masks; no download.

>>> from pyimgano.datasets.synthetic import generate_synthetic
>>> generate_synthetic("demo", categories=["fabric", "gear"])  # doctest: +SKIP
['fabric', 'gear']
"""

from .catalogue import CATEGORIES
from .generate import generate_synthetic
from .large import DEFECT_SIZES, LARGE_CATEGORIES, generate_large, large_image
from .render import Rendered, render_image

__all__ = [
    "CATEGORIES",
    "DEFECT_SIZES",
    "LARGE_CATEGORIES",
    "Rendered",
    "generate_large",
    "generate_synthetic",
    "large_image",
    "render_image",
]
