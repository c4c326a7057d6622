"""VisA in the three layouts it is found in (Zou et al., "SPot-the-Difference", ECCV 2022)."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from pyimgano.datasets.base import Dataset, Sample
from pyimgano.datasets.folders import FolderLayout
from pyimgano.datasets.listing import Listing, folder_below, folders_with
from pyimgano.errors import DatasetError
from pyimgano.images.left_out import Reason
from pyimgano.images.walk import Walk
from pyimgano.utils.text import shown

_SPLIT = Path("split_csv", "1cls.csv")
_IMAGES = ("Data", "Images")
_UNLISTED = Reason(
    "image that the split file does not list", "images that the split file does not list"
)
COLUMNS = ("object", "split", "label", "image", "mask")
_VALUES = {"split": ("train", "test"), "label": ("normal", "anomaly")}


@dataclass(frozen=True)
class SplitRow:
    """One image of the split file."""

    where: str  #: File and line, for messages.
    category: str  #: The object.
    split: str  #: ``train`` or ``test``.
    label: int  #: 0 normal, 1 anomalous.
    image: str  #: As written, relative to the set's root, as the mask.
    mask: str | None  #: None where the cell is empty.


def read_split(path: Path) -> list[SplitRow]:
    """Read and check a whole split file.

    A DatasetError names the file and the line: a column or a value is missing or unknown, an
    anomaly among the training images, a path that leaves the set, an image that is listed twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read split file {shown(path)}: {error}") from error
    reader = csv.reader(text.splitlines())
    try:
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise DatasetError(
                f"{shown(path)}, line 1: no column {', '.join(map(repr, missing))}; expected"
                f" {', '.join(COLUMNS)}, found {', '.join(header) or 'nothing'}"
            )
        rows = [
            _row(f"{shown(path)}, line {reader.line_num}", header, cells)
            for cells in reader
            if cells
        ]
    except csv.Error as error:
        raise DatasetError(f"{shown(path)}, line {reader.line_num}: {error}") from error
    _refuse_repeats(rows)
    return rows


