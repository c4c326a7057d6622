"""Image sets by name."""

from __future__ import annotations

import os
from typing import Any

from pyimgano.datasets.base import Dataset
from pyimgano.datasets.btad import BTADDataset
from pyimgano.datasets.custom import CustomDataset
from pyimgano.datasets.mvtec import MVTecDataset
from pyimgano.datasets.synthetic import SyntheticDataset
from pyimgano.datasets.visa import VisADataset
from pyimgano.registry import unknown_name

_DATASETS: dict[str, type[Dataset]] = {
    cls.name: cls
    for cls in (MVTecDataset, VisADataset, BTADDataset, CustomDataset, SyntheticDataset)
}


def list_datasets() -> list[str]:
    """Names that :func:`load_dataset` takes."""
    return sorted(_DATASETS)


def _find(name: str) -> type[Dataset]:
    if name not in _DATASETS:
        raise unknown_name("dataset", name, _DATASETS)
    return _DATASETS[name]


def load_dataset(
    name: str, root: str | os.PathLike[str], category: str | None = None, **kwargs: Any
) -> Dataset:
    """Open one category of an image set.

    Parameters
    ----------
    name
        One of :func:`list_datasets`.
    root
        Folder of the set.
    category
        Category; may be None for ``custom``.
    **kwargs
        Further arguments of the set's class.

    Raises
    ------
    UnknownNameError
        No such set, or no such category; lists what there is.
    DatasetError
        The folder does not have the layout; names the path.
    """
    return _find(name)(root, category, **kwargs)


def list_categories(name: str, root: str | os.PathLike[str]) -> list[str]:
    """Categories of an image set found below ``root``, sorted."""
    return _find(name).list_categories(root)
