"""What the side-by-side runs share: threads, repeated timing, a table, JSON."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

THREADS = 2
#: Seconds between two calls.
PAUSE = 0.3
#: Calls below so many seconds are timed when just run.
SHORT = 0.2


def limit_threads(n: int = THREADS) -> None:
    """The same number of threads for everyone. Call it before anything heavy is imported."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(n)
    os.environ["PYIMGANO_NUM_THREADS"] = str(n)


def medians(
    calls: dict[str, Callable[[], Any]], repeats: int, warm_up: int = 1
) -> dict[str, float]:
    """Median seconds of each call, taken in turns, so that a busy moment hits all alike.

    OpenMP's idle threads spin for up to 0.2 s and would take a core from whoever comes next, so all
    wait before they start; a short call is then timed the second time, as in a stream of images.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(warm_up + repeats):
        for name, call in calls.items():
            time.sleep(PAUSE)
            if seconds[name] and seconds[name][-1] < SHORT:
                call()
            start = time.perf_counter()
            call()
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def parser(description: str | None) -> argparse.ArgumentParser:
    """Options that every script has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json", help="also write the rows to this file")
    made.add_argument("--repeats", type=int, help="timed runs of each (default: by size)")
    return made


def report(rows: list[dict[str, Any]], path: str | None) -> None:
    """Prints rows as a table; writes them as JSON if asked to."""

    def text(value: Any) -> str:
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    names = list(dict.fromkeys(name for row in rows for name in row))
    table = [names] + [[text(row.get(name, "")) for name in names] for row in rows]
    widths = [max(len(line[i]) for line in table) for i in range(len(names))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)))
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
