"""How the kernels' cost grows: one quantity after the other doubled three times."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import common

common.limit_threads()

import knn  # noqa: E402
import numpy as np  # noqa: E402
from maps import image_set  # noqa: E402

import features as real  # noqa: E402


def _timed(kernel: str, varied: str, value: int, call, repeats: int) -> dict[str, Any]:
    seconds = common.medians({"call": call}, repeats)["call"]
    return {"kernel": kernel, "varied": varied, "value": value, "seconds": seconds}


def run(root=real.ROOT, weights=real.WEIGHTS, repeats: int | None = None) -> list[dict[str, Any]]:
    """One row per kernel, varied quantity and value, with the exponent since the value before."""
    repeats = repeats or 3
    return with_exponents([*search_rows(root, weights, repeats), *map_rows(repeats)])


def with_exponents(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """log(times the seconds) / log(times the value), since the row of that kind before."""
    last: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        before = last.get((row["kernel"], row["varied"]))
        if before:
            growth = math.log(row["seconds"] / before["seconds"])
            row["exponent"] = growth / math.log(row["value"] / before["value"])
        last[row["kernel"], row["varied"]] = row
    return rows


def search_rows(root, weights, repeats: int) -> list[dict[str, Any]]:
    """Coreset and neighbours, on real features."""
    from pyimgano.kernels import KnnIndex, greedy_coreset

    wide = real.extract(408, dims=1024, root=root, weights=weights)
    rows = []

    def coreset(varied: str, value: int, features: np.ndarray, picks: int) -> None:
        features = np.ascontiguousarray(features)
        rows.append(
            _timed(
                "coreset",
                varied,
                value,
                lambda: greedy_coreset(features, picks, start=0),
                repeats,
            )
        )

    n = len(wide) // 8
    for factor in (1, 2, 4, 8):
        coreset(
            "n (rows), 1 % of 256 columns",
            n * factor,
            wide[:: 8 // factor, :256],
            n * factor // 100,
        )
    for d in (128, 256, 512, 1024):
        coreset("d (columns), 1 % of n/4 rows", d, wide[::4, :d], len(wide) // 400)
    for picks in (500, 1000, 2000, 4000):
        coreset("picks of n/4 x 256", picks, wide[::4, :256], picks)

    bank, queries = knn.real_data(root, weights)
    queries = knn.spread(queries, 784)

    def search(varied: str, value: int, bank: np.ndarray, queries: np.ndarray, k: int) -> None:
        index = KnnIndex(bank)
        rows.append(_timed("knn", varied, value, lambda: index.query(queries, k), 3 * repeats))

    for size in (2048, 4096, 8192, 16_384):
        search("bank (rows of 384), 784 queries", size, bank[:size], queries, 1)
    for m in (784, 1568, 3136, 6272):
        search("queries, bank 16,384 x 384", m, bank, np.resize(queries, (m, 384)), 1)
    for k in (1, 2, 4, 8):
        search("k, 784 queries, bank 16,384 x 384", k, bank, queries, k)
    for d in (48, 96, 192, 384):
        columns = slice(0, d)
        search("d, 784 queries, bank 16,384", d, bank[:, columns], queries[:, columns], 1)
    return rows


def map_rows(repeats: int, n: int = 20, size: int = 256) -> list[dict[str, Any]]:
    """Pixel metrics and components: ``n`` maps of ``size`` at first."""
    from pyimgano.kernels import filter_components, label_components, pixel_metrics

    rows = []
    masks, maps = image_set(8 * n, size)
    for count in (n, 2 * n, 4 * n, 8 * n):
        some = slice(count)
        call = partial(pixel_metrics, masks[some], maps[some])
        rows.append(_timed("metrics", f"maps of {size} x {size}", count, call, repeats))
    for side in (size, 2 * size, 4 * size, 8 * size):
        masks, maps = image_set(4, side)
        call = partial(pixel_metrics, masks, maps)
        rows.append(_timed("metrics", "side of 4 maps", side, call, repeats))
        call = partial(filter_components, maps[1], threshold=1.5, min_area=20)
        rows.append(_timed("components", "filter, side of a map", side, call, 3 * repeats))
        call = partial(label_components, masks[1])
        rows.append(_timed("components", "labels, side of a mask", side, call, 3 * repeats))
    return rows


if __name__ == "__main__":
    real.main(__doc__, run)
