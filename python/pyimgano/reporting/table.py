"""Results as a plain-text table."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from pyimgano.reporting.results import BenchmarkResult, CategoryResult

_METRICS = (
    ("auroc", "I-AUROC"),
    ("average_precision", "I-AP"),
    ("f1_max", "I-F1max"),
    ("pixel_auroc", "P-AUROC"),
    ("pixel_ap", "P-AP"),
    ("aupro", "AUPRO"),
)


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned: the first to the left, the others to the right."""
    widths = [max(len(line[i]) for line in (header, *rows)) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        rest = [c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True)]
        return "  ".join([first, *rest]).rstrip()

    return "\n".join([line(header), "  ".join("-" * w for w in widths), *map(line, rows)])


def benchmark_table(result: BenchmarkResult) -> str:
    """One row per category (mean over its seeds), the mean of all, and what was left out."""
    header = ["category", *(title for _, title in _METRICS), "fit s", "ms/img", "peak MB"]
    by_category: dict[str, list[CategoryResult]] = {}
    for one in result.categories:
        by_category.setdefault(one.category, []).append(one)
    rows, finished = [], []
    for name, runs in by_category.items():
        good = [run for run in runs if run.error is None]
        if not good:
            rows.append([name, "failed", *[""] * (len(header) - 2)])
            continue
        finished.append(good)
        rows.append(_row(name, [good]))
    if len(finished) > 1:
        rows.append(_row("mean", finished))
    lines = [text_table(header, rows)]
    lines += [
        f"AUROC, AP and F1-max of images (I-) and pixels (P-); {result.metric_rule}",
        result.detector,
    ]
    n_seeds = max((len(runs) for runs in by_category.values()), default=1)
    if n_seeds > 1:
        lines += [f"mean over {n_seeds} seeds", *_spread(by_category)]
    lines += [f"{c.category}: {note}" for c in result.categories for note in c.notes]
    lines += [f"{c.category}: failed: {c.error}" for c in result.failed]
    return "\n".join(dict.fromkeys(lines))


def _row(name: str, groups: Sequence[Sequence[CategoryResult]]) -> list[str]:
    """Mean over the groups of each group's mean."""

    def mean(values: Sequence[Sequence[float | None]]) -> float:
        per_group = [
            statistics.fmean(known)
            for group in values
            if (known := [v for v in group if v is not None and not math.isnan(v)])
        ]
        return statistics.fmean(per_group) if per_group else math.nan

    cells = [name]
    for key, _ in _METRICS:
        if any(key in run.metrics for group in groups for run in group):
            cells.append(_number(mean([[r.metrics.get(key) for r in g] for g in groups]), 4))
        else:
            cells.append("-")
    peak = max((r.peak_memory_mb or math.nan for g in groups for r in g), default=math.nan)
    cells.append(_number(mean([[r.fit_seconds for r in g] for g in groups]), 1))
    cells.append(_number(mean([[r.ms_per_image for r in g] for g in groups]), 1))
    cells.append(_number(peak, 0))
    return cells


def _spread(by_category: dict[str, list[CategoryResult]]) -> list[str]:
    lines = []
    for name, runs in by_category.items():
        parts = []
        for key, title in (("auroc", "I-AUROC"), ("aupro", "AUPRO")):
            values = [r.metrics[key] for r in runs if key in r.metrics]
            if len(values) > 1:
                parts.append(f"{title} ± {statistics.stdev(values):.4f}")
        if parts:
            lines.append(f"{name}: standard deviation over seeds: {', '.join(parts)}")
    return lines


def _number(value: float, digits: int) -> str:
    return "nan" if math.isnan(value) else f"{value:.{digits}f}"
