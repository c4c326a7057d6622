"""Predictions as records that are written as they come: JSON Lines and CSV."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pyimgano.errors import OutputError
from pyimgano.postprocess import Regions
from pyimgano.reporting.files import csv_lines
from pyimgano.types import Prediction, Unreadable
from pyimgano.utils.text import shown

#: One image as plain data; docs/production.md has the fields.
Record = dict[str, Any]
#: Columns of the CSV file.
COLUMNS = (
    *("path", "score", "label", "verdict", "threshold", "ms", "n_regions"),
    *("warnings", "map", "overlay", "error"),
)


def prediction_record(
    prediction: Prediction,
    *,
    threshold: float,
    ms: float,
    regions: Regions | None = None,
    files: Mapping[str, str] | None = None,
) -> Record:
    """A scored image as plain data, ready for JSON.

    Parameters
    ----------
    prediction
        Of a file.
    threshold
        What its score was compared with; infinity becomes None.
    ms
        Milliseconds that it took.
    regions
        Where the defects are; None if that was not asked for.
    files
        Further files about it, by kind.
    """
    record: Record = {
        **path_fields(prediction.path or ""),
        "score": prediction.score,
        "label": prediction.label,
        "verdict": prediction.verdict,
        "threshold": threshold if math.isfinite(threshold) else None,
        "ms": round(ms, 3),
        "warnings": list(prediction.warnings),
    }
    if regions is not None:
        record |= {"regions": regions.to_json(), "n_regions": regions.total}
    return {**record, **(files or {})}


def error_record(unreadable: Unreadable) -> Record:
    """A file without a score as plain data."""
    return {**path_fields(unreadable.path), "error": unreadable.reason}


def joined_warnings(warnings: Iterable[str]) -> str:
    """Warnings as one cell of a table."""
    return "; ".join(warnings)


def path_fields(path: str) -> dict[str, str]:
    """``path`` as text; for a name that is not UTF-8 also ``path_base64``, its very bytes.

    In the text such bytes are escaped, for JSON that is not UTF-8 is not JSON.
    """
    raw = os.fsencode(path)
    try:
        return {"path": raw.decode("utf-8")}
    except UnicodeDecodeError:
        return {"path": shown(path), "path_base64": base64.b64encode(raw).decode("ascii")}


def json_line(record: Record, *, ascii_only: bool = False) -> str:
    """One line of JSON, without the line's end; NaN is refused."""
    return json.dumps(record, ensure_ascii=ascii_only, allow_nan=False)


class RecordFiles:
    """Records as JSON Lines and as CSV, a line per record as soon as it is known.

    What was added is on disk whenever and however the program ends; a record that the disk has no
    room for is in neither file.

    Parameters
    ----------
    lines, table
        The two files; what is there is replaced.

    Raises
    ------
    OutputError
        A file cannot be written to; names it.
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
        cells[COLUMNS.index("warnings")] = joined_warnings(record.get("warnings", ()))
        self._write(json_line(record) + "\n", csv_lines([cells]))

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

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
