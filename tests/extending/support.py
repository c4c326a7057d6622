"""Programs that start where the example plugin is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyimgano

PLUGIN = Path(__file__).parent / "plugin"
#: Runs commands one after the other; prints exit code, output and error of each as JSON.
_COMMANDS = """
import contextlib, io, json, sys
from pyimgano.cli.main import main

told = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as end:
            code = end.code
    told.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(told))
"""


@dataclass(frozen=True)
class Told:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


def python(folder: Path, script: str, given: Any) -> Any:
    """What a script prints as JSON, in a process of its own that finds what is in a folder."""
    ours = str(Path(pyimgano.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, json.dumps(given)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), ours]), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def run(folder: Path, commands: Sequence[Sequence[str]]) -> list[Told]:
    """``pyimgano`` with each of the commands, all in one such process."""
    return [Told(*told) for told in python(folder, _COMMANDS, commands)]
