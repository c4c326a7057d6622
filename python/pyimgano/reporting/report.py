"""A run as files: JSON, CSV, Markdown, plots, and one HTML page."""

import json
import math
import os
import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pyimgano.errors import InvalidInputError
from pyimgano.metrics.catalogue import default_metrics, info_or_key
from pyimgano.reporting.files import csv_lines, make_folder, write_text
from pyimgano.reporting.html_page import blocks_of, html_page, plots_of
from pyimgano.reporting.latex import latex_table
from pyimgano.reporting.output_folder import OutputFolder
from pyimgano.reporting.results import (
    BenchmarkResult,
    CategoryResult,
    ComparisonResult,
    Results,
    folder_name,
    runs_of,
)
from pyimgano.reporting.svg import standalone
from pyimgano.reporting.table import markdown_table
from pyimgano.statistics import Interval

#: What a report is, beside its plots.
REPORT_FILES = (
    "report.html",
    "results.json",
    "results.csv",
    "images.csv",
    "results.md",
    "results.tex",
)


def save_run_report(
    path: str | os.PathLike[str], results: Results | Iterable[BenchmarkResult]
) -> list[Path]:
    """Write the report of a benchmark run, or of several models side by side.

    Parameters
    ----------
    path
        A folder, created if missing, for ``report.html``, ``results.json`` (see
        :func:`report_schema`), ``results.csv`` (a row per model, category and seed,
        with shots two more for mean and deviation),
        ``images.csv`` (a row per image), ``results.md``, ``results.tex`` and ``plots/*.svg``. Or
        one file ending in ``.html``, ``.json``, ``.csv``, ``.md`` or ``.tex`` for that part alone.
        The page takes its pictures from where the run wrote them: give the run's own output folder,
        or a file in it.
    results
        What :func:`~pyimgano.pipelines.mvtec_visa.run_benchmark` or ``run_comparison`` returned,
        or a list of the former.

    Returns
    -------
    list of Path
        The files written, the page first.

    Raises
    ------
    OutputError
        A file cannot be written, or would replace one that is no result of an earlier run; names
        it.
    InvalidInputError
        There is no run at all.
    """
    whole = results if isinstance(results, (BenchmarkResult, ComparisonResult)) else None
    if whole is None:
        whole = ComparisonResult(runs_of(results))
    if not runs_of(whole):
        raise InvalidInputError("results holds no run")
    target = Path(path)
    makers = {
        ".html": lambda: html_page(whole, target.parent),
        ".json": lambda: _json(whole),
        ".csv": lambda: _table_csv(whole),
        ".md": lambda: markdown_table(whole),
        ".tex": lambda: latex_table(whole),
    }
    if target.suffix.lower() in makers and not target.is_dir():
        make_folder(target.parent)
        write_text(target, makers[target.suffix.lower()]())
        return [target]
    contents = (
        *(html_page(whole, target), _json(whole), _table_csv(whole)),
        *(_images_csv(whole), markdown_table(whole), latex_table(whole)),
    )
    texts = {**dict(zip(REPORT_FILES, contents, strict=True)), **_plot_files(whole)}
    with OutputFolder(target, "benchmark") as folder:
        folder.check(*texts)
        if any(name.startswith("plots/") for name in texts):
            make_folder(target / "plots")
        for name, text in texts.items():
            write_text(folder.claim(name), text)
    return [target / name for name in texts]


