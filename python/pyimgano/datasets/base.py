"""What every image set offers, and its lazy masks."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import DatasetError
from pyimgano.registry import unknown_name
from pyimgano.types import ImageSize
from pyimgano.utils.images import image_size, list_images, read_image, read_mask, shown
from pyimgano.utils.preprocess import as_size, resize_image


class LazyMasks(Sequence[NDArray[np.uint8]]):
    """Ground-truth masks, each read when it is asked for.

    Items are uint8 (H, W) with values 0 and 1, at the size of their image; a good image has an
    all-zero mask.

    Parameters
    ----------
    images
        Image paths, which give the sizes.
    masks
        The mask file of each image; None for a good image.
    resize
        Size that every mask is brought to (nearest neighbour); None for native.
    """

    def __init__(
        self,
        images: Sequence[str],
        masks: Sequence[str | None],
        resize: tuple[int, int] | None = None,
    ) -> None:
        if len(images) != len(masks):
            raise DatasetError(f"{len(images)} images, but {len(masks)} masks")
        self._images = list(images)
        self._masks = list(masks)
        self._resize = resize

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> LazyMasks: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.uint8] | LazyMasks:
        if isinstance(index, slice):
            return LazyMasks(self._images[index], self._masks[index], self._resize)
        image, mask = self._images[index], self._masks[index]
        size = image_size(image)
        if mask is None:
            return np.zeros(self._resize or size, dtype=np.uint8)
        pixels = read_mask(mask)
        if pixels.shape != size:
            raise DatasetError(
                f"mask {shown(mask)} is {pixels.shape[1]} x {pixels.shape[0]} pixels, its image"
                f" {shown(image)} is {size[1]} x {size[0]}"
            )
        return pixels if self._resize is None else _nearest(pixels, self._resize)


def _nearest(mask: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    rows = (np.arange(size[0]) * mask.shape[0]) // size[0]
    columns = (np.arange(size[1]) * mask.shape[1]) // size[1]
    return np.asarray(mask[rows][:, columns])


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
    ignored_files : int
        Files left out of the listed folders because they are not images.
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
        self.ignored_files = 0
        if not self.root.is_dir():
            raise DatasetError(f"dataset root {shown(root)} does not exist or is not a folder")
        self._check()

    def _check(self) -> None:
        """Check the layout; by default that the category exists."""
        known = self.list_categories(self.root)
        if self.category is None:
            raise DatasetError(f"{self.name}: name a category; {shown(self.root)} has {known}")
        if self.category not in known:
            raise unknown_name(f"category below {shown(self.root)}", self.category, known)

    @classmethod
    @abstractmethod
    def list_categories(cls, root: str | os.PathLike[str]) -> list[str]:
        """Categories found below ``root``, sorted."""

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
            arrays = [_nearest(mask, self.resize) for mask in arrays]
        return images, labels, arrays

    def _load(self, path: str) -> NDArray[np.uint8] | NDArray[np.uint16]:
        image = read_image(path)
        return image if self.resize is None else resize_image(image, self.resize)

    def _images(self, folder: Path, *, recursive: bool = False) -> list[str]:
        """The images of a folder that must not be empty."""
        listing = list_images(folder, recursive=recursive)
        self.ignored_files += listing.ignored
        if not listing.paths:
            raise DatasetError(f"image folder {shown(folder)} has no images")
        return listing.paths


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
    if not base.is_dir():
        raise DatasetError(f"dataset root {shown(root)} does not exist or is not a folder")
    return sorted(d.name for d in base.iterdir() if d.is_dir() and d.joinpath(*parts).is_dir())
