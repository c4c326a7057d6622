"""Results of a run read back from its folder."""

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from pyimgano.errors import InvalidInputError
from pyimgano.reporting.results import SCHEMA_VERSION, BenchmarkResult, CategoryResult
from pyimgano.utils.text import counted, shown


def read_run(path: str | os.PathLike[str]) -> BenchmarkResult:
    """The run whose results lie in a folder, or in a ``results.json``.

    Raises
    ------
    InvalidInputError
        There is none, several, or something that is no result of this version; names the file.
    """
    file = Path(path, "results.json") if Path(path).is_dir() else Path(path)
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInputError(
            f"{shown(path)} holds no results of a benchmark: cannot read {shown(file)}:"
            f" {error.strerror}"
        ) from error
    except ValueError as error:
        raise InvalidInputError(f"{shown(file)} is no JSON: {error}") from error
    if isinstance(data, dict) and isinstance(runs := data.get("runs"), list):
        names = [str(one.get("folder")) for one in runs if isinstance(one, dict)]
        raise InvalidInputError(
            f"{shown(file)} holds {counted(len(runs), 'run')}: name the folder of one of them"
            f" ({', '.join(shown(name) for name in names)})"
        )
    if isinstance(data, dict) and data.get("schema_version") not in (None, SCHEMA_VERSION):
        raise InvalidInputError(
            f"{shown(file)} is of version {data['schema_version']!r}, not {SCHEMA_VERSION}"
        )
    try:
        return _run(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInputError(f"{shown(file)} is no result of a benchmark") from error


def _run(data: dict[str, Any]) -> BenchmarkResult:
    known = {f.name: data[f.name] for f in fields(BenchmarkResult) if f.name in data}
    run = BenchmarkResult(
        **known | {"categories": [CategoryResult.from_json(one) for one in data["categories"]]}
    )
    for one in run.categories:  # also what is decoded only when it is asked for
        for key in one.metrics:
            one.interval(key)
    return run
