"""Image sets as lists of samples: benchmark sets, custom folders, synthetic, your own."""

from pyimgano.datasets.base import Dataset, Layout, Sample
from pyimgano.datasets.defects import DefectMask, Saturation
from pyimgano.datasets.folders import FolderLayout
from pyimgano.datasets.layouts.btad import BTADDataset
from pyimgano.datasets.layouts.custom import CustomDataset
from pyimgano.datasets.layouts.mvtec import MVTecDataset
from pyimgano.datasets.layouts.synthetic import SyntheticDataset
from pyimgano.datasets.layouts.visa import VisADataset
from pyimgano.datasets.listing import Listing
from pyimgano.datasets.load import (
    list_categories,
    list_datasets,
    load_dataset,
    register_layout,
)
from pyimgano.datasets.masks import LazyMasks
from pyimgano.datasets.synthetic import generate_synthetic

__all__ = [
    "BTADDataset",
    "CustomDataset",
    "Dataset",
    "DefectMask",
    "FolderLayout",
    "Layout",
    "LazyMasks",
    "Listing",
    "MVTecDataset",
    "Sample",
    "Saturation",
    "SyntheticDataset",
    "VisADataset",
    "generate_synthetic",
    "list_categories",
    "list_datasets",
    "load_dataset",
    "register_layout",
]
