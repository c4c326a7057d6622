"""The DAGM 2007 layout (Wieler and Hahn, "Weakly Supervised Learning for Optical Inspection")."""

import os
from pathlib import Path

from pyimgano.datasets.base import Sample, Split
from pyimgano.datasets.listing import Listing, folder_below, folders_with
from pyimgano.errors import DatasetError
from pyimgano.utils.text import shown

_HALVES: dict[str, Split] = {"Train": "train", "Test": "test"}
_LABELS = "Label"


class DAGMLayout:
    """``ClassN/{Train,Test}/NNNN.PNG``; a defect has a mask, ``Label/NNNN_label.PNG`` beside it.

    Training images with a defect are listed as such, and not learnt from. Masks are ellipses
    around the defects.
    """

    name = "dagm"
    expects = "ClassN/{Train,Test}/NNNN.PNG with Label/NNNN_label.PNG"

    def categories(self, root: Path) -> list[str]:
        """Folders that hold ``Train`` or ``Test``, sorted."""
        return sorted(_classes(self.base(root)))

    def base(self, root: Path) -> Path:
        """The folder of the classes: ``root``, or the archive's own right below it."""
        names = ("DAGM", "DAGM2007", "DAGM_KaggleUpload")
        return next((base for base in folder_below(root, *names) if _classes(base)), root)

    def samples(self, root: Path, category: str) -> Listing[Sample]:
        """Images, masks, and labels by whether there is a mask."""
        found: Listing[Sample] = Listing()
        for half, split in _HALVES.items():
            with found.part(split):
                found += _samples(found, self.base(root) / category / half, split)
        return found


def _classes(base: Path) -> set[str]:
    return {name for half in _HALVES for name in folders_with(base, half)}


def _samples(found: Listing[Sample], folder: Path, split: Split) -> list[Sample]:
    images = [(Path(p).stem, p) for p in found.images_in(folder, skip=[folder / _LABELS])]
    stems, masks = {stem for stem, _ in images}, {}
    if os.path.isdir(folder / _LABELS):
        for path in found.images_in(folder / _LABELS):
            stem = Path(path).stem.removesuffix("_label")
            if stem not in stems:
                raise DatasetError(f"mask {shown(path)} has no image {shown(folder / stem)}.PNG")
            masks[stem] = path
    elif split == "test":
        raise DatasetError(
            f"no folder of masks {shown(folder / _LABELS)}: without it no image would be a defect"
        )
    return [
        Sample(path, split, int(stem in masks), (masks[stem],) if stem in masks else ())
        for stem, path in images
    ]


DAGM = DAGMLayout()
