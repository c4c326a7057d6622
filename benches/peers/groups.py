"""The nearest row of every group: pyimgano, faiss, torch.

What mutual scoring needs: for each patch of an image its distance to the nearest patch of every
other image. faiss has one IndexFlatL2 per image; torch.cdist takes the images one after the other,
for the matrix of all distances would not fit. Then the same on random Gaussian data.
"""

from __future__ import annotations

import time
from typing import Any

import common

common.limit_threads()

import numpy as np  # noqa: E402

import features as real  # noqa: E402


def _peers(images: np.ndarray, queries: np.ndarray) -> dict[str, Any]:
    """The peers' calls, each of which gives float32 (m, n_images)."""
    import faiss
    import torch

    faiss.omp_set_num_threads(common.THREADS)
    torch.set_num_threads(common.THREADS)
    indices = []
    for image in images:
        indices.append(faiss.IndexFlatL2(image.shape[1]))
        indices[-1].add(image)
    asked = torch.from_numpy(queries)
    rows = [torch.from_numpy(image) for image in images]
    return {
        "faiss": lambda: np.sqrt(
            np.concatenate([index.search(queries, 1)[0] for index in indices], axis=1)
        ),
        "torch": lambda: torch.stack([torch.cdist(asked, one).amin(1) for one in rows], 1).numpy(),
    }


def compare(data: str, images: np.ndarray, queries: np.ndarray, repeats: int) -> dict[str, Any]:
    """One row: median milliseconds of each for the queries of one image."""
    from pyimgano.kernels import GroupIndex

    bank = images.reshape(-1, images.shape[2])
    groups = np.repeat(np.arange(len(images)), images.shape[1])
    start = time.perf_counter()
    index = GroupIndex(bank, groups)
    build = time.perf_counter() - start
    calls = {"pyimgano": lambda: index.nearest(queries), **_peers(images, queries)}
    expected = calls["pyimgano"]()
    off = {name: float(np.abs(call() / expected - 1).max()) for name, call in calls.items()}
    seconds = common.medians(calls, repeats)
    fastest = min(value for name, value in seconds.items() if name != "pyimgano")
    return {
        "data": data,
        "images": "x".join(map(str, images.shape)),
        "queries": len(queries),
        **{f"{name}_ms": 1e3 * value for name, value in seconds.items()},
        "build_ms": 1e3 * build,
        "times_fastest": fastest / seconds["pyimgano"],
        "faiss_off": off["faiss"],
        "torch_off": off["torch"],
    }


def run(root=real.ROOT, weights=real.WEIGHTS, repeats: int | None = None) -> list[dict[str, Any]]:
    """All rows of the table."""
    train = real.extract(256, root=root, weights=weights)
    asked = real.extract(256, split="test/good", limit=1, root=root, weights=weights)
    images = train.reshape(-1, len(asked), train.shape[1])
    drawn = np.random.default_rng(0)
    noise = drawn.standard_normal((16, *asked.shape), dtype=np.float32)
    return [
        compare("resnet18", images, asked, repeats or 5),
        compare("gaussian", noise, drawn.standard_normal(asked.shape, dtype=np.float32), 3),
    ]


if __name__ == "__main__":
    real.main(__doc__, run)
