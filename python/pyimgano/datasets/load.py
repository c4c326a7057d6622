"""Image sets by name."""

import os
from dataclasses import dataclass
from typing import Any

from pyimgano.datasets.base import Dataset, Layout, categories_of, category_hint, expected_by
from pyimgano.datasets.layouts.aebad import AEBAD
from pyimgano.datasets.layouts.btad import BTADDataset
from pyimgano.datasets.layouts.custom import CustomDataset
from pyimgano.datasets.layouts.dagm import DAGM
from pyimgano.datasets.layouts.goodsad import GOODSAD
from pyimgano.datasets.layouts.ksdd import KSDD
from pyimgano.datasets.layouts.ksdd2 import KSDD2
from pyimgano.datasets.layouts.mpdd import MPDD
from pyimgano.datasets.layouts.mvtec import MVTecDataset
from pyimgano.datasets.layouts.mvtec_ad2 import MVTEC_AD2
from pyimgano.datasets.layouts.mvtec_loco import MVTEC_LOCO
from pyimgano.datasets.layouts.real_iad import REAL_IAD
from pyimgano.datasets.layouts.synthetic import SyntheticDataset
from pyimgano.datasets.layouts.vad import VAD
from pyimgano.datasets.layouts.visa import VisADataset
from pyimgano.errors import DatasetError, InvalidInputError
from pyimgano.registry import Entry, Registry
from pyimgano.utils.text import shown


@dataclass(frozen=True)
class _Set:
    """A layout, and the class that opens it."""

    layout: Layout
    by: type[Dataset] = Dataset

    def open(self, root: str | os.PathLike[str], category: str | None, **kwargs: Any) -> Dataset:
        if self.by is Dataset:
            kwargs["layout"] = self.layout
        return self.by(root, category, **kwargs)


_SETS: Registry[_Set] = Registry("dataset")
for _own in (MVTecDataset, VisADataset, BTADDataset, CustomDataset, SyntheticDataset):
    _SETS.add(Entry(_own.layout.name, _Set(_own.layout, _own)))
_LAYOUTS: tuple[Layout, ...] = (
    *MVTEC_AD2,
    MVTEC_LOCO,
    *REAL_IAD,
    MPDD,
    KSDD,
    KSDD2,
    DAGM,
    GOODSAD,
    VAD,
    AEBAD,
)
for _layout in _LAYOUTS:
    _SETS.add(Entry(_layout.name, _Set(_layout)))

#: What the sets and layouts are called elsewhere, letters and digits only.
_OTHER_NAMES = {
    **dict.fromkeys(("btech", "btechdataset", "btechdatasettransformed"), "btad"),
    **dict.fromkeys(("mvtecad", "mvtecanomalydetection", "mvad"), "mvtec"),
    **dict.fromkeys(("visapytorch", "visa1cls", "visualanomaly"), "visa"),
    **dict.fromkeys(("mvtec2", "mvtecad2", "mvad2"), "mvtec_ad2"),
    **dict.fromkeys(("loco", "mvtecloco", "mvteclocoad"), "mvtec_loco"),
    **dict.fromkeys(("realiad", "realiadmv"), "real_iad"),
    **dict.fromkeys(("kolektor", "kolektorsdd"), "ksdd"),
    **dict.fromkeys(("kolektor2", "kolektorsdd2"), "ksdd2"),
    **dict.fromkeys(("dagm2007",), "dagm"),
    **dict.fromkeys(("pkugoodsad",), "goodsad"),
    **dict.fromkeys(("valeo", "valeoanomalydataset"), "vad"),
    **dict.fromkeys(("aebads", "aebadv"), "aebad"),
    **dict.fromkeys(("folder", "folders", "own", "mine", "user"), "custom"),
    **dict.fromkeys(("synth", "generated"), "synthetic"),
}


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def register_layout(layout: Layout, *, overwrite: bool = False) -> None:
    """Make an image set known by its name: to :func:`load_dataset` and to every ``--dataset``.

    It takes the place of another set of that name only with ``overwrite``: else, or if it has no
    name, an InvalidInputError is raised.
    """
    name = getattr(layout, "name", None)
    if not isinstance(name, str) or not name:
        raise InvalidInputError(f"a layout has a name, a text that is not empty: {name!r}")
    for method in ("categories", "samples"):
        if isinstance(layout, type) or not callable(getattr(layout, method, None)):
            raise InvalidInputError(f"layout {name!r} is no object with a method {method}")
    _SETS.add(Entry(name, _Set(layout)), overwrite=overwrite)


def list_datasets() -> list[str]:
    """Names that :func:`load_dataset` takes."""
    return _SETS.names()


def _find(name: str) -> _Set:
    return _SETS.get(name, meant=_OTHER_NAMES.get(_plain(name))).value


def load_dataset(
    name: str, root: str | os.PathLike[str], category: str | None = None, **kwargs: Any
) -> Dataset:
    """Open one category of an image set.

    Parameters
    ----------
    name, root
        One of :func:`list_datasets`, and the set's folder.
    category, **kwargs
        Category, which may be None for ``custom``, and further arguments of the set's class.

    Raises
    ------
    UnknownNameError, DatasetError
        No such set, or no such category: lists what there is. The folder does not have the
        layout: names the path.
    """
    return _find(name).open(root, category, **kwargs)


def list_categories(name: str, root: str | os.PathLike[str]) -> list[str]:
    """Categories of an image set found below ``root``, sorted."""
    return categories_of(_find(name).layout, root)


def hint_for(name: str, root: str | os.PathLike[str]) -> str:
    """What to do about a root without categories of a set, as the end of an error.

    It is a category itself, or has the layout of another set; else, what the layout expects.
    """
    own = category_hint(_find(name).layout, root)
    if own:
        return own
    for other in ("mvtec", "btad", "visa", "dagm", "ksdd", "ksdd2", "real_iad"):
        try:
            found = [] if other == name else list_categories(other, root)
        except DatasetError:
            continue
        if found:
            return f"; it has the layout of {other}, category {shown(found[0])}"
    return expected_by(_find(name).layout)
