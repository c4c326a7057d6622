"""A user's own folders."""

import os
from dataclasses import dataclass
from pathlib import Path

from pyimgano.datasets.base import Dataset, Sample
from pyimgano.datasets.layouts.mvtec import MVTecDataset
from pyimgano.datasets.listing import Listing, folders_with, match_masks
from pyimgano.errors import DatasetError
from pyimgano.images.left_out import Reason
from pyimgano.images.walk import visible_folders
from pyimgano.types import ImageSize
from pyimgano.utils.text import shown

_BELOW = Reason(
    "image below a bare folder (name its folder with normal_dir)",
    "images below a bare folder (name their folder with normal_dir)",
)
Folder = str | os.PathLike[str] | None


@dataclass(frozen=True)
class CustomLayout:
    """Normal images in one folder, test images in others; see :class:`CustomDataset`."""

    normal_dir: Folder = None
    test_good_dir: Folder = None
    test_defect_dir: Folder = None
    mask_dir: Folder = None
    test_dir: Folder = None
    name: str = "custom"

    def __post_init__(self) -> None:
        labelled = (self.test_good_dir, self.test_defect_dir)
        if self.test_dir is not None and labelled != (None, None):
            raise DatasetError(
                "test_dir is for images without labels: it excludes test_good_dir and"
                " test_defect_dir"
            )
        if self.mask_dir is not None and self.test_defect_dir is None:
            raise DatasetError("mask_dir needs test_defect_dir, the folder its masks belong to")

    def categories(self, root: Path) -> list[str]:
        """Folders that hold ``train/good``; without any, the root's own name."""
        return folders_with(root, "train", "good") or [root.resolve().name]

    def base(self, root: Path, category: str) -> Path:
        """The folder that the others are relative to; ``category`` may be empty."""
        below = root / category
        own = category == root.resolve().name and not os.path.isdir(below)
        return root if own or not category else below

    def samples(self, root: Path, category: str) -> Listing[Sample]:
        """Labels and masks where the folders tell them; no test images for a bare folder."""
        base = self.base(root, category)
        named = (self.normal_dir, self.test_good_dir, self.test_defect_dir, self.test_dir)
        if not any(named) and os.path.isdir(base / "train" / "good"):
            if base.name in ("", ".."):  # only then: images go by the path that the user gave
                base = base.resolve()
            return MVTecDataset.layout.samples(base.parent, base.name)
        found: Listing[Sample] = Listing()
        with found.part("train"):
            if self.normal_dir is None:
                for name in visible_folders(base):  # nobody said what they are
                    found.leave_out(_BELOW, base / name, deep=True)
                found += map(Sample, found.images_in(base, deep=False))
            else:
                found += map(Sample, self._images(found, base, self.normal_dir))
        with found.part("test"):
            self._list_test(found, base)
        return found

    def _list_test(self, found: Listing[Sample], base: Path) -> None:
        if self.test_dir is not None:
            unlabelled = self._images(found, base, self.test_dir)
            found += [Sample(path, "test", None) for path in unlabelled]
        none = None if self.mask_dir is None else ()
        if self.test_good_dir is not None:
            good = self._images(found, base, self.test_good_dir)
            found += [Sample(path, "test", 0, none) for path in good]
        if self.test_defect_dir is not None:
            bad = self._images(found, base, self.test_defect_dir)
            masks: list[tuple[str, ...] | None] = [None] * len(bad)
            if self.mask_dir is not None:
                with found.part("masks"):
                    folder = base / self.mask_dir
                    if not os.path.isdir(folder):
                        raise DatasetError(
                            f"mask folder {shown(folder)} does not exist or is not a folder"
                        )
                    masks = [(m,) for m in match_masks(bad, base / self.test_defect_dir, folder)]
            found += [Sample(p, "test", 1, mask) for p, mask in zip(bad, masks, strict=True)]

    def _images(self, found: Listing[Sample], base: Path, own: str | os.PathLike[str]) -> list[str]:
        """The images of a named folder, without those of others that lie in it."""
        named = (self.normal_dir, self.test_good_dir, self.test_defect_dir)
        others = [
            base / folder
            for folder in (*named, self.mask_dir, self.test_dir)
            if folder is not None and folder != own
        ]
        return found.images_in(base / own, skip=others)


class CustomDataset(Dataset):
    """Normal images in one folder, test images in others.

    Parameters
    ----------
    root, category
        The other folders are relative to ``root/category`` (or ``root``). With no folder named, a
        set in the MVTec AD layout is read as such, and a bare folder of images is all-normal
        training.
    resize, load_masks
        As in :class:`~pyimgano.datasets.base.Dataset`.
    normal_dir, test_good_dir, test_defect_dir
        Normal training images, and labelled test images.
    mask_dir
        Masks of the images in ``test_defect_dir``: ``<stem>_mask`` or ``<stem>``.
    test_dir
        Test images without labels: labels and masks are None.
    """

    layout = CustomLayout()

    def __init__(
        self,
        root: str | os.PathLike[str],
        category: str | None = None,
        resize: ImageSize = None,
        load_masks: bool = True,
        *,
        normal_dir: Folder = None,
        test_good_dir: Folder = None,
        test_defect_dir: Folder = None,
        mask_dir: Folder = None,
        test_dir: Folder = None,
    ) -> None:
        layout = CustomLayout(normal_dir, test_good_dir, test_defect_dir, mask_dir, test_dir)
        super().__init__(root, category, resize, load_masks, layout=layout)

    def _check(self) -> None:
        """Any folder may be a category."""
        base = CustomLayout().base(self.root, self.category or "")
        if not os.path.isdir(base):
            raise DatasetError(f"folder {shown(base)} does not exist or is not a folder")
