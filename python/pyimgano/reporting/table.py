"""Results as a table: plain text, Markdown, CSV rows."""

import math
from collections.abc import Sequence

from pyimgano.metrics import MetricInfo
from pyimgano.metrics.catalogue import column_infos
from pyimgano.reporting.results import (
    BenchmarkResult,
    ComparisonResult,
    Results,
    Summary,
    mean_of,
    runs_of,
)
from pyimgano.statistics import Interval
from pyimgano.utils.text import printable

#: Words for how training images are drawn.
_DRAWN = {
    "random": "drawn at random, those of a smaller number among those of a larger one",
    "slice": "a slice of the sorted names for each seed, as in AnomalyDINO's protocol",
}
#: What the limits beside a figure are.
_INTERVALS = (
    "[low, high]: 95 % interval, were other test images drawn; training images, seeds and"
    " categories stay"
)
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
    """A row for each summary: of categories by their titles, then those of the means."""
    rows = {
        one.title: _row(one, metrics, result.intervals)
        if one.groups
        else [one.title, "failed", *[""] * (len(metrics) + len(COSTS) - 1)]
        for one in result.rows
    }
    return rows, [_row(one, metrics, result.intervals) for one in result.means]


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


def subset_table(results: Results) -> tuple[list[str], list[list[str]]] | None:
    """Header and rows of parts of the test images; None where nothing is parted."""
    parts = [
        (run, row, one)
        for run in runs_of(results)
        for row in run.rows
        if row.groups
        for one in row.parts(run.by)
    ]
    if not parts:
        return None
    keys = column_infos(dict.fromkeys(k for *_, one in parts for k in one.keys))
    keys = [info for info in keys if any(info.key in one.keys for *_, one in parts)]
    several = isinstance(results, ComparisonResult)
    header = ["category", *(["model"] if several else []), "by", "part", "images"]
    rows = []
    for run, row, one in parts:
        found = [one.estimate(info.key) for info in keys]
        rows.append(
            [
                *(row.title, *([run.title] if several else []), one.by, one.name),
                str(len(one.images[0])),
                *(
                    "-" if e is None else with_interval(number(e.value, 4), e.interval)
                    for e in found
                ),
            ]
        )
    return header + [info.title for info in keys], rows


def explanations(results: Results) -> list[str]:
    """What a reader of the table must know: rule, detectors, seeds, what was left out."""
    lines: dict[str, None] = {}
    for run in runs_of(results):
        prefix = f"{run.title}: " if isinstance(results, ComparisonResult) else ""
        lines[f"AUROC, AP and F1-max of images (I-) and pixels (P-); {run.metric_rule}"] = None
        lines[f"{prefix}{run.detector}"] = None
    for run in runs_of(results):
        prefix = f"{run.title}: " if isinstance(results, ComparisonResult) else ""
        n_seeds = max((len(g) for row in run.rows for g in row.groups), default=1)
        if n_seeds > 1:
            lines[f"mean over {n_seeds} seeds ± standard deviation"] = None
        if run.intervals:
            lines[_INTERVALS] = None
        if run.shots:
            lines[f"shots: training images, {_DRAWN[run.draw]}"] = None
        notes = [f"{c.title}: {note}" for c in run.categories for note in c.notes]
        notes += [f"{c.title}: failed: {c.error}" for c in run.failed]
        lines.update(dict.fromkeys(prefix + note for note in notes))
    return list(lines)


def benchmark_table(results: Results) -> str:
    """The table as plain text, and what was left out."""
    header, rows = table_of(results)
    n_left = 2 if isinstance(results, ComparisonResult) else 1
    lines = [text_table(header, rows, n_left), *map(printable, explanations(results))]
    if (parts := subset_table(results)) is not None:
        lines += ["", text_table(*parts, n_left + 2)]
    return "\n".join(lines)


def markdown_table(results: Results) -> str:
    """The table in Markdown, with its explanations as a list."""
    header, rows = table_of(results)
    n_left = 2 if isinstance(results, ComparisonResult) else 1
    lines = [*_markdown(header, rows, n_left), ""]
    lines += [f"- {_cell(line)}" for line in explanations(results)]
    if (parts := subset_table(results)) is not None:
        lines += ["", *_markdown(*parts, n_left + 2)]
    return "\n".join(lines) + "\n"


def _markdown(header: list[str], rows: list[list[str]], n_left: int) -> list[str]:
    rule = ["---" if i < n_left else "---:" for i in range(len(header))]
    return ["| " + " | ".join(map(_cell, line)) + " |" for line in (header, rule, *rows)]


def _cell(text: str) -> str:
    """Text from names or error messages, without a meaning in Markdown or HTML."""
    plain = printable(" ".join(text.split()))
    for old, new in (("\\", "\\\\"), ("|", "\\|"), ("`", "\\`"), ("<", "&lt;"), ("[", "\\[")):
        plain = plain.replace(old, new)
    return plain


def _row(one: Summary, metrics: Sequence[MetricInfo], intervals: int) -> list[str]:
    runs = [run for group in one.groups for run in group]
    cells = [one.title]
    for key in (info.key for info in metrics):
        if any(key in run.metrics for run in runs):
            limits = with_interval("", one.interval(key)) if intervals else ""
            cells.append(with_deviation(one.mean(key), one.std(key)) + limits)
        else:
            cells.append("-")
    peaks = [run.peak_memory_mb for run in runs if run.peak_memory_mb is not None]
    cells.append(number(mean_of([[r.fit_seconds for r in g] for g in one.groups]), 1))
    cells.append(number(mean_of([[r.ms_per_image for r in g] for g in one.groups]), 1))
    cells.append(number(max(peaks, default=math.nan), 0))
    return cells


def with_deviation(mean: float, std: float) -> str:
    """``mean ± std``, or the mean alone where there is no deviation."""
    return number(mean, 4) + ("" if math.isnan(std) else f" ± {number(std, 4)}")


def with_interval(figure: str, interval: Interval | None) -> str:
    """A figure and its limits, ``[n/a]`` where nothing is known of them."""
    if interval is None or not interval.known:
        return f"{figure} [n/a]"
    return f"{figure} [{number(interval.low, 4)}, {number(interval.high, 4)}]"


def number(value: float, digits: int) -> str:
    """A number with fixed digits; ``n/a`` where it is undefined."""
    return "n/a" if math.isnan(value) else f"{value:.{digits}f}"
