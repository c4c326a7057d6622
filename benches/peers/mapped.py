"""Patch features by the million, in memory-mapped files.

The real rows of ``features.py`` (ResNet-18 of the `screw` images at 408 px; 128 columns are layer
2's alone), again and again as if the camera had moved by part of a patch: each row is mixed with
its neighbour to the right or below by a share drawn for each row, its image is made brighter or
darker by up to 5 %, and noise of 2 % of each column's spread is added. All of it from a seed. What
that keeps of patch features is their shape: few dimensions, dense and rare places, near copies.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import features as real

SIZE = 408
PATCHES = (SIZE // 8) ** 2
GAIN, NOISE = 0.05, 0.02


def moved(image: np.ndarray, spread: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The rows of one square image, float32 (n, d), as seen from a little beside."""
    side = int(len(image) ** 0.5)
    grid = image.reshape(side, side, -1)
    axis = int(rng.integers(2))
    last = grid[-1:] if axis == 0 else grid[:, -1:]
    beside = np.concatenate([grid[1:], last] if axis == 0 else [grid[:, 1:], last], axis=axis)
    share = rng.random((side, side, 1), dtype=np.float32)
    mixed = grid + share * (beside - grid)
    mixed *= np.float32(1 + GAIN * (2 * rng.random() - 1))
    noise = rng.standard_normal(mixed.shape, dtype=np.float32)
    return (mixed + noise * NOISE * spread).reshape(image.shape)


def write(
    file: Path, rows: int, columns: int, root: Path = real.ROOT, weights: Path = real.WEIGHTS
) -> None:
    """An ``.npy`` file of `rows` x `columns` float32 features; the first rows are the real ones."""
    base = real.extract(SIZE, root=root, weights=weights)[:, :columns]
    spread = base.std(axis=0)
    rng = np.random.default_rng(0)
    out = np.lib.format.open_memmap(file, "w+", np.float32, (rows, columns))
    for number, start in enumerate(range(0, rows, PATCHES)):
        first = number * PATCHES % len(base)
        image = base[first : first + PATCHES]
        found = image if start < len(base) else moved(image, spread, rng)
        out[start : start + PATCHES] = found[: rows - start]
    out.flush()