def report_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``results.json``."""
    text = files("pyimgano.reporting").joinpath("results.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _json(results: Results) -> str:
    return json.dumps(results.to_json(), indent=2, allow_nan=False) + "\n"


def _table_csv(results: Results) -> str:
    keys = _metric_keys(results)
    header = ["model", "category", "shots", "seed", "n_train", "n_test", "n_defect", *keys]
    header += ["threshold", "fit_seconds", "ms_per_image", "peak_memory_mb", "error"]
    limits = _interval_keys(results, keys)
    header += [f"{key}_{side}" for key in limits for side in Interval._fields]
    rows = [
        [
            *(run.title, c.category, _blank(c.shots), c.seed),
            *([c.n_train, c.n_test, _blank(c.n_defect)] if c.error is None else [""] * 3),
            *(_figures(c, keys) if c.error is None else [""] * (len(keys) + 4)),
            _blank(c.error),
            *_limits(map(c.interval, limits)),
        ]
        for run in runs_of(results)
        for c in run.categories
    ]
    return csv_lines([header, *rows, *_summary_rows(results, keys, limits)])


def _interval_keys(results: Results, keys: Sequence[str]) -> list[str]:
    """Figures of which some category knows limits."""
    every = [c for run in runs_of(results) for c in run.categories]
    return [k for k in keys if any(c.interval(k) is not None for c in every)]


def _limits(intervals: Iterable[Interval | None]) -> list[Any]:
    """Two cells each, empty where nothing is known."""
    return [
        cell
        for found in intervals
        for cell in (found if found is not None and found.known else ("", ""))
    ]


def _summary_rows(results: Results, keys: Sequence[str], limits: Sequence[str]) -> list[list[Any]]:
    """Two rows per category and number of shots, and two of all categories, after the others."""
    return [
        [
            *(run.title, one.category or "", one.shots, name),
            *[""] * 3,
            *(_blank(figure(key)) if key in one.keys else "" for key in keys),
            *[""] * 5,
            *(_limits(map(one.interval, limits)) if name == "mean" else [""] * (2 * len(limits))),
        ]
        for run in runs_of(results)
        if run.shots
        for one in (*run.rows, *run.means)
        for name, figure in (("mean", one.mean), ("std", one.std))
    ]


def _metric_keys(results: Results) -> list[str]:
    """Every figure that is computed by default or was found, but for thresholds."""
    runs = runs_of(results)
    found = dict.fromkeys(k for run in runs for c in run.categories for k in c.metrics)
    every = [*default_metrics(), *found]
    return [k for k in dict.fromkeys(every) if info_or_key(k).higher_is_better is not None]


def _figures(one: CategoryResult, keys: Sequence[str]) -> list[Any]:
    metrics = [_blank(one.metrics.get(key)) for key in keys]
    costs = (one.threshold, one.fit_seconds, one.ms_per_image, one.peak_memory_mb)
    return [*metrics, *map(_blank, costs)]


def _images_csv(results: Results) -> str:
    keys = list(
        dict.fromkeys(
            k for r in runs_of(results) for c in r.categories for i in c.images for k in i.metrics
        )
    )
    rows = [
        [
            *(run.title, c.category, _blank(c.shots), c.seed),
            *(
                relative_path(i.path, run.root),
                i.label,
                i.score,
                i.predicted,
                i.verdict,
                i.defect_type,
                i.group,
            ),
            *(_blank(i.metrics.get(key)) for key in keys),
        ]
        for run in runs_of(results)
        for c in run.categories
        for i in c.images
    ]
    header = ["model", "category", "shots", "seed", "file", "label", "score", "predicted"]
    header += ["verdict", "defect_type", "group", *keys]
    return csv_lines([header, *rows])


def relative_path(path: str, root: str) -> str:
    """An image's path seen from the folder of its set, the same wherever that is."""
    whole = os.path.join(root, "")
    return path[len(whole) :].replace(os.sep, "/") if path.startswith(whole) else path


def _blank(value: Any) -> Any:
    """An empty cell for what was not computed, ``n/a`` for what is undefined."""
    if value is None:
        return ""
    return "n/a" if isinstance(value, float) and math.isnan(value) else value


def _plot_files(results: Results) -> dict[str, str]:
    runs = runs_of(results)
    texts: dict[str, str] = {}
    for block in blocks_of(runs):
        run = runs[block.run]
        name = folder_name(block.result.category, block.result.shots)
        name = f"{run.title}-{name}" if len(runs) > 1 else name
        stem = re.sub(r"[^\w.-]+", "-", name).strip(".-") or "category"
        stem = stem if f"plots/{stem}-roc.svg" not in texts else f"{stem}-{block.number}"
        for kind, svg in plots_of(block, run).items():
            texts[f"plots/{stem}-{kind}.svg"] = standalone(svg)
    return texts
