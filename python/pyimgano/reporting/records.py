"""Predictions as records that are written as they come: JSON Lines and CSV."""

import contextlib
import io
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from pyimgano.errors import OutputError
from pyimgano.reporting.files import csv_lines
from pyimgano.reporting.image_result import ImageResult
from pyimgano.utils.text import shown

#: One image as plain data; docs/production.md has the fields.
Record = dict[str, Any]
#: Columns of the CSV file.
COLUMNS = (
    *("path", "label", "score", "predicted", "verdict", "threshold", "ms", "n_regions"),
    *("warnings", "map", "overlay", "mask", "error"),
)


def record_of(result: ImageResult) -> Record:
    """An image as one line of plain data: the files about it stand beside its other fields."""
    plain = result.to_json()
    files: dict[str, str] = plain.pop("pictures", {})
    return plain | files


def json_line(record: Record, *, ascii_only: bool = False) -> str:
    """One line of JSON, without the line's end; NaN is refused."""
    return json.dumps(record, ensure_ascii=ascii_only, allow_nan=False)


class RecordFiles(AbstractContextManager["RecordFiles"]):
    """Records as JSON Lines and as CSV, a line per record as soon as it is known.

    What was added is on disk whenever and however the program ends; a record that the disk has no
    room for is in neither file. A file that cannot be written to is an OutputError.
    """

    def __init__(self, lines: Path, table: Path) -> None:
        self._folder = lines.parent
        self._files: list[io.FileIO] = []
        try:
            for path in (lines, table):
                self._files.append(io.FileIO(path, "w"))
        except OSError as error:
            self.close()
            raise OutputError(f"cannot write {shown(path)}: {error.strerror}") from error
        try:
            self._write("", csv_lines([COLUMNS]))
        except OutputError:
            self.close()
            raise

    def add(self, record: Record) -> None:
        """Write one record to both files."""
        cells = [record.get(name) for name in COLUMNS]
        cells[COLUMNS.index("warnings")] = "; ".join(record.get("warnings", ()))
        self._write(json_line(record) + "\n", csv_lines([cells]))

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close both files, also where what the system kept back cannot be written."""
        failed: OSError | None = None
        for file in self._files:
            try:
                file.close()
            except OSError as error:
                failed = error
        if failed is not None:
            raise self._error(failed) from failed

    def _write(self, *texts: str) -> None:
        ends = [file.tell() if file.seekable() else None for file in self._files]
        try:
            for file, text in zip(self._files, texts, strict=True):
                data = text.encode()
                while data:
                    data = data[file.write(data) :]
        except OSError as error:
            self._cut(ends)
            raise self._error(error) from error

    def _cut(self, ends: list[int | None]) -> None:
        """Take back half a record: where the disk is full a file can still be made shorter."""
        for file, end in zip(self._files, ends, strict=True):
            if end is not None:
                with contextlib.suppress(OSError):  # such as on a device
                    file.truncate(end)
                    file.seek(end)

    def _error(self, error: OSError) -> OutputError:
        return OutputError(f"cannot write results in {shown(self._folder)}: {error.strerror}")
