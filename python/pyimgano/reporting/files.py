"""Result files, written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pyimgano.errors import OutputError
from pyimgano.utils.atomic import write_atomically
from pyimgano.utils.images import shown

_STEM_BYTES = 150


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
    """A file that can be written later: its folder is there, created if missing, and it is none.

    Raises
    ------
    OutputError
        Names the folder, or the path that is one.
    """
    target = Path(path)
    make_folder(target.parent)
    if target.is_dir():
        raise OutputError(f"cannot write {shown(target)}: it is a folder")
    return target


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


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """CSV as text."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def write_csv(
    path: str | os.PathLike[str], header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write CSV atomically."""
    write_text(path, csv_text(header, rows))
