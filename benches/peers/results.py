"""Run every side-by-side comparison and write benches/RESULTS.md with its plot.

Usage: python benches/peers/results.py [--root DIR] [--weights FILE] [--only NAME ...]
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common

common.limit_threads()

import approximate  # noqa: E402
import banks  # noqa: E402
import components  # noqa: E402
import coreset  # noqa: E402
import curves  # noqa: E402
import end_to_end  # noqa: E402
import groups  # noqa: E402
import knn  # noqa: E402
import latency  # noqa: E402
import scale  # noqa: E402
import scaling  # noqa: E402

import features as real  # noqa: E402

BENCHES = Path(__file__).resolve().parents[1]
PAGE = BENCHES / "RESULTS.md"

Rows = list[dict[str, Any]]


def sections(
    root: Path, weights: Path, folder: Path | None, repeats: int | None
) -> dict[str, tuple[str, Callable[[], Rows]]]:
    """Title and measurement of each part, in the order of the page."""
    return {
        "coreset": ("Greedy coreset", lambda: coreset.run(root, weights, repeats)),
        "knn": ("Exact nearest neighbours", lambda: knn.run(root, weights, repeats)),
        "approximate": (
            "Approximate indices at recall 0.99",
            lambda: approximate.run(root, weights, repeats),
        ),
        "banks": (
            "Banks of few-shot methods",
            lambda: [banks.one_photo(root, weights, repeats)],
        ),
        "wide_banks": ("Four wide banks", lambda: banks.layers(root, weights, repeats)),
        "groups": ("Nearest row of every group", lambda: groups.run(root, weights, repeats)),
        "curves": ("AUROC + AP + F1-max + AUPRO", curves.run),
        "components": ("Component filter", components.run),
        "end_to_end": ("The whole command", lambda: end_to_end.run(root, weights, repeats)),
        "latency": ("One image at a time", lambda: latency.run(root, weights, repeats)),
        "scaling": ("How cost grows", lambda: scaling.run(root, weights, repeats)),
        "million": (
            "Coresets of rows by the million, in a file",
            lambda: scale.run(root, weights, folder, "coreset"),
        ),
        "million_anomalib": (
            "The same by anomalib",
            lambda: scale.run(root, weights, folder, "anomalib", columns=[384]),
        ),
        "million_search": (
            "Search among rows by the million, in a file",
            lambda: scale.run(root, weights, folder, "search"),
        ),
        "million_check": (
            "Rows by the million, checked",
            lambda: scale.run(root, weights, folder, "coreset-check", "search-check"),
        ),
    }


def cpu_name() -> str:
    """The processor, as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")


def commit() -> str:
    """The checked-out commit, marked if the tree was changed."""
    describe = ["git", "-C", str(BENCHES), "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(describe, capture_output=True, text=True, check=False).stdout.strip()


def markdown(rows: Rows) -> str:
    """Rows as a Markdown table."""
    names = list(dict.fromkeys(name for row in rows for name in row))

    def text(value: Any) -> str:
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    lines = [names, ["---"] * len(names)]
    lines += [[text(row.get(name, "")) for name in names] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def plot(rows: Rows, target: Path) -> None:
    """Seconds against each varied quantity, on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    kernels = dict.fromkeys(row["kernel"] for row in rows)
    figure, axes = pyplot.subplots(
        1, len(kernels), figsize=(5.5 * len(kernels), 4.2), layout="constrained", squeeze=False
    )
    for axis, kernel in zip(axes[0], kernels, strict=True):
        mine = [row for row in rows if row["kernel"] == kernel]
        for varied in dict.fromkeys(row["varied"] for row in mine):
            line = [row for row in mine if row["varied"] == varied]
            steps = [row["value"] / line[0]["value"] for row in line]
            axis.plot(steps, [row["seconds"] for row in line], marker="o", label=varied)
        axis.set(title=kernel, xlabel="times the smallest value", ylabel="seconds")
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    figure.savefig(target, dpi=110)


def parts_of(page: str) -> dict[str, str]:
    """What a page has below each of its headings of the second level."""
    parts = {}
    for part in ("\n" + page).split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        parts[title] = text.strip()
    return parts


def measured(title: str, measure: Callable[[], Rows]) -> str:
    """The text of a part, and of its plot if it has one."""
    print(f"== {title}", flush=True)
    rows = measure()
    common.report(rows, None)
    load = os.getloadavg()[0]
    made = f"Commit {commit()}, {cpu_name()}, load average {load:.1f} at the end."
    text = f"{made}\n\n{markdown(rows)}"
    if title == "How cost grows":
        plot(rows, BENCHES / "scaling.png")
        text += "\n\n![Seconds as one quantity after the other is doubled](scaling.png)"
    return text


def main() -> int:
    """Measure what is asked for; the other parts of the page stay as they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    real.add_arguments(parser)
    parser.add_argument("--only", nargs="*", help="measure only these parts, keep the others")
    parser.add_argument("--repeats", type=int, help="timed runs of each (default: by size)")
    parser.add_argument("--folder", type=Path, help="where large files are kept for the next run")
    args = parser.parse_args()
    parts = sections(args.root, args.weights, args.folder, args.repeats)
    texts = parts_of(PAGE.read_text()) if PAGE.exists() else {}
    page = [(BENCHES / "method.md").read_text().strip()]
    for name, (title, measure) in parts.items():
        if args.only is None or name in args.only:
            texts[title] = measured(title, measure)
        if title in texts:
            page += [f"## {title}", texts[title]]
    PAGE.write_text("\n\n".join(page) + "\n")
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
