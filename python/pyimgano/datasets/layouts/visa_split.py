"""VisA's split file: a CSV with columns object, split, label, image, mask."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from pyimgano.errors import DatasetError
from pyimgano.utils.text import shown

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
