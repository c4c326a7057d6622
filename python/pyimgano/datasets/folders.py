"""The layout of folders that most sets have: training, test and mask images apart."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyimgano.datasets.base import Sample, Split
from pyimgano.datasets.defects import Saturation
from pyimgano.datasets.listing import Listing, error_of, folder_below, folders_with, match_masks
from pyimgano.errors import DatasetError
from pyimgano.images.left_out import Reason
from pyimgano.images.walk import visible_folders
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


class FolderLayout:
    """``<category>/{train/<good>, test/<good>, test/<defect>, ground_truth/<defect>}``.

    Images in folders below these belong to them. The mask of ``test/<defect>/<stem>.<any>`` is
    ``ground_truth/<defect>/<stem>_mask`` or ``<stem>``, with any image suffix in any case; without
    any ``ground_truth`` folder there are no masks.

    Parameters
    ----------
    name, good
        Name of the set, and of the folders that hold normal images.
    typed
        Whether the other folders in ``test`` are called by the type of their defects.
    archives
        Names of the folder that the set comes in: the root may be the one above.

    Attributes
    ----------
    test, truth : str
        Where the test images and their masks are, below the category.
    has_validation : bool
        Whether ``<category>/validation/<good>`` holds further normal images.
    """

    test = "test"
    truth = "ground_truth"
    has_validation = False

    def __init__(
        self,
        name: str,
        *,
        good: str = "good",
        typed: bool = True,
        archives: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.good = good
        self.typed = typed
        self.archives = tuple(archives)

    @property
    def expects(self) -> str:
        """What is looked for below the root, for messages."""
        return f"<category>/train/{self.good} and <category>/{self.test}"

    def base(self, root: Path) -> Path:
        """The folder of the categories: ``root``, or the set's own folder right below it."""
        if self.archives and os.path.isdir(root):
            for folder in folder_below(root, *self.archives):
                if self._halves_in(folder):
                    return folder
        return root

    def categories(self, root: Path) -> list[str]:
        """Folders that hold a training or a test half, sorted.

        A category that lacks one half is listed, so that a run over all of them reports it.
        """
        return sorted(self._halves_in(self.base(root)))

    def masks_of(self, images: list[str], folder: Path, masks: Path) -> list[tuple[str, ...]]:
        """The mask files of each defect image in ``folder``, which are in ``masks``."""
        return [(mask,) for mask in match_masks(images, folder, masks)]

    def saturation_of(self, category: Path) -> Mapping[int, Saturation]:
        """By the value of a defect's pixels, how much of it has to be found, if the set says so."""
        return {}

    def attributes_of(self, place: Path) -> dict[str, Any]:
        """What the path of an image below its folder tells beside its label."""
        return {}

    def _halves_in(self, base: Path) -> set[str]:
        return {*folders_with(base, "train", self.good), *folders_with(base, self.test)}

    def samples(self, root: Path, category: str) -> Listing[Sample]:
        """Images, labels, masks and types of defect; all folders in test but one hold defects.

        Wrong are: a half that is missing or empty, a folder that cannot be read or whose name is
        nearly the good one's, and a defect image without its mask.
        """
        found: Listing[Sample] = Listing()
        folder = self.base(root) / category
        with found.part("train"):
            self._list_train(found, folder)
        if self.has_validation:
            with found.part("validation"):
                good = folder / "validation" / self.good
                self._check_half(good, folder.name, "validation")
                found += self._samples(found.images_in(good), good, "validation", 0)
        with found.part("test"):
            self._list_test(found, folder)
        return found

    def _list_train(self, found: Listing[Sample], folder: Path) -> None:
        train = folder / "train"
        self._check_half(train / self.good, folder.name, "training")
        found.leave_out(_OUTSIDE, folder)
        found.leave_out(_OUTSIDE, train)
        for name in visible_folders(train):
            if name != self.good:
                found.leave_out(_NOT_GOOD, train / name, deep=True)
        good = train / self.good
        found += self._samples(found.images_in(good), good, "train", 0)

    def _list_test(self, found: Listing[Sample], folder: Path) -> None:
        test, truth = folder / self.test, folder / self.truth
        self._check_half(test, folder.name, "test")
        found.leave_out(_UNLABELLED, test)
        saturation: Mapping[int, Saturation] = {}
        if os.path.isdir(truth):
            with found.part("masks"):
                saturation = self.saturation_of(folder)
        kinds = [kind for kind in visible_folders(test) if test / kind != truth]
        for kind in kinds:
            self._check_kind(test / kind)
            paths = found.images_in(test / kind)
            is_good = kind == self.good
            masks: list[tuple[str, ...] | None] = [None] * len(paths)
            if os.path.isdir(truth):
                with found.part("masks"):
                    masks = (
                        [()] * len(paths)
                        if is_good
                        else [*self.masks_of(paths, test / kind, truth / kind)]
                    )
            for sample, mask in zip(
                self._samples(paths, test / kind, "test", int(not is_good)), masks, strict=True
            ):
                defect_type = kind if self.typed and not is_good else None
                known = {} if is_good else saturation
                found.append(replace(sample, masks=mask, defect_type=defect_type, saturation=known))
        if not kinds:
            why = found.left_out.describe()
            raise DatasetError(
                f"test folder {shown(test)} has no folders of images{why and f'; {why}'}"
            )

    def _samples(
        self, paths: Sequence[str], folder: Path, split: Split, label: int | None
    ) -> list[Sample]:
        """Images of a folder with what their places in it tell."""
        return [
            Sample(p, split, label, attributes=self.attributes_of(Path(p).relative_to(folder)))
            for p in paths
        ]

    def _check_half(self, folder: Path, category: str, half: str) -> None:
        if os.path.isdir(folder):
            return
        gone = isinstance(error_of(folder.parent), FileNotFoundError)
        there = [] if gone else visible_folders(folder.parent)  # says so where it is closed
        if half == "test":  # beside training images and masks
            there = [name for name in there if name.lower().startswith("test")]
        near = f"; there is {', '.join(map(repr, there))}, and {folder.name!r} is what is read"
        raise DatasetError(
            f"{self.name} category {category!r} has no {half} half: {shown(folder)}"
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
