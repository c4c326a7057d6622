"""Greedy coreset: pyimgano against anomalib's KCenterGreedy, on the same features.

The peer's cost is linear in its picks, so some of them are timed and scaled: the time of a run with
few picks is taken off that of a run with more, which leaves its fixed costs out.
"""

from __future__ import annotations

import time
from typing import Any

import common

common.limit_threads()

import numpy as np  # noqa: E402

import features as real  # noqa: E402

PICKS = 60


def _peer_seconds(features: np.ndarray, n_samples: int) -> tuple[float, np.ndarray]:
    """Seconds of a whole run of `n_samples` picks as the peer does it, and its picks."""
    import torch
    from anomalib.models.components import KCenterGreedy

    torch.set_num_threads(common.THREADS)
    start = time.perf_counter()
    greedy = KCenterGreedy(torch.from_numpy(features), (n_samples + 0.5) / len(features))
    picks = np.asarray(greedy.select_coreset_idxs())
    return time.perf_counter() - start, picks


def covering_radius(features: np.ndarray, picks: np.ndarray) -> float:
    """The largest distance of a row to its nearest pick, in the full space."""
    from pyimgano.kernels import KnnIndex

    return float(KnnIndex(features[picks]).query(features)[0].max())


def compare(
    features: np.ndarray, share: float, repeats: int, peer: tuple[float, float, np.ndarray] | None
) -> dict[str, Any]:
    """One row; `peer` holds fixed seconds, seconds per pick and picks of the peer's timed run."""
    from pyimgano.kernels import greedy_coreset

    n_samples = int(len(features) * share)
    seconds = common.medians(
        {"pyimgano": lambda: greedy_coreset(features, n_samples, start=0)}, repeats, warm_up=0
    )["pyimgano"]
    row = {
        "features": "x".join(map(str, features.shape)),
        "share": share,
        "picks": n_samples,
        "pyimgano_s": seconds,
    }
    if peer is not None:
        fixed, each, _ = peer
        row |= {
            "anomalib_s": fixed + each * n_samples,
            "anomalib_timed_picks": PICKS,
            "anomalib_picks_per_s": 1 / each,
            "times": (fixed + each * n_samples) / seconds,
        }
    return row


def peer_rate(features: np.ndarray, picks: int = PICKS) -> tuple[float, float, np.ndarray]:
    """Fixed seconds and seconds per pick of the peer, from a short and a longer run."""
    few = max(2, picks // 6)
    short, _ = _peer_seconds(features, few)
    long, chosen = _peer_seconds(features, picks)
    each = (long - short) / (picks - few)
    return max(0.0, short - each * few), each, chosen


def radius_row(features: np.ndarray, share: float = 0.01) -> dict[str, Any]:
    """Covering radii in the full space; here the peer makes all of its picks."""
    from pyimgano.kernels import greedy_coreset

    n_samples = int(len(features) * share)
    seconds, theirs = _peer_seconds(features, n_samples)
    start = time.perf_counter()
    ours = greedy_coreset(features, n_samples, start=0)
    own_seconds = time.perf_counter() - start
    return {
        "features": "x".join(map(str, features.shape)),
        "share": share,
        "picks": n_samples,
        "pyimgano_s": own_seconds,
        "anomalib_s": seconds,
        "anomalib_timed_picks": n_samples,
        "times": seconds / own_seconds,
        "radius": covering_radius(features, ours),
        "anomalib_radius": covering_radius(features, theirs),
    }


def run(
    root=real.ROOT, weights=real.WEIGHTS, repeats: int | None = None, size: int = 408
) -> list[dict[str, Any]]:
    """All rows of the table."""
    rows = [radius_row(real.extract(256, root=root, weights=weights))]
    for dims in (384, 1024):
        features = real.extract(size, dims=dims, root=root, weights=weights)
        peer = peer_rate(features)
        rows += [compare(features, share, repeats or 3, peer) for share in (0.01, 0.1)]
    return rows


def main() -> None:
    parser = common.parser(__doc__)
    real.add_arguments(parser)
    parser.add_argument("--size", type=int, default=408, help="image size (408: 166,464 rows)")
    args = parser.parse_args()
    common.report(run(args.root, args.weights, args.repeats, args.size), args.json)


if __name__ == "__main__":
    main()
