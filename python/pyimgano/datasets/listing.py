"""What a layout finds in the folders of a set: samples, what was left out, what cannot be read."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

from pyimgano.errors import DatasetError
from pyimgano.images.left_out import BROKEN, CLOSED, LeftOut, Reason, adding_to
from pyimgano.images.walk import Walk, visible_folders
from pyimgano.types import Unreadable
from pyimgano.utils.text import shown

T = TypeVar("T")
Part = Literal["train", "test", "validation", "masks"]


class Listing(list[T]):
    """The samples of one category, and what a layout has to tell beside them.

    Attributes
    ----------
    left_out : LeftOut
        Files and folders that are no input, by reason.
    errors : dict of str to DatasetError
        What is wrong with a split, or with ``"masks"``. Whoever asks for that part gets the error,
        and the others can be used.
    """

    def __init__(self, samples: Iterable[T] = ()) -> None:
        super().__init__(samples)
        self.left_out = LeftOut()
        self.errors: dict[Part, DatasetError] = {}

    @contextmanager
    def part(self, name: Part) -> Iterator[None]:
        """Keep a :class:`DatasetError` of a ``with`` block for those who ask for that part."""
        try:
            yield
        except DatasetError as error:
            self.errors.setdefault(name, error)

    def images_in(self, folder: Path, *, deep: bool = True, skip: Iterable[Path] = ()) -> list[str]:
        """The images in a folder, of which there must be one; the rest is counted as left out.

        Those in folders below it are found with ``deep``, but for folders to ``skip``. A
        DatasetError tells that the folder does not exist or has no image, or that one below it
        cannot be read: half a class is no class.
        """
        if not os.path.isdir(folder) and not isinstance(error_of(folder), PermissionError):
            what = "is not a folder" if os.path.lexists(folder) else "does not exist"
            raise DatasetError(f"image folder '{shown(folder)}' {what}")
        paths = []
        with adding_to(self.left_out) as left_out:
            for found in Walk(left_out, skip).below(os.fspath(folder), deep=deep):
                if isinstance(found, str):
                    paths.append(found)
                elif not found.left_out or left_out.count(CLOSED) or left_out.count(BROKEN):
                    raise DatasetError(found.reason)
            if not paths:
                why = left_out.describe()
                why = f"; {why}" if why else ""
                raise DatasetError(f"image folder {shown(folder)} has no images{why}")
        return paths

    def leave_out(self, reason: Reason, folder: Path, *, deep: bool = False) -> None:
        """Count the images in a folder, or also below it, that have no place in the layout."""
        if os.path.isdir(folder):
            for found in Walk(LeftOut()).below(os.fspath(folder), deep=deep):
                if not isinstance(found, Unreadable):
                    self.left_out.add(reason, found)


def folders_with(root: Path, *parts: str) -> list[str]:
    """Names of the folders below ``root`` that hold ``parts``, sorted."""
    if not os.path.isdir(root):
        raise DatasetError(f"dataset root {shown(root)} does not exist or is not a folder")
    return [name for name in visible_folders(root) if _may_hold(root.joinpath(name, *parts))]


def _may_hold(folder: Path) -> bool:
    """Whether there is such a folder, or nobody can tell: then reading it will say why."""
    return os.path.isdir(folder) or isinstance(error_of(folder), PermissionError)


def folder_below(root: Path, *names: str) -> list[Path]:
    """``root`` and those folders right below it that have one of ``names``, in any case."""
    wanted = {name.lower() for name in names}
    below = [root / name for name in visible_folders(root) if name.lower() in wanted]
    return [root, *below]


def error_of(path: str | os.PathLike[str]) -> OSError | None:
    """Why the system says nothing about a file or folder; None if it is there."""
    try:
        os.stat(path)
    except OSError as error:
        return error
    return None


def match_masks(images: Sequence[str], folder: Path, masks: Path) -> list[str]:
    """The mask of each image: ``<stem>_mask`` or ``<stem>``, with any image suffix.

    It is in the same sub-folder of ``masks`` as the image in ``folder`` or, where only one image
    has that stem, anywhere directly in it. A DatasetError names the first image without a mask, or
    a folder of masks that cannot be read.
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
                " MVTec LOCO: the layout mvtec_loco reads those"
            )
        if mask is None:
            raise DatasetError(
                f"no mask for {shown(image)}: expected {shown(masks / place / stem)}_mask.png"
            )
        matched.append(mask)
    return matched


def masks_beside(
    found: Listing[T], folder: Path, named: re.Pattern[str], end: str, other: Reason
) -> list[tuple[str, str]]:
    """The images right in ``folder``, each with the mask that lies beside it.

    The stem of an image is ``named``, and its mask is called ``<stem><end>``, with any image
    suffix. What is neither an image nor a mask is counted as ``other``. A DatasetError names the
    first image without a mask.
    """
    paths = found.images_in(folder, deep=False)
    by_stem = {Path(path).stem: path for path in paths}
    mark, pairs = Path(end).stem, []
    for path in paths:
        stem = Path(path).stem
        if named.fullmatch(stem):
            if stem + mark not in by_stem:
                raise DatasetError(
                    f"no mask for {shown(path)}: expected {shown(folder / stem)}{end}"
                )
            pairs.append((path, by_stem[stem + mark]))
        elif not named.fullmatch(stem.removesuffix(mark)):
            found.left_out.add(other, path)
    return pairs


def _by_place(folder: Path) -> dict[tuple[Path, str], str]:
    """Masks by sub-folder and stem."""
    paths = []
    if not isinstance(error_of(folder), FileNotFoundError):
        for found in Walk(LeftOut()).below(os.fspath(folder)):
            if not isinstance(found, str):
                raise DatasetError(found.reason)
            paths.append(found)
    return {(Path(p).parent.relative_to(folder), Path(p).stem): p for p in paths}
