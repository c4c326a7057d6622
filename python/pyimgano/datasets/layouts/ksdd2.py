"""KolektorSDD2 (Bozic et al., "Mixed Supervision for Surface-Defect Detection", 2021)."""

import os
import re
from pathlib import Path

from pyimgano.datasets.base import Sample, Split
from pyimgano.datasets.listing import Listing, folder_below, masks_beside
from pyimgano.errors import DatasetError
from pyimgano.images.left_out import Reason
from pyimgano.images.reading import read_mask
from pyimgano.utils.text import shown

CATEGORY = "ksdd2"
_HALVES: tuple[Split, ...] = ("train", "test")
_IMAGE = re.compile(r"\d+")
_OTHER = Reason(
    "file that is neither an image nor a mask of KolektorSDD2",
    "files that are neither images nor masks of KolektorSDD2",
)


class KSDD2Layout:
    """``{train,test}/NNNNN.png``, the mask of each in ``NNNNN_GT.png``; all zero: it is normal.

    Training images with a defect are listed as such, and not learnt from.
    """

    name = "ksdd2"
    expects = "train and test, with NNNNN.png and NNNNN_GT.png in each"

    def categories(self, root: Path) -> list[str]:
        """The one category, where either half of the set is."""
        base = self.base(root)
        return [CATEGORY] if _has_half(base) else []

    def base(self, root: Path) -> Path:
        """The folder of both halves: ``root``, or the archive's own right below it."""
        if not os.path.isdir(root):
            raise DatasetError(f"dataset root {shown(root)} does not exist or is not a folder")
        return next((b for b in folder_below(root, "KolektorSDD2") if _has_half(b)), root)

    def samples(self, root: Path, category: str) -> Listing[Sample]:
        """Images, masks, and labels by the masks' content."""
        found: Listing[Sample] = Listing()
        base = self.base(root)
        for half in _HALVES:
            with found.part(half):
                for path, mask in masks_beside(found, base / half, _IMAGE, "_GT.png", _OTHER):
                    label = int(read_mask(mask).any())
                    found.append(Sample(path, half, label, (mask,) if label else ()))
        return found


def _has_half(base: Path) -> bool:
    """Whether there is a mask right in ``train`` or ``test``, as no other set has it."""
    for half in _HALVES:
        try:
            with os.scandir(base / half) as entries:
                if any(entry.name.endswith("_GT.png") for entry in entries):
                    return True
        except OSError:
            continue
    return False


KSDD2 = KSDD2Layout()
