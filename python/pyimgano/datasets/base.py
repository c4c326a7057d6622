"""What an image set is made of: samples, the layout that lists them, and the dataset over it."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from pyimgano.datasets.defects import Saturation
from pyimgano.datasets.listing import Listing
from pyimgano.datasets.masks import LazyMasks
from pyimgano.errors import DatasetError, InvalidInputError, PyimganoError, UnknownNameError
from pyimgano.images.geometry import resize_image, resize_nearest
from pyimgano.images.left_out import LeftOut, Reason
from pyimgano.images.preprocess import as_size
from pyimgano.images.reading import read_image
from pyimgano.registry import unknown_name
from pyimgano.types import ImageSize
from pyimgano.utils.text import shown

T = TypeVar("T")
Split = Literal["train", "test", "validation"]
DEFECTIVE = Reason("defective training image", "defective training images", expected=True)


@dataclass(frozen=True, slots=True)
class Sample:
    """One image of a set and what the set knows about it.

    Parameters
    ----------
    path
        The image file.
    split
        ``"train"``, ``"test"`` or ``"validation"``.
    label
        0 normal, 1 anomalous, None unknown.
    masks
        Mask files of the image; every non-zero pixel of any of them is defect. Empty: no pixel is
        defect. None: nobody marked pixels.
    defect_type
        Kind of the defect; None for a normal image and where it is unknown.
    group
        Name of the part that the image shows, where several images show one part.
    attributes
        What else is known, by name, as plain data: view, lighting, shift.
    saturation
        By the value of a defect's pixels in its mask, how much of it has to be found. Where it is
        given, every value in every mask file is one defect, which sPRO counts; empty: defects are
        what touches.

    Raises
    ------
    DatasetError
        A split or a label that does not exist; names the file.
    """

    path: str
    split: Split = "train"
    label: int | None = 0
    masks: tuple[str, ...] | None = None
    defect_type: str | None = None
    group: str | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)
    saturation: Mapping[int, Saturation] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", os.fspath(self.path))
        if self.masks is not None:
            files = (self.masks,) if isinstance(self.masks, (str, os.PathLike)) else self.masks
            object.__setattr__(self, "masks", tuple(map(os.fspath, files)))
        if self.split not in get_args(Split):
            raise DatasetError(
                f"{shown(self.path)}: split is 'train', 'test' or 'validation', not {self.split!r}"
            )
        if self.label not in (0, 1, None):
            raise DatasetError(f"{shown(self.path)}: label is 0, 1 or None, not {self.label!r}")
        if self.label is not None:
            object.__setattr__(self, "label", int(self.label))


class Layout(Protocol):
    """Where an image set keeps its files.

    Attributes
    ----------
    name : str
        What the set is called in :func:`~pyimgano.datasets.load_dataset` and on the command line.
    expects : str, optional
        What is looked for below a root: the end of errors about roots without any category.
    """

    @property
    def name(self) -> str:
        """Name of the set."""

    def categories(self, root: Path) -> list[str]:
        """Names of the categories found below ``root``, sorted."""

    def samples(self, root: Path, category: str) -> Iterable[Sample]:
        """All images of a category, in any order.

        A :class:`~pyimgano.datasets.Listing` besides tells which files were left out, and
        which splits cannot be read while the others can.
        """


class TestSplit(NamedTuple):
    """Paths, labels (0 normal, 1 anomalous, None: unknown) and masks (None: there are none)."""

    paths: list[str]
    labels: NDArray[np.int64] | None
    masks: LazyMasks | None


class Dataset:
    """One category of an image set.

    Its files are listed once, when they are first asked for; where something was wrong with them
    they are listed again at the next call.

    Parameters
    ----------
    root, category
        Folder of the set, and name of the category, see :meth:`list_categories`; None where there
        is but one.
    resize
        Size that ``get_train_data`` and ``get_test_data`` bring images and masks to; None for
        native. Paths and the lazy masks of ``get_test_paths`` are always native.
    load_masks
        Whether test splits carry masks.
    layout
        Where the files are; None for the layout of the class, such as ``MVTecDataset``.

    Raises
    ------
    DatasetError, UnknownNameError
        The root does not exist, no category is named, or there is no such one; lists those found.
    """

    layout: Layout

    def __init__(
        self,
        root: str | os.PathLike[str],
        category: str | None = None,
        resize: ImageSize = None,
        load_masks: bool = True,
        *,
        layout: Layout | None = None,
    ) -> None:
        if layout is not None:
            self.layout = layout
        elif not hasattr(self, "layout"):
            raise InvalidInputError("Dataset needs a layout; load_dataset opens a set by its name")
        self.root = Path(root)
        self.category = category
        self.resize = as_size(resize, "resize")
        self.load_masks = load_masks
        self._listed: Listing[Sample] | None = None
        if not os.path.isdir(self.root):
            raise DatasetError(f"dataset root {shown(root)} does not exist or is not a folder")
        self._check()

    def _check(self) -> None:
        """Check that the category exists."""
        known = categories_of(self.layout, self.root)
        if self.category in known:
            return
        if self.category is None and len(known) == 1:
            (self.category,) = known
            return
        hint = category_hint(self.layout, self.root)
        if not known:
            hint = hint or expected_by(self.layout)
            raise DatasetError(f"no {self.name} category below {shown(self.root)}{hint}")
        if self.category is None:
            raise DatasetError(
                f"{self.name}: name a category; {shown(self.root)} has {known}{hint}"
            )
        raise unknown_name(f"category below {shown(self.root)}", self.category, known)

    @property
    def name(self) -> str:
        """Name of the layout."""
        return self.layout.name

    @classmethod
    def list_categories(cls, root: str | os.PathLike[str]) -> list[str]:
        """Categories found below ``root``, sorted."""
        return categories_of(cls.layout, root)

    @property
    def left_out(self) -> LeftOut:
        """Files and folders of the category that are no input, by reason, once it was listed."""
        return LeftOut() if self._listed is None else self._listed.left_out

    @property
    def ignored_files(self) -> int:
        """How many files and folders of the category are no input, once it was listed."""
        return self.left_out.total + self.left_out.n_expected

    def samples(self, split: Split | None = None) -> list[Sample]:
        """What the set knows about each image of a split, or of all for None, sorted by path.

        A DatasetError tells that the split, or any of them for None, cannot be read, a mask is
        missing, where masks are asked for, or an image is listed twice in a split.
        """
        found = self._list()
        wanted = set(get_args(Split)) if split is None else {split}
        if self.load_masks and split != "train":
            wanted.add("masks")
        for part, error in found.errors.items():
            if part in wanted:
                raise error
        return [one for one in found if split in (None, one.split)]

    def get_train_paths(self) -> list[str]:
        """Paths of the normal training images, sorted; without any a DatasetError."""
        paths = [one.path for one in self.samples("train") if not one.label]
        if not paths:
            raise DatasetError(
                f"{self.name} category {self.category!r} has no training image below"
                f" {shown(self.root)}"
            )
        return paths

    def get_test_paths(self) -> TestSplit:
        """Paths, labels and masks of the test images, sorted by path.

        ``labels`` is None where no image has one, ``masks`` where no image has any. A DatasetError
        names the file: a folder cannot be read, a defect image has no mask although others have, or
        some images have labels and others have none.
        """
        samples = self.samples("test")
        paths = [one.path for one in samples]
        labels = [one.label for one in samples if one.label is not None]
        if samples and not labels:
            return TestSplit(paths, None, None)
        if len(labels) < len(samples):
            unknown = next(one.path for one in samples if one.label is None)
            raise DatasetError(f"{shown(unknown)} has no label, other test images have one")
        masks = [one.masks for one in samples]
        lazy = None
        if self.load_masks and (not samples or any(mask is not None for mask in masks)):
            for one in samples:
                if one.label and one.masks is None:
                    raise DatasetError(f"no mask for {shown(one.path)}, but for other images")
            lazy = LazyMasks(paths, masks, [one.saturation for one in samples])
        return TestSplit(paths, np.array(labels, dtype=np.int64), lazy)

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

    def _list(self) -> Listing[Sample]:
        if self._listed is None or self._listed.errors:
            self._listed = _listing_of(self.layout, self.root, self.category or "")
        return self._listed


def categories_of(layout: Layout, root: str | os.PathLike[str]) -> list[str]:
    """Categories that a layout finds below ``root``; a DatasetError if one can name no file."""
    found: list[str] = _ask(layout, lambda: list(layout.categories(Path(root))))
    for name in found:
        if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or "\0" in name:
            raise DatasetError(
                f"layout {layout.name!r} gives the category {name!r}: results and pictures are"
                " called after it, so it must be a text that can name a file, without /"
            )
    return found


def category_hint(layout: Layout, root: str | os.PathLike[str]) -> str:
    """Where a root is a category itself: how to name the two, as the end of an error."""
    path = Path(root).resolve()
    try:
        found = path.name in categories_of(layout, path.parent)
    except (DatasetError, UnknownNameError):
        return ""
    return (
        f"; {shown(root)} is a category itself: take {shown(path.parent)} as root and"
        f" {shown(path.name)} as category"
        if found
        else ""
    )


def expected_by(layout: Layout) -> str:
    """What a layout looks for below its root, if it says so, as the end of an error."""
    expects = getattr(layout, "expects", "")
    return f": expected {expects}" if isinstance(expects, str) and expects else ""


def _listing_of(layout: Layout, root: Path, category: str) -> Listing[Sample]:
    """What a layout lists, checked and sorted."""
    given = _ask(layout, lambda: _as_listing(layout.samples(root, category)))
    seen: set[tuple[str, str]] = set()
    for one in given:
        if not isinstance(one, Sample):
            raise DatasetError(f"layout {layout.name!r} lists {one!r}, which is no Sample")
        if (one.split, one.path) in seen:
            raise DatasetError(
                f"layout {layout.name!r} lists {shown(one.path)} twice among its {one.split} images"
            )
        seen.add((one.split, one.path))
        if one.label and one.split == "train":
            given.left_out.add(DEFECTIVE, one.path)
    given.sort(key=lambda one: one.path)
    return given


def _as_listing(samples: Iterable[Sample]) -> Listing[Sample]:
    return samples if isinstance(samples, Listing) else Listing(samples)


def _ask(layout: Layout, question: Callable[[], T]) -> T:
    """What a layout answers; its own failures become one error that names it."""
    try:
        return question()
    except (PyimganoError, MemoryError):
        raise
    except Exception as error:
        raise DatasetError(
            f"layout {layout.name!r} failed with {type(error).__name__}: {error}"
        ) from error
