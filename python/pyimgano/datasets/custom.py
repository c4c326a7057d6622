"""A user's own folders."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from pyimgano.datasets.base import Dataset, TestSplit, assemble_split, folders_with
from pyimgano.datasets.folders import match_masks
from pyimgano.datasets.masks import LazyMasks
from pyimgano.datasets.mvtec import MVTecDataset
from pyimgano.errors import DatasetError
from pyimgano.images.left_out import Reason
from pyimgano.images.walk import visible_folders
from pyimgano.types import ImageSize
from pyimgano.utils.text import shown

_BELOW = Reason(
    "image below a bare folder (name its folder with normal_dir)",
    "images below a bare folder (name their folder with normal_dir)",
)


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
    normal_dir
        Normal training images.
    test_good_dir, test_defect_dir
        Labelled test images.
    mask_dir
        Masks of the images in ``test_defect_dir``: ``<stem>_mask`` or ``<stem>``.
    test_dir
        Test images without labels: labels and masks are None.
    """

    name = "custom"

    def __init__(
        self,
        root: str | os.PathLike[str],
        category: str | None = None,
        resize: ImageSize = None,
        load_masks: bool = True,
        *,
        normal_dir: str | os.PathLike[str] | None = None,
        test_good_dir: str | os.PathLike[str] | None = None,
        test_defect_dir: str | os.PathLike[str] | None = None,
        mask_dir: str | os.PathLike[str] | None = None,
        test_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self.normal_dir = normal_dir
        self.test_good_dir = test_good_dir
        self.test_defect_dir = test_defect_dir
        self.mask_dir = mask_dir
        self.test_dir = test_dir
        if test_dir is not None and (test_good_dir is not None or test_defect_dir is not None):
            raise DatasetError(
                "test_dir is for images without labels: it excludes test_good_dir and"
                " test_defect_dir"
            )
        if mask_dir is not None and test_defect_dir is None:
            raise DatasetError("mask_dir needs test_defect_dir, the folder its masks belong to")
        super().__init__(root, category, resize, load_masks)

    @classmethod
    def list_categories(cls, root: str | os.PathLike[str]) -> list[str]:
        """Folders below ``root`` that hold ``train/good``; without any, the root's own name."""
        return folders_with(root, "train", "good") or [Path(root).resolve().name]

    @property
    def _base(self) -> Path:
        if not self.category:
            return self.root
        below = self.root / self.category
        own = self.category == self.root.resolve().name and not os.path.isdir(below)
        return self.root if own else below

    def _check(self) -> None:
        if not os.path.isdir(self._base):
            raise DatasetError(f"folder {shown(self._base)} does not exist or is not a folder")

    def _is_mvtec(self) -> bool:
        named = (self.normal_dir, self.test_good_dir, self.test_defect_dir, self.test_dir)
        return not any(named) and os.path.isdir(self._base / "train" / "good")

    def _as_mvtec(self) -> MVTecDataset:
        base = self._base.resolve()
        found = MVTecDataset(base.parent, base.name, self.resize, self.load_masks)
        found._left_out = self._left_out
        return found

    def get_train_paths(self) -> list[str]:
        """Paths of the normal images, sorted."""
        if self._is_mvtec():
            return self._as_mvtec().get_train_paths()
        if self.normal_dir is None:
            self._leave_out_below(self._base)
            return self._images(self._base, deep=False)
        return self._images(self._base / self.normal_dir, skip=self._others(self.normal_dir))

    def _leave_out_below(self, folder: Path) -> None:
        """Images in sub-folders of a bare folder: nobody said what they are."""
        for name in visible_folders(folder):
            self._leave_out(_BELOW, folder / name, deep=True)

    def get_test_paths(self) -> TestSplit:
        """Test paths with labels and masks where the folders tell them; empty for a bare folder."""
        if self._is_mvtec():
            return self._as_mvtec().get_test_paths()
        if self.test_dir is not None:
            folder = self._base / self.test_dir
            return TestSplit(self._images(folder, skip=self._others(self.test_dir)), None, None)
        groups: list[tuple[list[str], int, list[str | None]]] = []
        if self.test_good_dir is not None:
            folder = self._base / self.test_good_dir
            good = self._images(folder, skip=self._others(self.test_good_dir))
            groups.append((good, 0, [None] * len(good)))
        with_masks = self.load_masks and self.mask_dir is not None
        if self.test_defect_dir is not None:
            folder = self._base / self.test_defect_dir
            defects = self._images(folder, skip=self._others(self.test_defect_dir))
            masks: list[str | None] = [None] * len(defects)
            if with_masks:
                masks = list(match_masks(defects, folder, self._mask_folder()))
            groups.append((defects, 1, masks))
        if not groups:
            return TestSplit([], np.zeros(0, dtype=np.int64), LazyMasks([], []))
        return assemble_split(groups, with_masks=with_masks)

    def _mask_folder(self) -> Path:
        folder = self._base / str(self.mask_dir)
        if not os.path.isdir(folder):
            raise DatasetError(f"mask folder {shown(folder)} does not exist or is not a folder")
        return folder

    def _others(self, *own: str | os.PathLike[str] | None) -> list[Path]:
        """Named folders that images of another meaning lie in, whatever folder they are in."""
        named = (self.normal_dir, self.test_good_dir, self.test_defect_dir)
        return [
            self._base / folder
            for folder in (*named, self.mask_dir, self.test_dir)
            if folder is not None and folder not in own
        ]
