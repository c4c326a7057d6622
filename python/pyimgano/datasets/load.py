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
from pyimgano.errors import DatasetError
from pyimgano.registry import unknown_name
from pyimgano.utils.text import shown

_DATASETS: dict[str, type[Dataset]] = {
    cls.name: cls
    for cls in (MVTecDataset, VisADataset, BTADDataset, CustomDataset, SyntheticDataset)
}


#: What the sets and layouts are called elsewhere, letters and digits only.
_OTHER_NAMES = {
    **dict.fromkeys(("btech", "btechdataset", "btechdatasettransformed"), "btad"),
    **dict.fromkeys(("mvtecad", "mvtecanomalydetection", "mvad"), "mvtec"),
    **dict.fromkeys(("visapytorch", "visa1cls", "visualanomaly"), "visa"),
    **dict.fromkeys(("folder", "folders", "own", "mine", "user"), "custom"),
    **dict.fromkeys(("synth", "generated"), "synthetic"),
}


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def list_datasets() -> list[str]:
    """Names that :func:`load_dataset` takes."""
    return sorted(_DATASETS)


def _find(name: str) -> type[Dataset]:
    if name not in _DATASETS:
        raise unknown_name("dataset", name, _DATASETS, meant=_OTHER_NAMES.get(_plain(name)))
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


def hint_for(name: str, root: str | os.PathLike[str]) -> str:
    """What to do about a root without categories of a set, as the end of an error.

    It is a category itself, or has the layout of another set; empty if neither is known.
    """
    own = _find(name).root_hint(root)
    if own:
        return own
    for other in ("mvtec", "btad", "visa"):
        try:
            found = [] if other == name else _find(other).list_categories(root)
        except DatasetError:
            continue
        if found:
            return f"; it has the layout of {other}, category {shown(found[0])}"
    return ""
