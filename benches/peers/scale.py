"""Rows by the million in a memory-mapped file: a coreset of 1 % of them, and a search among them.

Each figure is taken in a process of its own, which maps the file read-only. `private_mb` is the
most memory that this process had for itself beyond what it had before the call, `file_mb` the size
of the file, whose pages the system keeps and drops as it likes. `exponent` is how time grows with
the rows: log(times) / log(times the rows). Files are made by ``mapped.py`` and removed, or kept in
``--folder`` for the next run; fewer rows are the first ones of the file. Queries are patches of
three good test images.

Kinds: `coreset`; `search`; `anomalib`, its coreset, some picks timed and scaled as ``coreset.py``
does; `coreset-check` and `search-check`, which compare picks with plain greedy selection and
distances with those of all rows, in NumPy and float64 over the same file.
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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import common

common.limit_threads()

import coreset  # noqa: E402
import knn  # noqa: E402
import mapped  # noqa: E402
import numpy as np  # noqa: E402

import features as real  # noqa: E402

#: Columns and rows of the files.
FILES = {384: 1_000_000, 128: 5_000_000}
#: Shares of a file that are measured.
PARTS = (8, 4, 2, 1)
SHARE = 0.01
QUERIES = 784
#: Picks that anomalib makes to tell how long all would take.
PEER_PICKS = 12


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
        for first in range(0, len(features), 512):
            apart = features[first : first + 512] - last
            some = nearest[first : first + 512]
            np.minimum(some, np.einsum("ij,ij->i", apart, apart), some)
        nearest[picks[-1]] = -1.0
        picks.append(int(nearest.argmax()))
    return np.array(picks)


def coreset_of(rows: np.ndarray, _: np.ndarray) -> dict[str, Any]:
    """The figures of a coreset."""
    from pyimgano.kernels import greedy_coreset

    n_samples = int(len(rows) * SHARE)
    greedy_coreset(np.ones((2000, 20), np.float32), 3, start=0)  # starts the threads
    _, seconds, private = watched(lambda: greedy_coreset(rows, n_samples, start=0))
    return {"what": "coreset of 1 %", "seconds": seconds, "private_mb": private}


def search_of(rows: np.ndarray, queries: np.ndarray) -> dict[str, Any]:
    """The figures of a search among rows that stay where they are."""
    from pyimgano.kernels import KnnIndex

    KnnIndex(np.ones((2000, 20), np.float32)).query(np.ones((3, 20), np.float32))
    index, build, private = watched(lambda: KnnIndex(rows))
    index.query(queries, 1)
    _, seconds, more = watched(lambda: index.query(queries, 1))
    what = f"{len(queries)} queries, k = 1"
    return {"what": what, "seconds": seconds, "build_s": build, "private_mb": private + more}


def coreset_check(rows: np.ndarray, _: np.ndarray) -> dict[str, Any]:
    """How many picks are those of plain greedy: all of few rows, the first 20 of many."""
    from pyimgano.kernels import greedy_coreset

    n_samples = int(len(rows) * SHARE) if len(rows) <= 125_000 else 20
    picks = greedy_coreset(rows, n_samples, start=0)
    same = int((picks == plain_greedy(rows, n_samples, 0)).sum())
    return {"what": "picks as plain greedy", "same": f"{same} of {n_samples}"}


def search_check(rows: np.ndarray, queries: np.ndarray) -> dict[str, Any]:
    """How many distances are the smallest of those to all rows."""
    from pyimgano.kernels import KnnIndex

    asked = knn.spread(queries, 8)
    nearest = np.full(len(asked), np.inf)
    for first in range(0, len(rows), 8192):
        block = rows[first : first + 8192].astype(np.float64)
        for q, query in enumerate(asked):
            nearest[q] = min(nearest[q], ((block - query) ** 2).sum(axis=1).min())
    found = KnnIndex(rows).query(asked, 1)[0][:, 0]
    same = int((found == np.sqrt(nearest).astype(np.float32)).sum())
    return {"what": "distances as of all rows", "same": f"{same} of {len(asked)}"}


def anomalib(rows: np.ndarray, _: np.ndarray) -> dict[str, Any]:
    """What anomalib takes for the same share of the same rows, which it needs in memory."""
    (fixed, each, _), _, private = watched(lambda: coreset.peer_rate(np.array(rows), PEER_PICKS))
    seconds = fixed + each * int(len(rows) * SHARE)
    return {
        "what": "anomalib, coreset of 1 %",
        "seconds": seconds,
        "timed_picks": PEER_PICKS,
        "private_mb": private,
    }


KINDS = {
    "anomalib": anomalib,
    "coreset": coreset_of,
    "search": search_of,
    "coreset-check": coreset_check,
    "search-check": search_check,
}


def alone(kind: str, file: Path, rows: int, queries: Path) -> dict[str, Any]:
    """The figures of the first `rows` of a file, measured in a process of its own."""
    command = [sys.executable, __file__, "--of", kind, str(file), str(rows), str(queries)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def growing(kind: str, file: Path, columns: int, queries: Path) -> Iterator[dict[str, Any]]:
    """The rows of one file's parts, each with the exponent since the one before."""
    last: dict[str, Any] = {}
    for part in (PARTS[0], 1) if kind.endswith("check") else PARTS:
        n = FILES[columns] // part
        found = alone(kind, file, n, queries)
        row = {"what": found.pop("what"), "rows": n, "columns": columns, **found}
        if "seconds" in found:
            row["file_mb"] = 4e-6 * n * columns
            if last:
                growth = math.log(row["seconds"] / last["seconds"])
                row["exponent"] = growth / math.log(n / last["rows"])
        last = row
        print(row, file=sys.stderr, flush=True)
        yield row


def run(
    root: Path, weights: Path, folder: Path | None, *kinds: str, columns: Sequence[int] = (*FILES,)
) -> list[dict[str, Any]]:
    """All rows of the table of some kinds of measurement."""
    asked = real.extract(mapped.SIZE, split="test/good", limit=3, root=root, weights=weights)
    rows = []
    with tempfile.TemporaryDirectory() as made:
        for kind in kinds:
            for d in columns:
                file = (folder or Path(made)) / f"rows-{FILES[d]}x{d}.npy"
                if not file.exists():
                    mapped.write(file, FILES[d], d, root, weights)
                queries = Path(made) / f"queries-{d}.npy"
                np.save(queries, knn.spread(asked[:, :d], QUERIES))
                rows += growing(kind, file, d, queries)
    return rows


def main() -> None:
    parser = common.parser(__doc__)
    real.add_arguments(parser)
    parser.add_argument("--folder", type=Path, help="where files are kept (default: temporary)")
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=["coreset", "search"])
    parser.add_argument("--columns", nargs="+", type=int, choices=FILES, default=[*FILES])
    parser.add_argument("--of", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.of:
        kind, file, n, queries = args.of
        rows = np.load(file, mmap_mode="r")[: int(n)]
        print(json.dumps(KINDS[kind](rows, np.load(queries))))
        return
    rows = run(args.root, args.weights, args.folder, *args.kind, columns=args.columns)
    common.report(rows, args.json)


if __name__ == "__main__":
    main()
