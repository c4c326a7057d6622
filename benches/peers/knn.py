"""Exact nearest neighbours: pyimgano, faiss, scikit-learn, torch GEMM + min / topk.

faiss twice: IndexFlatL2, which scans everything, and IndexFlatL2Panorama behind a PCAMatrix, its
own exact index that rules rows out by the first principal axes.

The bank is a greedy coreset of real patch features, the queries are patches of other images; then
the same on random Gaussian data. Indices are built beforehand; one row tells what that costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import common

common.limit_threads()

import numpy as np  # noqa: E402

import features as real  # noqa: E402

BANK = 16_384
#: Rows that Panorama's axes are found with.
SAMPLE = 16_384
#: Levels that Panorama is tried with for the first queries of a bank: the fastest counts.
LEVELS = (4, 8, 12, 24)


def _panorama(
    bank: np.ndarray, queries: np.ndarray, k: int, tried: Sequence[int] = LEVELS
) -> tuple[Callable[[], Any], int]:
    """A search by Panorama with the number of levels that answers fastest, and that number."""
    import faiss

    dims = bank.shape[1]
    axes = faiss.PCAMatrix(dims, dims)
    axes.train(np.ascontiguousarray(bank[:: max(1, len(bank) // SAMPLE)]))
    rotated = axes.apply(bank)

    def search(levels: int) -> Callable[[], Any]:
        index = faiss.IndexFlatL2Panorama(dims, levels)
        index.add(rotated)
        return lambda: index.search(axes.apply(queries), k)

    # One index at a time: each has a copy of the bank.
    seconds = {n: common.medians({"": search(n)}, 1)[""] for n in tried if len(tried) > 1}
    fastest = min(tried, key=lambda levels: seconds.get(levels, 0.0))
    return search(fastest), fastest


def _peers(bank: np.ndarray, queries: np.ndarray, k: int, *, faiss_only: bool) -> dict[str, Any]:
    import faiss
    import torch
    from sklearn.neighbors import NearestNeighbors

    faiss.omp_set_num_threads(common.THREADS)
    torch.set_num_threads(common.THREADS)
    flat = faiss.IndexFlatL2(bank.shape[1])
    flat.add(bank)
    calls: dict[str, Any] = {"faiss": lambda: flat.search(queries, k)}
    if faiss_only:
        return calls
    brute = NearestNeighbors(algorithm="brute", n_jobs=common.THREADS).fit(bank)
    rows = torch.from_numpy(bank)
    norms = (rows**2).sum(1)

    def gemm():
        asked = torch.from_numpy(queries)
        squared = torch.addmm(norms, asked, rows.T, alpha=-2)
        return squared.min(1) if k == 1 else squared.topk(k, largest=False)

    return calls | {
        "sklearn": lambda: brute.kneighbors(queries, k),
        "torch": gemm,
    }


def compare(
    data: str,
    bank: np.ndarray,
    queries: np.ndarray,
    k: int,
    repeats: int,
    *,
    faiss_only: bool = False,
    levels: Sequence[int] = LEVELS,
) -> dict[str, Any]:
    """One row: median milliseconds of each, and by how much the fastest peer is slower."""
    from pyimgano.kernels import KnnIndex

    start = time.perf_counter()
    index = KnnIndex(bank)
    build = time.perf_counter() - start
    calls = {
        "pyimgano": lambda: index.query(queries, k),
        **_peers(bank, queries, k, faiss_only=faiss_only),
    }
    calls["panorama"], fastest_levels = _panorama(bank, queries, k, levels)
    expected = calls["faiss"]()[1]
    agree = float((calls["pyimgano"]()[1] == expected).mean())
    seconds = common.medians(calls, repeats)
    fastest = min(value for name, value in seconds.items() if name != "pyimgano")
    return {
        "data": data,
        "bank": "x".join(map(str, bank.shape)),
        "queries": len(queries),
        "k": k,
        **{f"{name}_ms": 1e3 * value for name, value in seconds.items()},
        "panorama_levels": fastest_levels,
        "build_ms": 1e3 * build,
        "times_fastest": fastest / seconds["pyimgano"],
        "same_as_faiss": agree,
    }


def real_data(root=real.ROOT, weights=real.WEIGHTS) -> tuple[np.ndarray, np.ndarray]:
    """A coreset of the training patches, and evenly spaced patches of test images of that size."""
    from pyimgano.kernels import greedy_coreset

    train = real.extract(408, root=root, weights=weights)
    bank = np.ascontiguousarray(train[greedy_coreset(train, BANK, start=0)])
    asked = real.extract(408, split="test/good", limit=3, root=root, weights=weights)
    return bank, asked


def spread(rows: np.ndarray, m: int) -> np.ndarray:
    """`m` evenly spaced rows."""
    return np.ascontiguousarray(rows[np.arange(m) * len(rows) // m])


def gaussian(n: int, d: int = 384, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d), dtype=np.float32)


def run(root=real.ROOT, weights=real.WEIGHTS, repeats: int | None = None) -> list[dict[str, Any]]:
    """All rows of the table."""
    rows = []
    for data in ("resnet18", "gaussian"):
        if data == "resnet18":
            bank, queries = real_data(root, weights)
        else:
            bank, queries = gaussian(BANK), gaussian(4_096, seed=1)
        levels: Sequence[int] = LEVELS
        for m in (784, 4_096):
            for k in (1, 9):
                asked = spread(queries, m)
                often = repeats or (9 if m < 1000 else 5)
                rows.append(compare(data, bank, asked, k, often, levels=levels))
                levels = [rows[-1]["panorama_levels"]]
    return rows


if __name__ == "__main__":
    real.main(__doc__, run)