def _row(where: str, header: list[str], cells: list[str]) -> SplitRow:
    if len(cells) != len(header):
        raise DatasetError(f"{where}: {len(cells)} values for {len(header)} columns")
    value = dict(zip(header, (cell.strip() for cell in cells), strict=True))
    for column, known in _VALUES.items():
        if value[column] not in known:
            raise DatasetError(
                f"{where}: unknown {column} {value[column]!r}; expected {' or '.join(known)}"
            )
    for column in ("object", "image"):
        if not value[column]:
            raise DatasetError(f"{where}: the {column} is empty")
    for column in ("image", "mask"):
        parts = PurePosixPath(value[column].replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts:
            raise DatasetError(f"{where}: {column} {value[column]!r} is outside the data set")
    label = int(value["label"] == "anomaly")
    if label and value["split"] == "train":
        raise DatasetError(
            f"{where}: an anomaly among the training images; this is not a one-class split"
        )
    if not label and value["mask"]:
        raise DatasetError(f"{where}: a normal image with a mask, {value['mask']!r}")
    return SplitRow(
        where, value["object"], value["split"], label, value["image"], value["mask"] or None
    )


def _refuse_repeats(rows: list[SplitRow]) -> None:
    seen: dict[str, SplitRow] = {}
    for row in rows:
        if (first := seen.setdefault(row.image, row)) is not row:
            raise DatasetError(
                f"{row.where}: image {row.image!r} is listed already ({first.split}: {first.where})"
            )


def resolve(root: Path, row: SplitRow, column: Literal["image", "mask"]) -> str:
    """The file that a row's ``image`` or ``mask`` names; its suffix may be in another case."""
    named = row.image if column == "image" else row.mask
    if named is None:
        raise DatasetError(f"{row.where}: anomaly {row.image!r} has no mask")
    path = root / named.replace("\\", "/")
    for suffix in (path.suffix, path.suffix.lower(), path.suffix.upper()):
        candidate = path.with_suffix(suffix)
        if os.path.isfile(candidate):
            return os.fspath(candidate)
    raise DatasetError(f"{row.where}: {column} {shown(path)} does not exist")


class VisALayout(FolderLayout):
    """As downloaded with the authors' split file, or in folders as their script writes them."""

    def __init__(self) -> None:
        super().__init__("visa", typed=False)

    def base(self, root: Path) -> Path:
        """Where the categories are: ``root`` or one or two levels below it."""
        return _locate(root).base

    def categories(self, root: Path) -> list[str]:
        """Categories found below ``root``, sorted.

        Raises
        ------
        DatasetError
            No layout of VisA is found, or the split file is missing; names the path.
        """
        return _locate(root).categories

    def samples(self, root: Path, category: str) -> Listing[Sample]:
        """Images, labels and masks; no masks without any ``Data/Masks`` or ``ground_truth``."""
        located = _locate(root)
        if not located.raw:
            return super().samples(root, category)
        found: Listing[Sample] = Listing()
        base = located.base
        rows = [row for row in read_split(base / _SPLIT) if row.category == category]
        with found.part("train"):
            train = _half(base, rows, category, "train")
            _leave_out_unlisted(found, base, rows, category)
            found += [Sample(resolve(base, row, "image")) for row in train]
        with found.part("test"):
            test = _half(base, rows, category, "test")
            masks: list[tuple[str, ...] | None] = [None] * len(test)
            if os.path.isdir(base / category / "Data" / "Masks"):
                with found.part("masks"):
                    masks = [(resolve(base, r, "mask"),) if r.label else () for r in test]
            found += [
                Sample(resolve(base, row, "image"), "test", row.label, mask)
                for row, mask in zip(test, masks, strict=True)
            ]
        return found


class VisADataset(Dataset):
    """One category of VisA; the layout is recognised by itself.

    - As downloaded: ``<category>/Data/Images/{Normal,Anomaly}/*.JPG`` and
      ``Data/Masks/Anomaly/*.png``, divided by ``split_csv/1cls.csv``. It is preferred where it is
      there and has its split file.
    - After the authors' ``prepare_data.py``: ``1cls/<category>/{train/good, test/good, test/bad,
      ground_truth/bad}``, names and suffixes kept; ``visa_pytorch/<category>/...`` likewise.

    ``root`` is the folder of the categories, or one or two levels above (``1cls``,
    ``visa_pytorch``). Masks hold label indices; any non-zero pixel is defect.
    """

    layout = VisALayout()


def _half(base: Path, rows: list[SplitRow], category: str, split: str) -> list[SplitRow]:
    """The rows of one split, of which there must be one."""
    own = [row for row in rows if row.split == split]
    if not own:
        raise DatasetError(
            f"visa category {category!r} has no {split} half: no such row in {shown(base / _SPLIT)}"
        )
    return own


def _leave_out_unlisted(
    found: Listing[Sample], base: Path, rows: list[SplitRow], category: str
) -> None:
    """Count images of the category that no row of the split file names."""
    listed = {_any_case(base / row.image.replace("\\", "/")) for row in rows}
    for path in Walk(found.left_out).below(os.fspath(base.joinpath(category, *_IMAGES))):
        if not isinstance(path, str):
            raise DatasetError(path.reason)
        if _any_case(Path(path)) not in listed:
            found.left_out.add(_UNLISTED, path)


def _any_case(path: Path) -> Path:
    """A path whose suffix may be written in any case."""
    return path.with_suffix(path.suffix.lower())


_PREPARED = FolderLayout("visa")


@dataclass(frozen=True)
class _Located:
    base: Path
    raw: bool
    categories: list[str]


def _locate(path: Path) -> _Located:
    """Find the categories: first as downloaded with a split file, then prepared."""
    raw = folders_with(path, *_IMAGES)
    if raw and os.path.isfile(path / _SPLIT):
        return _Located(path, True, raw)
    for outer in folder_below(path, "visa_pytorch"):
        for base in folder_below(outer, "1cls"):
            prepared = _PREPARED.categories(base)
            if prepared:
                return _Located(base, False, prepared)
    if raw:
        raise DatasetError(
            f"VisA as downloaded needs its split file {shown(path / _SPLIT)}, which does not exist"
        )
    raise DatasetError(
        f"no layout of VisA below {shown(path)}: expected <category>/{'/'.join(_IMAGES)} with"
        f" {_SPLIT.as_posix()}, or <category>/train/good, or the latter in 1cls or visa_pytorch"
    )
