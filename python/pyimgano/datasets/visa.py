"""VisA in the three layouts it is found in (Zou et al., "SPot-the-Difference", ECCV 2022)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pyimgano.datasets.base import TestSplit, assemble_split, folders_with
from pyimgano.datasets.folders import FolderDataset, folder_below
from pyimgano.datasets.visa_split import SplitRow, read_split, resolve
from pyimgano.errors import DatasetError
from pyimgano.images.left_out import LeftOut, Reason
from pyimgano.images.walk import Walk
from pyimgano.utils.text import shown

_SPLIT = Path("split_csv", "1cls.csv")
_IMAGES = ("Data", "Images")
_UNLISTED = Reason(
    "image that the split file does not list", "images that the split file does not list"
)


class VisADataset(FolderDataset):
    """One category of VisA; the layout is recognised by itself.

    - As downloaded: ``<category>/Data/Images/{Normal,Anomaly}/*.JPG`` and
      ``Data/Masks/Anomaly/*.png``, divided by ``split_csv/1cls.csv``. It is preferred where it is
      there and has its split file.
    - After the authors' ``prepare_data.py``: ``1cls/<category>/{train/good, test/good, test/bad,
      ground_truth/bad}``, names and suffixes kept.
    - ``visa_pytorch/<category>/...``, the same without ``1cls``.

    ``root`` is the folder of the categories, or one or two levels above (``1cls``,
    ``visa_pytorch``). Masks hold label indices; any non-zero pixel is defect.
    """

    name = "visa"

    @classmethod
    def list_categories(cls, root: str | os.PathLike[str]) -> list[str]:
        """Categories found below ``root``, sorted.

        Raises
        ------
        DatasetError
            No layout of VisA is found, or the split file is missing; names the path.
        """
        return _locate(root).categories

    @property
    def _folder(self) -> Path:
        return _locate(self.root).base / str(self.category)

    def get_train_paths(self) -> list[str]:
        """Paths of the normal training images, sorted."""
        if not _locate(self.root).raw:
            return super().get_train_paths()
        base, rows = self._rows("train")
        self._leave_out_unlisted(base)
        return sorted(resolve(base, row, "image") for row in rows)

    def get_test_paths(self) -> TestSplit:
        """Paths, labels and masks of the test images, sorted by path.

        ``masks`` is None without any ``Data/Masks`` or ``ground_truth`` folder.

        Raises
        ------
        DatasetError
            No test images, or a defect image without its mask; names the path, and in the layout
            as downloaded the split file and its line.
        """
        if not _locate(self.root).raw:
            return super().get_test_paths()
        base, rows = self._rows("test")
        with_masks = self.load_masks and os.path.isdir(self._folder / "Data" / "Masks")
        groups = []
        for row in rows:
            mask = resolve(base, row, "mask") if with_masks and row.label else None
            groups.append(([resolve(base, row, "image")], row.label, [mask]))
        return assemble_split(groups, with_masks=with_masks)

    def _leave_out_unlisted(self, base: Path) -> None:
        """Count images of the category that no row of the split file names."""
        listed = {
            _any_case(base / row.image.replace("\\", "/"))
            for row in read_split(base / _SPLIT)
            if row.category == self.category
        }
        left_out = self._left_out[_SPLIT.name] = LeftOut()
        for found in Walk(left_out).below(os.fspath(self._folder.joinpath(*_IMAGES))):
            if not isinstance(found, str):
                raise DatasetError(found.reason)
            if _any_case(Path(found)) not in listed:
                left_out.add(_UNLISTED, found)

    def _rows(self, split: str) -> tuple[Path, list[SplitRow]]:
        """Folder that the rows' paths start from, and the rows of this category and split."""
        base = _locate(self.root).base
        file = base / _SPLIT
        own = [r for r in read_split(file) if r.category == self.category and r.split == split]
        if not own:
            raise DatasetError(
                f"visa category {self.category!r} has no {split} half: no such row in {shown(file)}"
            )
        return base, own


def _any_case(path: Path) -> Path:
    """A path whose suffix may be written in any case."""
    return path.with_suffix(path.suffix.lower())


@dataclass(frozen=True)
class _Layout:
    base: Path
    raw: bool
    categories: list[str]


def _locate(root: str | os.PathLike[str]) -> _Layout:
    """Find the categories: first as downloaded with a split file, then prepared."""
    path = Path(root)
    raw = folders_with(path, *_IMAGES)
    if raw and os.path.isfile(path / _SPLIT):
        return _Layout(path, True, raw)
    for outer in folder_below(path, "visa_pytorch"):
        for base in folder_below(outer, "1cls"):
            prepared = FolderDataset.list_categories(base)
            if prepared:
                return _Layout(base, False, prepared)
    if raw:
        raise DatasetError(
            f"VisA as downloaded needs its split file {shown(path / _SPLIT)}, which does not exist"
        )
    raise DatasetError(
        f"no layout of VisA below {shown(path)}: expected <category>/{'/'.join(_IMAGES)} with"
        f" {_SPLIT.as_posix()}, or <category>/train/good, or the latter in 1cls or visa_pytorch"
    )
