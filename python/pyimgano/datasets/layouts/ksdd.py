"""KolektorSDD (Tabernik et al., "Segmentation-Based Deep-Learning Approach", JIM 2020)."""

import os
import re
from pathlib import Path

from pyimgano.datasets.base import Sample
from pyimgano.datasets.listing import Listing, folder_below, masks_beside
from pyimgano.errors import DatasetError
from pyimgano.images.left_out import Reason
from pyimgano.images.reading import read_mask
from pyimgano.images.walk import visible_folders
from pyimgano.utils.text import counted, shown

CATEGORY = "ksdd"
#: Share of the good images to learn from, and the seed that draws them: anomalib's split.
TRAIN_SHARE, SEED = 0.8, 42
_ITEM = re.compile(r"kos\d+", re.IGNORECASE)
_IMAGE = re.compile(r"Part\d+", re.IGNORECASE)
_OTHER = Reason(
    "file that is neither an image nor a mask of KolektorSDD",
    "files that are neither images nor masks of KolektorSDD",
)


class KSDDLayout:
    """``kosNN/PartN.jpg`` with its mask ``kosNN/PartN_label.bmp``; all zero: the image is normal.

    The authors gave folds for learning with labels, none without. As in anomalib, all defects are
    test images, and 20 % of the good ones, drawn by scikit-learn's ``train_test_split`` with seed
    42 from the sorted paths. All images of an item, ``kosNN``, are a group.
    """

    name = "ksdd"
    expects = "kos01, kos02, ... with PartN.jpg and PartN_label.bmp"

    def categories(self, root: Path) -> list[str]:
        """The one category, where a folder of an item is."""
        return [CATEGORY] if _items(self.base(root)) else []

    def base(self, root: Path) -> Path:
        """The folder of the items: ``root``, or the archive's own right below it."""
        if not os.path.isdir(root):
            raise DatasetError(f"dataset root {shown(root)} does not exist or is not a folder")
        return next((b for b in folder_below(root, "KolektorSDD") if _items(b)), root)

    def samples(self, root: Path, category: str) -> Listing[Sample]:
        """Images, masks, labels by the masks' content, and the split."""
        from sklearn.model_selection import train_test_split

        found: Listing[Sample] = Listing()
        base = self.base(root)
        masks: dict[str, str] = {}
        for item in _items(base):
            masks.update(masks_beside(found, base / item, _IMAGE, "_label.bmp", _OTHER))
        defect = {image for image, mask in masks.items() if read_mask(mask).any()}
        good = sorted(masks.keys() - defect)
        if len(good) < 2:
            raise DatasetError(
                f"{shown(base)} has {counted(len(good), 'good image')}: a split needs 2"
            )
        train, test = train_test_split(good, train_size=TRAIN_SHARE, random_state=SEED)
        found += [Sample(path, "train", 0, group=_item(path)) for path in train]
        found += [Sample(path, "test", 0, (), group=_item(path)) for path in test]
        found += [Sample(path, "test", 1, (masks[path],), group=_item(path)) for path in defect]
        return found


def _items(base: Path) -> list[str]:
    return [name for name in visible_folders(base) if _ITEM.fullmatch(name)]


def _item(path: str) -> str:
    return Path(path).parent.name


KSDD = KSDDLayout()
