"""The layout of folders that most sets have: training, test and mask images apart."""

import os
from pathlib import Path

from pyimgano.datasets.base import Sample
from pyimgano.datasets.listing import Listing, error_of, folders_with, match_masks
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
    """

    def __init__(self, name: str, *, good: str = "good", typed: bool = True) -> None:
        self.name = name
        self.good = good
        self.typed = typed

    def base(self, root: Path) -> Path:
        """The folder of the categories; ``root`` itself unless a set has it elsewhere."""
        return root

    def categories(self, root: Path) -> list[str]:
        """Folders that hold a training or a test half, sorted.

        A category that lacks one half is listed, so that a run over all of them reports it.
        """
        base = self.base(root)
        return sorted({*folders_with(base, "train", self.good), *folders_with(base, "test")})

    def samples(self, root: Path, category: str) -> Listing[Sample]:
        """Images, labels, masks and types of defect; all folders in test but one hold defects.

        Wrong are: a half that is missing or empty, a folder that cannot be read or whose name is
        nearly the good one's, and a defect image without its mask.
        """
        found: Listing[Sample] = Listing()
        folder = self.base(root) / category
        with found.part("train"):
            self._list_train(found, folder)
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
        found += map(Sample, found.images_in(train / self.good))

    def _list_test(self, found: Listing[Sample], folder: Path) -> None:
        test, truth = folder / "test", folder / "ground_truth"
        self._check_half(test, folder.name, "test")
        found.leave_out(_UNLABELLED, test)
        kinds = visible_folders(test)
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
                        else [(m,) for m in match_masks(paths, test / kind, truth / kind)]
                    )
            defect_type = kind if self.typed and not is_good else None
            found += [
                Sample(path, "test", int(not is_good), mask, defect_type)
                for path, mask in zip(paths, masks, strict=True)
            ]
        if not kinds:
            why = found.left_out.describe()
            raise DatasetError(
                f"test folder {shown(test)} has no folders of images{why and f'; {why}'}"
            )

    def _check_half(self, folder: Path, category: str, half: str) -> None:
        if os.path.isdir(folder):
            return
        gone = isinstance(error_of(folder.parent), FileNotFoundError)
        there = [] if gone else visible_folders(folder.parent)  # says so where it is closed
        near = f"; there is {', '.join(map(repr, there))}, and {folder.name!r} is what is read"
        raise DatasetError(
            f"{self.name} category {category!r} has no {half} half: {shown(folder)}"
            f" does not exist or is not a folder{near if there and half == 'training' else ''}"
        )

    def _check_kind(self, folder: Path) -> None:
        """Refuse folders that a person takes for the good one: their images would be defects."""
        name = folder.name
        if name != self.good and name.strip().lower() in _GOOD_NAMES:
            raise DatasetError(
                f"{shown(folder)} would count as a kind of defect: the folder of good images is"
                f" called {self.good!r} in this layout; rename it"
            )
