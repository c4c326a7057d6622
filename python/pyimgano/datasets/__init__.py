"""Image sets as lists of paths: MVTec AD, VisA, BTAD, custom folders, synthetic."""

from __future__ import annotations

from pyimgano.datasets.base import Dataset
from pyimgano.datasets.btad import BTADDataset
from pyimgano.datasets.custom import CustomDataset
from pyimgano.datasets.load import list_categories, list_datasets, load_dataset
from pyimgano.datasets.masks import LazyMasks
from pyimgano.datasets.mvtec import MVTecDataset
from pyimgano.datasets.synthetic import SyntheticDataset, generate_synthetic
from pyimgano.datasets.visa import VisADataset

__all__ = [
    "BTADDataset",
    "CustomDataset",
    "Dataset",
    "LazyMasks",
    "MVTecDataset",
    "SyntheticDataset",
    "VisADataset",
    "generate_synthetic",
    "list_categories",
    "list_datasets",
    "load_dataset",
]
