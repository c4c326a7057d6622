"""Search in the banks of the few-shot methods: pyimgano, faiss flat, faiss Panorama.

The bank of one photo and seven turns of it, 8,192 x 384, as `anomalydino` has it at 448 px with a
ViT-S/14: here ResNet-18 features of the same grid and width, of length 1. Then four banks of
100,000 x 1,280, as `superadd` has one for each of four layers of a ViT-H: here each another 100,000
of the 166,464 patches of ``features.py``, of three image sizes (1,024 columns), with layer 3 once
more, averaged over 5 x 5. Queries are 1,024 patches of a test image. The last row adds the four up:
what one image costs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import common

common.limit_threads()

import knn  # noqa: E402
import numpy as np  # noqa: E402

import features as real  # noqa: E402

SIZE = 408
LARGE = 100_000
#: Levels of Panorama, which has more to skip in rows this wide.
LEVELS = (24, 40, 80)


def one_shot(root: Path, weights: Path) -> tuple[np.ndarray, np.ndarray]:
    """The bank of one photo in eight positions, and the patches of a test image."""
    from pyimgano import create_model

    banks = []
    for split, references in (("train/good", "rotations"), ("test/good", "plain")):
        photo = sorted((root / "screw" / split).glob("*.png"))[:1]
        detector = create_model(
            "anomalydino",
            backbone="resnet18",
            weights=weights,
            image_size=256,
            coreset_ratio=1.0,
            references=references,
        )
        banks.append(detector.fit(photo).scorer_.memory_bank_)
    return banks[0], banks[1]


def wide(root: Path, weights: Path, **which: Any) -> np.ndarray:
    """Patch features of 1,280 columns, of the images that ``features.py`` knows by `which`."""
    from scipy.ndimage import uniform_filter

    found = [real.extract(SIZE, dims=d, root=root, weights=weights, **which) for d in (1024, 384)]
    side = SIZE // 8
    layer3 = found[1][:, 128:].reshape(-1, side, side, 256)
    wider = uniform_filter(layer3, (1, 5, 5, 1), mode="nearest")
    return np.concatenate([found[0], wider.reshape(-1, 256)], axis=1)


def one_photo(root: Path, weights: Path, repeats: int | None = None) -> dict[str, Any]:
    """The row of the bank of one photo."""
    few = one_shot(root, weights)
    return knn.compare("one photo in 8 positions", *few, 1, repeats or 9, faiss_only=True)


def layers(root: Path, weights: Path, repeats: int | None = None) -> list[dict[str, Any]]:
    """A row for each of the four banks, and their sum."""
    every = wide(root, weights)
    queries = knn.spread(wide(root, weights, split="test/good", limit=1), 1024)
    rows: list[dict[str, Any]] = []
    for number in range(1, 5):
        chosen = np.random.default_rng(number).choice(len(every), LARGE, replace=False)
        bank = every[np.sort(chosen)]
        # Panorama's levels are chosen on the first bank.
        levels = [rows[0]["panorama_levels"]] if rows else LEVELS
        name = f"wide layer {number} of 4"
        rows.append(
            knn.compare(name, bank, queries, 1, repeats or 3, faiss_only=True, levels=levels)
        )
    timed = [name for name in rows[0] if name.endswith("_ms")]
    total = {name: sum(row[name] for row in rows) for name in timed}
    fastest = min(total["faiss_ms"], total["panorama_ms"])
    agree = sum(row["same_as_faiss"] for row in rows) / len(rows)
    facts = {"times_fastest": fastest / total["pyimgano_ms"], "same_as_faiss": agree}
    together = {**rows[0], "data": "four wide layers", "bank": f"{len(rows)} x {rows[0]['bank']}"}
    return [*rows, together | total | facts]


def run(root=real.ROOT, weights=real.WEIGHTS, repeats: int | None = None) -> list[dict[str, Any]]:
    """All rows of the table."""
    return [one_photo(root, weights, repeats), *layers(root, weights, repeats)]


if __name__ == "__main__":
    real.main(__doc__, run)
