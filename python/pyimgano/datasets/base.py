"""What every image set offers, and its lazy masks."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyimgano.datasets.masks import LazyMasks
from pyimgano.errors import DatasetError, UnknownNameError
from pyimgano.images.left_out import BROKEN, CLOSED, LeftOut, Reason
from pyimgano.images.preprocess import as_size, resize_image, resize_nearest
from pyimgano.images.reading import read_image
from pyimgano.images.walk import Walk, visible_folders
from pyimgano.registry import unknown_name
from pyimgano.types import ImageSize, Unreadable
from pyimgano.utils.text import shown


class TestSplit(NamedTuple):
    """Paths, labels (0 normal, 1 anomalous, None: unknown) and masks (None: there are none)."""

    paths: list[str]
    labels: NDArray[np.int64] | None
    masks: LazyMasks | None


class Dataset(ABC):
    """One category of an image set.

    Parameters
    ----------
    root
        Folder of the set.
    category
        Name of the category (a folder below ``root``).
    resize
        Size that ``get_train_data`` and ``get_test_data`` bring images and masks to; None for
        native. Paths and the lazy masks of ``get_test_paths`` are always native.
    load_masks
        Whether test splits carry masks.

    Attributes
    ----------
    left_out : LeftOut
        Files and folders of the listed halves that are no input, by reason.
    """

    name: ClassVar[str]

    def __init__(
        self,
        root: str | os.PathLike[str],
        category: str | None = None,
        resize: ImageSize = None,
        load_masks: bool = True,
    ) -> None:
        self.root = Path(root)
        self.category = category
        self.resize = as_size(resize, "resize")
        self.load_masks = load_masks
        self._left_out: dict[str, LeftOut] = {}
        if not os.path.isdir(self.root):
            raise DatasetError(f"dataset root {shown(root)} does not exist or is not a folder")
        self._check()

    def _check(self) -> None:
        """Check the layout; by default that the category exists."""
        known = self.list_categories(self.root)
        if self.category is None:
            hint = self.root_hint(self.root)
            raise DatasetError(
                f"{self.name}: name a category; {shown(self.root)} has {known}{hint}"
            )
        if self.category not in known:
            raise unknown_category(self.root, self.category, known, self.root_hint(self.root))

    @classmethod
    @abstractmethod
    def list_categories(cls, root: str | os.PathLike[str]) -> list[str]:
        """Categories found below ``root``, sorted."""

    @classmethod
    def root_hint(cls, root: str | os.PathLike[str]) -> str:
        """What to do about a root without categories, as the end of an error; may be empty."""
        return ""

    @property
    def left_out(self) -> LeftOut:
        """What was left out of the halves that were listed, by reason."""
        whole = LeftOut()
        for one in self._left_out.values():
            whole.update(one)
        return whole

    @property
    def ignored_files(self) -> int:
        """How many files and folders were left out of the halves that were listed."""
        return self.left_out.total + self.left_out.n_expected

    @abstractmethod
    def get_train_paths(self) -> list[str]:
        """Paths of the normal training images, sorted."""

    @abstractmethod
    def get_test_paths(self) -> TestSplit:
        """Paths, labels and masks of the test images, sorted by path."""

    def get_train_data(self) -> list[NDArray[np.uint8] | NDArray[np.uint16]]:
        """Load the training images as arrays, for small sets."""
        return [self._load(path) for path in self.get_train_paths()]

    def get_test_data(
        self,
    ) -> tuple[
        list[NDArray[np.uint8] | NDArray[np.uint16]],
        NDArray[np.int64] | None,
        list[NDArray[np.uint8]] | None,
    ]:
        """Load test images, labels and masks as arrays, for small sets."""
        paths, labels, masks = self.get_test_paths()
        images = [self._load(path) for path in paths]
        if masks is None:
            return images, labels, None
        arrays = list(masks)
        if self.resize is not None:
            arrays = [resize_nearest(mask, self.resize) for mask in arrays]
        return images, labels, arrays

    def _load(self, path: str) -> NDArray[np.uint8] | NDArray[np.uint16]:
        image = read_image(path)
        return image if self.resize is None else resize_image(image, self.resize)

    def _images(self, folder: Path, *, deep: bool = True, skip: Sequence[Path] = ()) -> list[str]:
        """The images in and below a folder, of which there must be one.

        A folder below it that cannot be read is an error: half a class is no class.
        """
        if not os.path.isdir(folder) and not isinstance(error_of(folder), PermissionError):
            what = "is not a folder" if os.path.lexists(folder) else "does not exist"
            raise DatasetError(f"image folder '{shown(folder)}' {what}")
        left_out = self._left_out[os.fspath(folder)] = LeftOut()
        paths = []
        for found in Walk(left_out, skip).below(os.fspath(folder), deep=deep):
            if isinstance(found, str):
                paths.append(found)
            elif not found.left_out or left_out.count(CLOSED) or left_out.count(BROKEN):
                raise DatasetError(found.reason)
        if not paths:
            why = left_out.describe()
            raise DatasetError(f"image folder {shown(folder)} has no images{why and f'; {why}'}")
        return paths

    def _leave_out(self, reason: Reason, folder: Path, *, deep: bool = False) -> None:
        """Count the images in a folder, or also below it, that have no place in the layout."""
        left_out = self._left_out[f"{folder}{os.sep}"] = LeftOut()
        if os.path.isdir(folder):
            for found in Walk(LeftOut()).below(os.fspath(folder), deep=deep):
                if not isinstance(found, Unreadable):
                    left_out.add(reason, found)


def unknown_category(
    root: str | os.PathLike[str], name: str, known: Sequence[str], hint: str
) -> DatasetError | UnknownNameError:
    """An error for a category that a root does not have."""
    if not known and hint:
        return DatasetError(f"no category below {shown(root)}{hint}")
    return unknown_name(f"category below {shown(root)}", name, known)


def assemble_split(
    groups: Sequence[tuple[list[str], int, Sequence[str | None]]], *, with_masks: bool
) -> TestSplit:
    """One sorted split out of (paths, label, mask files) groups."""
    rows = sorted(
        (path, label, mask)
        for paths, label, masks in groups
        for path, mask in zip(paths, masks, strict=True)
    )
    paths = [row[0] for row in rows]
    labels = np.array([row[1] for row in rows], dtype=np.int64)
    masks = LazyMasks(paths, [row[2] for row in rows]) if with_masks else None
    return TestSplit(paths, labels, masks)


def folders_with(root: str | os.PathLike[str], *parts: str) -> list[str]:
    """Names of the folders below ``root`` that hold ``parts``, sorted."""
    base = Path(root)
    if not os.path.isdir(base):
        raise DatasetError(f"dataset root {shown(root)} does not exist or is not a folder")
    return [name for name in visible_folders(base) if _may_hold(base.joinpath(name, *parts))]


def _may_hold(folder: Path) -> bool:
    """Whether there is such a folder, or nobody can tell: then reading it will say why."""
    return os.path.isdir(folder) or isinstance(error_of(folder), PermissionError)


def error_of(path: str | os.PathLike[str]) -> OSError | None:
    """Why the system says nothing about a file or folder; None if it is there."""
    try:
        os.stat(path)
    except OSError as error:
        return error
    return None
