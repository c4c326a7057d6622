"""A user's own folders."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from pyimgano.datasets.base import Dataset, LazyMasks, TestSplit, assemble_split, folders_with
from pyimgano.datasets.folders import match_masks
from pyimgano.datasets.mvtec import MVTecDataset
from pyimgano.errors import DatasetError
from pyimgano.types import ImageSize
from pyimgano.utils.images import list_images, shown


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
        """Folders below ``root`` that hold ``train/good``; empty for a bare folder of images."""
        return folders_with(root, "train", "good")

    @property
    def _base(self) -> Path:
        return self.root / self.category if self.category else self.root

    def _check(self) -> None:
        if not self._base.is_dir():
            raise DatasetError(f"folder {shown(self._base)} does not exist or is not a folder")

    def _is_mvtec(self) -> bool:
        named = (self.normal_dir, self.test_good_dir, self.test_defect_dir, self.test_dir)
        return not any(named) and (self._base / "train" / "good").is_dir()

    def _as_mvtec(self) -> MVTecDataset:
        base = self._base.resolve()
        return MVTecDataset(base.parent, base.name, self.resize, self.load_masks)

    def get_train_paths(self) -> list[str]:
        """Paths of the normal images, sorted."""
        if self._is_mvtec():
            return self._as_mvtec().get_train_paths()
        return self._images(self._base / (self.normal_dir or "."))

    def get_test_paths(self) -> TestSplit:
        """Test paths with labels and masks where the folders tell them; empty for a bare folder."""
        if self._is_mvtec():
            return self._as_mvtec().get_test_paths()
        if self.test_dir is not None:
            return TestSplit(self._images(self._base / self.test_dir, recursive=True), None, None)
        groups: list[tuple[list[str], int, list[str | None]]] = []
        if self.test_good_dir is not None:
            good = self._images(self._base / self.test_good_dir)
            groups.append((good, 0, [None] * len(good)))
        with_masks = self.load_masks and self.mask_dir is not None
        if self.test_defect_dir is not None:
            folder = self._base / self.test_defect_dir
            defects = self._images(folder, recursive=True)
            masks: list[str | None] = [None] * len(defects)
            if with_masks:
                masks = self._match_masks(defects, folder)
            groups.append((defects, 1, masks))
        if not groups:
            return TestSplit([], np.zeros(0, dtype=np.int64), LazyMasks([], []))
        return assemble_split(groups, with_masks=with_masks)

    def _match_masks(self, defects: list[str], folder: Path) -> list[str | None]:
        """Masks lie in ``mask_dir`` under the same sub-folder as their image."""
        root = self._base / str(self.mask_dir)
        if not root.is_dir():
            raise DatasetError(f"mask folder {shown(root)} does not exist or is not a folder")
        matched: list[str | None] = []
        for defect in defects:
            matched += match_masks([defect], root / Path(defect).parent.relative_to(folder))
        return matched


def unlabelled_images(folder: str | os.PathLike[str]) -> list[str]:
    """All images in and below a folder, sorted; an empty one is an error."""
    paths = list_images(folder, recursive=True).paths
    if not paths:
        raise DatasetError(f"image folder {shown(folder)} has no images")
    return paths
