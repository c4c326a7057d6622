"""What share of the pairs each lower bound prunes, in a search and in a coreset.

Without ``--features`` the rows are patch features of noisy textures, by the network in the package:

    python benches/pruning.py
    python benches/pruning.py --features rows.npy
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np

from pyimgano.features import build_features
from pyimgano.kernels import KnnIndex, SearchStats, greedy_coreset

_STAGES = ("by_ball", "by_projection", "by_row", "refined")


def textures(count: int, side: int = 256) -> np.ndarray:
    """float32 (n, side, side, 3): blurred noise, another one in each image."""
    images = []
    for seed in range(count):
        noise = np.random.default_rng(seed).normal(size=(side, side, 3)).astype(np.float32)
        images.append(np.clip(0.5 + 0.3 * cv2.GaussianBlur(noise, (0, 0), 1.5), 0, 1))
    return np.stack(images)


def patch_rows(count: int = 24) -> np.ndarray:
    """float32 (m, d): the patches of some textures."""
    images = textures(count)
    extractor = build_features("embedded").fit(images[:8])
    return np.concatenate([grid.rows for grid in extractor.extract_batch(images)])


def line(name: str, stats: SearchStats) -> str:
    """One line of the table."""
    shares = (getattr(stats, stage) / stats.candidates for stage in _STAGES)
    cells = "".join(f"{100 * share:>14.3f}" for share in (*shares, stats.share_pruned))
    return f"{name:<24}{stats.candidates:>16,}{cells}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", help="float32 (m, d) rows in a .npy file")
    args = parser.parse_args()
    rows = np.load(args.features) if args.features else patch_rows()
    held, train = rows[:784], rows[784:]
    print(f"{len(train):,} x {train.shape[1]} rows; shares of the pairs in percent")
    print(f"{'':<24}{'pairs':>16}" + "".join(f"{name:>14}" for name in (*_STAGES, "pruned")))
    for share in (0.01, 0.1):
        stats = SearchStats()
        picks = greedy_coreset(train, max(1, int(share * len(train))), start=0, stats=stats)
        print(line(f"coreset of {share:.0%}", stats))
    index = KnnIndex(train[picks])
    for k in (1, 9):
        stats = SearchStats()
        index.query(held, k, stats=stats)
        print(line(f"search, k = {k}", stats))


if __name__ == "__main__":
    main()
