"""Results as a table: plain text, Markdown, CSV rows."""

import math
import statistics
from collections.abc import Sequence

from pyimgano.metrics import MetricInfo
from pyimgano.metrics.catalogue import column_infos
from pyimgano.reporting.results import (
    BenchmarkResult,
    CategoryResult,
    ComparisonResult,
    Results,
    mean_of,
    runs_of,
)
from pyimgano.utils.text import printable

COSTS = ("fit s", "ms/img", "peak MB")


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], n_left: int = 1) -> str:
    """Columns aligned: the first ones to the left, the others to the right."""
    header, rows = [printable(c) for c in header], [[printable(c) for c in row] for row in rows]
    widths = [max(len(line[i]) for line in (header, *rows)) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if i < n_left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(padded).rstrip()

    return "\n".join([line(header), "  ".join("-" * w for w in widths), *map(line, rows)])


def metric_columns(results: Results) -> list[MetricInfo]:
    """The metrics that a table of these results has columns for, in order."""
    runs = runs_of(results)
    keys = dict.fromkeys(k for run in runs for c in run.categories for k in c.metrics)
    return column_infos(keys, asked=dict.fromkeys(k for run in runs for k in run.metrics))


def result_rows(
    result: BenchmarkResult, metrics: Sequence[MetricInfo]
) -> tuple[dict[str, list[str]], list[list[str]]]:
    """One row per category (mean over its seeds), and for several one with the mean of all."""
    rows = {}
    for name, runs in result.by_category.items():
        good = [run for run in runs if run.error is None]
        failed = [name, "failed", *[""] * (len(metrics) + len(COSTS) - 1)]
        rows[name] = _row(name, [good], metrics) if good else failed
    several = len(result.finished) > 1
    return rows, [_row("mean", result.finished, metrics)] if several else []


def table_of(results: Results) -> tuple[list[str], list[list[str]]]:
    """Header and rows; where models are compared, the model comes after the category."""
    metrics = metric_columns(results)
    header = ["category", *(info.title for info in metrics), *COSTS]
    if isinstance(results, BenchmarkResult):
        of_categories, means = result_rows(results, metrics)
        return header, [*of_categories.values(), *means]
    blocks = {run.title: result_rows(run, metrics) for run in results.runs}
    names = dict.fromkeys(name for block, _ in blocks.values() for name in block)
    rows = [
        [name, title, *block[name][1:]]
        for name in names
        for title, (block, _) in blocks.items()
        if name in block
    ]
    rows += [[row[0], title, *row[1:]] for title, (_, mean) in blocks.items() for row in mean]
    return [header[0], "model", *header[1:]], rows


def explanations(results: Results) -> list[str]:
    """What a reader of the table must know: rule, detectors, seeds, what was left out."""
    lines: dict[str, None] = {}
    for run in runs_of(results):
        prefix = f"{run.title}: " if isinstance(results, ComparisonResult) else ""
        lines[f"AUROC, AP and F1-max of images (I-) and pixels (P-); {run.metric_rule}"] = None
        lines[f"{prefix}{run.detector}"] = None
    for run in runs_of(results):
        prefix = f"{run.title}: " if isinstance(results, ComparisonResult) else ""
        groups = run.by_category
        n_seeds = max((len(runs) for runs in groups.values()), default=1)
        if n_seeds > 1:
            lines[f"mean over {n_seeds} seeds"] = None
            spread = _spread(groups, metric_columns(results))
            lines.update(dict.fromkeys(prefix + line for line in spread))
        notes = [f"{c.category}: {note}" for c in run.categories for note in c.notes]
        notes += [f"{c.category}: failed: {c.error}" for c in run.failed]
        lines.update(dict.fromkeys(prefix + note for note in notes))
    return list(lines)


def benchmark_table(results: Results) -> str:
    """The table as plain text, and what was left out."""
    header, rows = table_of(results)
    n_left = 2 if isinstance(results, ComparisonResult) else 1
    return "\n".join([text_table(header, rows, n_left), *map(printable, explanations(results))])


def markdown_table(results: Results) -> str:
    """The table in Markdown, with its explanations as a list."""
    header, rows = table_of(results)
    n_left = 2 if isinstance(results, ComparisonResult) else 1
    rule = ["---" if i < n_left else "---:" for i in range(len(header))]
    lines = ["| " + " | ".join(map(_cell, line)) + " |" for line in (header, rule, *rows)]
    notes = [f"- {_cell(line)}" for line in explanations(results)]
    return "\n".join([*lines, "", *notes]) + "\n"


def _cell(text: str) -> str:
    """Text from names or error messages, without a meaning in Markdown or HTML."""
    plain = printable(" ".join(text.split()))
    for old, new in (("\\", "\\\\"), ("|", "\\|"), ("`", "\\`"), ("<", "&lt;"), ("[", "\\[")):
        plain = plain.replace(old, new)
    return plain


def _row(
    name: str, groups: Sequence[Sequence[CategoryResult]], metrics: Sequence[MetricInfo]
) -> list[str]:
    cells = [name]
    for key in (info.key for info in metrics):
        if any(key in run.metrics for group in groups for run in group):
            cells.append(number(mean_of([[r.metrics.get(key) for r in g] for g in groups]), 4))
        else:
            cells.append("-")
    peaks = [r.peak_memory_mb for g in groups for r in g if r.peak_memory_mb is not None]
    cells.append(number(mean_of([[r.fit_seconds for r in g] for g in groups]), 1))
    cells.append(number(mean_of([[r.ms_per_image for r in g] for g in groups]), 1))
    cells.append(number(max(peaks, default=math.nan), 0))
    return cells


def _spread(
    by_category: dict[str, list[CategoryResult]], metrics: Sequence[MetricInfo]
) -> list[str]:
    lines = []
    for name, runs in by_category.items():
        parts = []
        for info in metrics:
            values = [r.metrics[info.key] for r in runs if info.key in r.metrics]
            if len(values) > 1:
                parts.append(f"{info.title} ± {number(statistics.stdev(values), 4)}")
        if parts:
            lines.append(f"{name}: standard deviation over seeds: {', '.join(parts)}")
    return lines


def number(value: float, digits: int) -> str:
    """A number with fixed digits; ``n/a`` where it is undefined."""
    return "n/a" if math.isnan(value) else f"{value:.{digits}f}"
