"""``results.json`` of a run's folder: a report is never replaced by one that holds less."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path

from pyimgano.errors import InvalidInputError
from pyimgano.reporting.files import write_json
from pyimgano.reporting.output_folder import OutputFolder
from pyimgano.reporting.results import Results, runs_of
from pyimgano.utils.text import shown

#: Title of a run, category and seed.
Key = tuple[str, str, int]


class ReportFile:
    """The report of a folder, rewritten as results come.

    An InvalidInputError tells which results of an earlier report ``wanted`` lacks, unless
    ``overwrite``.
    """

    def __init__(
        self, output: OutputFolder, wanted: Collection[Key], *, overwrite: bool = False
    ) -> None:
        self._path = output.claim("results.json")
        self._earlier = set() if overwrite else set(_finished(self._path))
        missing = sorted(self._earlier - set(wanted))
        if missing:
            title, category, seed = missing[0]
            raise InvalidInputError(
                f"output folder {shown(output.path)} holds a report of {len(self._earlier)} results"
                f" ({len(missing)} of them, such as {title}, {category}, seed {seed}, are not part"
                " of this run) that would be lost: name its categories, seeds and models as well"
                " (what is done is not computed again), choose another folder, or overwrite"
            )

    def write(self, results: Results) -> None:
        """Write the report, once it holds whatever the earlier one holds."""
        done = {(run.title, c.category, c.seed) for run in runs_of(results) for c in run.categories}
        if self._earlier <= done:
            write_json(self._path, results.to_json())


def _finished(path: Path) -> Iterator[Key]:
    """What a report holds; nothing if it cannot be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        for run in data.get("runs", [data]):
            for one in run["categories"]:
                if one["error"] is None:
                    yield str(run["label"]), str(one["category"]), int(one["seed"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return


def keys(title: str, categories: Collection[str], seeds: Collection[int]) -> set[Key]:
    """What a run computes."""
    return {(title, category, int(seed)) for category in categories for seed in seeds}
