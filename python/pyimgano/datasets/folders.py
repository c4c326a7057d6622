"""Sets that keep training, test and mask images in folders of their own."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pyimgano.datasets.base import Dataset, TestSplit, assemble_split, error_of, folders_with
from pyimgano.errors import DatasetError
from pyimgano.images.left_out import LeftOut, Reason
from pyimgano.images.walk import Walk, visible_folders
from pyimgano.utils.text import shown

#: Names that people give to folders of good images.
_GOOD_NAMES = frozenset({"good", "ok", "normal"})
_UNLABELLED = Reason(
    "image in test without a folder that gives its label",
    "images in test without a folder that gives their label",
)
_NOT_GOOD = Reason(
    "training image beside the folder of good ones",
    "training images beside the folder of good ones",
)
_OUTSIDE = Reason("image outside of the layout", "images outside of the layout")


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

    @classmethod
    def root_hint(cls, root: str | os.PathLike[str]) -> str:
        """Where the root is a category itself: how to name the two."""
        path = Path(root).resolve()
        if os.path.isdir(path / "train" / cls.good) or os.path.isdir(path / "test"):
            return (
                f"; {shown(root)} is a category itself: take {shown(path.parent)} as root and"
                f" {shown(path.name)} as category"
            )
        return ""

    def get_train_paths(self) -> list[str]:
        """Paths of the normal training images, those in sub-folders included, sorted.

        Raises
        ------
        DatasetError
            The folder is missing, empty or cannot be read; names it.
        """
        train = self._folder / "train"
        self._check_half(train / self.good, "training")
        self._leave_out(_OUTSIDE, self._folder)
        self._leave_out(_OUTSIDE, train)
        for name in visible_folders(train):
            if name != self.good:
                self._leave_out(_NOT_GOOD, train / name, deep=True)
        return self._images(train / self.good)

    def get_test_paths(self) -> TestSplit:
        """All images in and below the folders in ``test``; all but the good one hold defects.

        Without any ``ground_truth`` folder ``masks`` is None.

        Raises
        ------
        DatasetError
            No test images, a folder that cannot be read, a folder whose name is nearly the good
            one's, or a defect image without its mask; names the path.
        """
        test = self._folder / "test"
        truth = self._folder / "ground_truth"
        self._check_half(test, "test")
        self._leave_out(_UNLABELLED, test)
        with_masks = self.load_masks and os.path.isdir(truth)
        groups: list[tuple[list[str], int, list[str | None]]] = []
        for kind in visible_folders(test):
            self._check_kind(test / kind)
            paths = self._images(test / kind)
            masks: list[str | None] = [None] * len(paths)
            if with_masks and kind != self.good:
                masks = list(match_masks(paths, test / kind, truth / kind))
            groups.append((paths, int(kind != self.good), masks))
        if not groups:
            why = self.left_out.describe()
            raise DatasetError(
                f"test folder {shown(test)} has no folders of images{why and f'; {why}'}"
            )
        return assemble_split(groups, with_masks=with_masks)

    def _check_half(self, folder: Path, half: str) -> None:
        if os.path.isdir(folder):
            return
        there = (
            visible_folders(folder.parent)
            if not isinstance(error_of(folder.parent), FileNotFoundError)
            else []
        )
        there = there if half == "training" else []
        near = f"; there is {', '.join(map(repr, there))}, and {folder.name!r} is what is read"
        raise DatasetError(
            f"{self.name} category {self.category!r} has no {half} half: {shown(folder)}"
            f" does not exist or is not a folder{near if there else ''}"
        )

    def _check_kind(self, folder: Path) -> None:
        """Refuse folders that a person takes for the good one: their images would be defects."""
        name = folder.name
        if name != self.good and name.strip().lower() in _GOOD_NAMES:
            raise DatasetError(
                f"{shown(folder)} would count as a kind of defect: the folder of good images is"
                f" called {self.good!r} in this layout; rename it"
            )


def match_masks(images: Sequence[str], folder: Path, masks: Path) -> list[str]:
    """The mask of each image: ``<stem>_mask`` or ``<stem>``, with any image suffix.

    Parameters
    ----------
    images
        Files in and below ``folder``.
    folder
        Their folder.
    masks
        The folder of their masks: in the same sub-folder as the image or, where only one image has
        that stem, anywhere directly in it.

    Raises
    ------
    DatasetError
        Names the first image without a mask, or a folder of masks that cannot be read.
    """
    found = _by_place(masks)
    stems = Counter(Path(image).stem for image in images)
    matched = []
    for image in images:
        place, stem = Path(image).parent.relative_to(folder), Path(image).stem
        names = (f"{stem}_mask", stem)
        wanted = [(place, name) for name in names]
        if stems[stem] == 1:
            wanted += [(Path(), name) for name in names]
        mask = next((found[key] for key in wanted if key in found), None)
        if mask is None and os.path.isdir(masks / place / stem):
            raise DatasetError(
                f"the masks of {shown(image)} are a folder, {shown(masks / place / stem)}, as in"
                " MVTec LOCO, whose layout is not read: give one mask per image"
            )
        if mask is None:
            raise DatasetError(
                f"no mask for {shown(image)}: expected {shown(masks / place / stem)}_mask.png"
            )
        matched.append(mask)
    return matched


def _by_place(folder: Path) -> dict[tuple[Path, str], str]:
    """Masks by sub-folder and stem."""
    paths = []
    if not isinstance(error_of(folder), FileNotFoundError):
        for found in Walk(LeftOut()).below(os.fspath(folder)):
            if not isinstance(found, str):
                raise DatasetError(found.reason)
            paths.append(found)
    return {(Path(p).parent.relative_to(folder), Path(p).stem): p for p in paths}


def folder_below(root: Path, *names: str) -> list[Path]:
    """``root`` and those folders right below it that have one of ``names``, in any case."""
    wanted = {name.lower() for name in names}
    below = [root / name for name in visible_folders(root) if name.lower() in wanted]
    return [root, *below]
