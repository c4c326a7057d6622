"""Result files, written whole or not at all."""

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pyimgano.errors import OutputError
from pyimgano.utils.atomic import regular_target, write_atomically
from pyimgano.utils.text import printable, shown

_STEM_BYTES = 150
#: What a formula begins with in a spreadsheet, in wide letters too.
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Create a folder and its parents; an error that names it if it cannot be written to."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(f"cannot write to output folder {shown(folder)}: {error}") from error
    return folder


def check_target(path: str | os.PathLike[str]) -> Path:
    """A file that can be written later: a regular one or none, in a folder that is created.

    Raises
    ------
    OutputError
        Names the folder, or the path that is one, a device, a pipe or the like.
    """
    try:
        target = regular_target(Path(path))
    except OSError as error:
        raise OutputError(f"cannot write {shown(path)}: {error.strerror}") from error
    make_folder(target.parent)
    return Path(path)


def file_stem(text: str) -> str:
    """The end of a text as part of a file name on any system, without what would be special.

    At most 150 bytes: a number, a score and a suffix fit beside it.
    """
    plain = "".join(c if c.isalnum() or c in "-_. " else "_" for c in text)
    return plain.encode()[-_STEM_BYTES:].decode(errors="ignore")


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file atomically: a reader sees the old file or the new one.

    Raises
    ------
    OutputError
        The disk is full, the folder cannot be written to, or the like; names the file.
    """
    write_atomically(path, [data], sync=False)  # there may be thousands


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file (UTF-8) atomically; what cannot be encoded is escaped."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: str | os.PathLike[str], data: Any) -> None:
    """Write JSON atomically; NaN is refused, for other readers would be."""
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


def csv_lines(rows: Iterable[Sequence[Any]]) -> str:
    """CSV as text, one line per row: see :func:`csv_cell`."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(map(csv_cell, row) for row in rows)
    return buffer.getvalue()


def csv_cell(value: Any) -> Any:
    """A value as a cell that no spreadsheet takes for a formula; None is an empty one.

    In texts control characters and bidirectional marks are escaped, and one that begins like a
    formula gets an apostrophe in front. Numbers stay as they are.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip()[:1] in _FORMULA else text


def write_csv(
    path: str | os.PathLike[str], header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write CSV atomically."""
    write_text(path, csv_lines([header, *rows]))
