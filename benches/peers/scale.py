"""Rows by the million in a memory-mapped file: a coreset of 1 % of them, and a search among them.

Each figure is taken in a process of its own, which maps the file read-only. `private_mb` is the
most memory that this process had for itself beyond what it had before the call, `file_mb` the size
of the file, whose pages the system keeps and drops as it likes. `exponent` is how time grows with
the rows: log(times) / log(times the rows). `as_plain` picks are compared with plain greedy
selection, in NumPy and float64, over the same rows. Files are made by ``mapped.py`` and removed, or
kept in ``--folder`` for the next run. Fewer rows are the first ones of the file.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common

common.limit_threads()

import mapped  # noqa: E402
import numpy as np  # noqa: E402

import features as real  # noqa: E402

#: Columns and rows of the files.
FILES = {384: 1_000_000, 128: 5_000_000}
#: Shares of a file that are measured.
PARTS = (8, 4, 2, 1)
SHARE = 0.01
QUERIES = 2601


def private_bytes() -> int:
    """Memory of this process that is no page of a file."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("RssAnon:")[2].split()[0])


def watched(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """What `call` returns, its seconds, and by how many MB the private memory grew at most."""
    before, most, done = private_bytes(), 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.01):
            most = max(most, private_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    try:
        found = call()
    finally:
        seconds = time.perf_counter() - start
        done.set()
        watcher.join()
    return found, seconds, (max(most, private_bytes()) - before) / 1e6


def plain_greedy(features: np.ndarray, n_samples: int, start: int) -> np.ndarray:
    """The picks by their definition, a pass over all rows for each."""
    nearest, picks = np.full(len(features), np.inf), [start]
    while len(picks) < n_samples:
        last = features[picks[-1]].astype(np.float64)
        for first in range(0, len(features), 8192):
            apart = features[first : first + 8192] - last
            squared = np.einsum("ij,ij->i", apart, apart)
            np.minimum(nearest[first : first + 8192], squared, nearest[first : first + 8192])
        nearest[picks[-1]] = -1.0
        picks.append(int(nearest.argmax()))
    return np.array(picks)


def coreset_of(rows: np.ndarray, plain: int) -> dict[str, Any]:
    """The figures of a coreset of a file's rows."""
    from pyimgano.kernels import greedy_coreset

    n_samples = int(len(rows) * SHARE)
    greedy_coreset(np.ones((2000, 20), np.float32), 3, start=0)  # starts the threads
    picks, seconds, private = watched(lambda: greedy_coreset(rows, n_samples, start=0))
    result = {
        "what": "coreset",
        "rows": len(rows),
        "columns": rows.shape[1],
        "picks": n_samples,
        "seconds": seconds,
        "private_mb": private,
        "file_mb": rows.nbytes / 1e6,
    }
    if plain:
        same = (picks[:plain] == plain_greedy(rows, plain, 0)).sum()
        result["as_plain"] = f"{same} of {plain}"
    return result


def search_of(rows: np.ndarray) -> dict[str, Any]:
    """The figures of a search among a file's rows, which stay where they are."""
    from pyimgano.kernels import KnnIndex

    rng = np.random.default_rng(1)
    chosen = np.sort(rng.choice(len(rows), QUERIES, replace=False))
    queries = rows[chosen] * np.float32(1.01)
    KnnIndex(np.ones((2000, 20), np.float32)).query(np.ones((3, 20), np.float32))
    index, build, private = watched(lambda: KnnIndex(rows))
    (distances, _), seconds, more = watched(lambda: index.query(queries, 1))
    # By definition, for a few queries.
    few = slice(0, QUERIES, QUERIES // 8)
    nearest = np.full(len(queries[few]), np.inf)
    for first in range(0, len(rows), 8192):
        block = rows[first : first + 8192].astype(np.float64)
        for q, query in enumerate(queries[few]):
            nearest[q] = min(nearest[q], ((block - query) ** 2).sum(axis=1).min())
    assert np.array_equal(np.sqrt(nearest).astype(np.float32), distances[few, 0])
    return {
        "what": f"{QUERIES} queries, k = 1",
        "rows": len(rows),
        "columns": rows.shape[1],
        "seconds": seconds,
        "build_s": build,
        "private_mb": private + more,
        "file_mb": rows.nbytes / 1e6,
    }


def alone(kind: str, file: Path, rows: int, plain: int) -> dict[str, Any]:
    """The figures of the first `rows` of a file, measured in a process of its own."""
    given = {"--of": kind, "--file": str(file), "--rows": str(rows), "--plain": str(plain)}
    command = [sys.executable, __file__, *(text for pair in given.items() for text in pair)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run(
    root=real.ROOT, weights=real.WEIGHTS, folder: Path | None = None, plain: int = 20
) -> list[dict[str, Any]]:
    """All rows of the table; `plain` picks of each coreset are checked."""
    with tempfile.TemporaryDirectory() as made:
        files = {}
        for columns, most in FILES.items():
            files[columns] = (folder or Path(made)) / f"rows-{most}x{columns}.npy"
            if not files[columns].exists():
                mapped.write(files[columns], most, columns, root, weights)
        return [
            row
            for kind in ("coreset", "search")
            for columns in FILES
            for row in growing(kind, files[columns], FILES[columns], plain)
        ]


def growing(kind: str, file: Path, most: int, plain: int) -> list[dict[str, Any]]:
    """The rows of one file's parts, each with the exponent since the one before."""
    rows: list[dict[str, Any]] = []
    for part in PARTS:
        row = alone(kind, file, most // part, plain)
        if rows:
            growth = math.log(row["seconds"] / rows[-1]["seconds"])
            row["exponent"] = growth / math.log(row["rows"] / rows[-1]["rows"])
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
    return rows


def main() -> None:
    parser = common.parser(__doc__)
    real.add_arguments(parser)
    parser.add_argument("--folder", type=Path, help="where files are kept (default: temporary)")
    parser.add_argument("--plain", type=int, default=20, help="picks compared with plain greedy")
    parser.add_argument("--of", choices=["coreset", "search"], help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.of:
        rows = np.load(args.file, mmap_mode="r")[: args.rows]
        found = search_of(rows) if args.of == "search" else coreset_of(rows, args.plain)
        print(json.dumps(found))
        return
    common.report(run(args.root, args.weights, args.folder, args.plain), args.json)


if __name__ == "__main__":
    main()
