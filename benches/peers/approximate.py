"""Approximate indices at recall 0.99 beside an exact one: faiss HNSW and IVF, and pyimgano.

Each index is tried with several builds, and each build with the first of its search settings that
finds at least 99 % of the true neighbours; the build that answers fastest counts. HNSW: M links and
efSearch; IVF: lists and nprobe. Bank and queries are those of ``knn.py``, and all rows that the
bank was chosen from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import common

common.limit_threads()

import knn  # noqa: E402
import numpy as np  # noqa: E402

import features as real  # noqa: E402

RECALL = 0.99
#: Search settings, cheapest first.
STEPS = (1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 192, 256)


def recall(found: np.ndarray, true: np.ndarray) -> float:
    """The share of true neighbours that were found."""
    hits = sum(len(np.intersect1d(a, b)) for a, b in zip(found, true, strict=True))
    return hits / true.size


def builds(bank: np.ndarray) -> Iterator[tuple[str, str, float, Any, str]]:
    """Name, build and its seconds of each index, the index, and the name of its search setting."""
    import faiss

    d = bank.shape[1]
    for links in (16, 32):
        index = faiss.IndexHNSWFlat(d, links)
        start = time.perf_counter()
        index.add(bank)
        yield "HNSW", f"M {links}", time.perf_counter() - start, index, "efSearch"
    for times in (0.5, 1, 2):
        lists = round(times * len(bank) ** 0.5)
        quantizer = faiss.IndexFlatL2(d)
        index = faiss.IndexIVFFlat(quantizer, d, lists)
        start = time.perf_counter()
        index.train(bank)
        index.add(bank)
        yield "IVF", f"{lists} lists", time.perf_counter() - start, index, "nprobe"


def setting(index: Any, name: str) -> Callable[[int], None]:
    """What sets the search setting of an index."""
    owner = index.hnsw if name == "efSearch" else index
    return lambda value: setattr(owner, name, value)


def good_enough(
    index: Any, name: str, queries: np.ndarray, true: np.ndarray
) -> tuple[int, float] | None:
    """The first search setting of that recall, and its recall."""
    for value in STEPS:
        setting(index, name)(value)
        found = recall(index.search(queries, true.shape[1])[1], true)
        if found >= RECALL:
            return value, found
    return None


def compare(
    data: str, bank: np.ndarray, queries: np.ndarray, k: int, repeats: int
) -> list[dict[str, Any]]:
    """One row for each kind of index."""
    import faiss

    from pyimgano.kernels import KnnIndex

    faiss.omp_set_num_threads(common.THREADS)
    start = time.perf_counter()
    ours = KnnIndex(bank)
    build = time.perf_counter() - start
    true = ours.query(queries, k)[1]
    calls, facts = {"pyimgano": lambda: ours.query(queries, k)}, {}
    for kind, made, seconds, index, name in builds(bank):
        found = good_enough(index, name, queries, true)
        if found is not None:
            label = f"{kind}, {made}, {name} {found[0]}"
            calls[label] = lambda index=index: index.search(queries, k)
            facts[label] = (kind, {"recall": found[1], "build_s": seconds})
    found_in = common.medians(calls, repeats)
    about = {
        "data": data,
        "bank": "x".join(map(str, bank.shape)),
        "queries": len(queries),
        "k": k,
    }
    own = found_in["pyimgano"]
    rows = [about | {"index": "pyimgano", "recall": 1.0, "build_s": build, "ms": 1e3 * own}]
    for kind in ("HNSW", "IVF"):
        labels = [label for label in facts if facts[label][0] == kind]
        if not labels:
            rows.append(about | {"index": f"{kind}: none of that recall"})
            continue
        label = min(labels, key=found_in.__getitem__)
        times = {"ms": 1e3 * found_in[label], "times": found_in[label] / own}
        rows.append(about | {"index": label} | facts[label][1] | times)
    return rows


def run(root=real.ROOT, weights=real.WEIGHTS, repeats: int | None = None) -> list[dict[str, Any]]:
    """All rows of the table."""
    bank, asked = knn.real_data(root, weights)
    every = real.extract(408, root=root, weights=weights)
    queries = knn.spread(asked, 784)
    rows = []
    for k in (1, 9):
        rows += compare("coreset of resnet18", bank, queries, k, repeats or 9)
    rows += compare("all rows of resnet18", every, queries, 1, repeats or 5)
    rows += compare("gaussian", knn.gaussian(knn.BANK), knn.gaussian(784, seed=1), 1, repeats or 5)
    return rows


if __name__ == "__main__":
    real.main(__doc__, run)
