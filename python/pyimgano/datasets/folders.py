"""Sets that keep training, test and mask images in folders of their own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from pyimgano.datasets.base import Dataset, TestSplit, assemble_split, folders_with
from pyimgano.errors import DatasetError
from pyimgano.utils.images import list_images, shown


class FolderDataset(Dataset):
    """``<category>/{train/<good>, test/<good>, test/<defect>, ground_truth/<defect>}``.

    The mask of ``test/<defect>/<stem>.<any>`` is ``ground_truth/<defect>/<stem>_mask`` or
    ``<stem>``, with any image suffix in any case.

    Attributes
    ----------
    good : str
        Name of the folders that hold normal images.
    """

    good: ClassVar[str] = "good"

    @classmethod
    def list_categories(cls, root: str | os.PathLike[str]) -> list[str]:
        """Folders below ``root`` that hold a training or a test half, sorted.

        A category that lacks one half is listed, so that a run over all of them reports it.
        """
        halves = (*folders_with(root, "train", cls.good), *folders_with(root, "test"))
        return sorted(set(halves))

    @property
    def _folder(self) -> Path:
        return self.root / str(self.category)

    def get_train_paths(self) -> list[str]:
        """Paths of the normal training images, sorted.

        Raises
        ------
        DatasetError
            The folder is missing or empty; names it.
        """
        folder = self._folder / "train" / self.good
        self._check_half(folder, "training")
        return self._images(folder)

    def get_test_paths(self) -> TestSplit:
        """All images below ``test``; every folder but the good one holds defects.

        Without any ``ground_truth`` folder ``masks`` is None.

        Raises
        ------
        DatasetError
            No test images, or a defect image without its mask; names the path.
        """
        test = self._folder / "test"
        truth = self._folder / "ground_truth"
        self._check_half(test, "test")
        with_masks = self.load_masks and truth.is_dir()
        groups: list[tuple[list[str], int, list[str | None]]] = []
        for kind in folders_with(test):
            paths = self._images(test / kind)
            masks: list[str | None] = [None] * len(paths)
            if with_masks and kind != self.good:
                masks = list(match_masks(paths, truth / kind))
            groups.append((paths, int(kind != self.good), masks))
        if not groups:
            raise DatasetError(f"test folder {shown(test)} has no folders of images")
        return assemble_split(groups, with_masks=with_masks)

    def _check_half(self, folder: Path, half: str) -> None:
        if not folder.is_dir():
            raise DatasetError(
                f"{self.name} category {self.category!r} has no {half} half: {shown(folder)}"
                " does not exist or is not a folder"
            )


def match_masks(images: list[str], folder: Path) -> list[str]:
    """The mask of each image: ``<stem>_mask`` or ``<stem>``, with any image suffix.

    Raises
    ------
    DatasetError
        Names the first image without a mask.
    """
    found = {Path(p).stem: p for p in list_images(folder).paths} if folder.is_dir() else {}
    masks = []
    for image in images:
        stem = Path(image).stem
        mask = found.get(f"{stem}_mask") or found.get(stem)
        if mask is None:
            raise DatasetError(
                f"no mask for {shown(image)}: expected {shown(folder / stem)}_mask.png"
            )
        masks.append(mask)
    return masks


def folder_below(root: Path, *names: str) -> list[Path]:
    """``root`` and those folders right below it that have one of ``names``, in any case."""
    wanted = {name.lower() for name in names}
    below = sorted(d for d in root.iterdir() if d.name.lower() in wanted and d.is_dir())
    return [root, *below]
