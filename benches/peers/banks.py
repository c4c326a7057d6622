"""Search in the banks of the few-shot methods: pyimgano, faiss flat, faiss Panorama.

The bank of one photo and seven turns of it, 8,192 x 384, as `anomalydino` has it at 448 px with a
ViT-S/14: here ResNet-18 features of the same grid and width, of length 1. Then four banks of
100,000 x 1,280, as `superadd` has them with a ViT-H's four layers: here the last map of
MobileNetV2, of 64 photos at 1024 px, in one of the four turns for each bank, 65,536 rows; the rest
are the same rows moved as ``mapped.py`` does. Queries are the 1,024 patches of a test image, turned
likewise. The last row adds the four up: what one image costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import common

common.limit_threads()

import knn  # noqa: E402
import mapped  # noqa: E402
import numpy as np  # noqa: E402

import features as real  # noqa: E402

MOBILENET = real.SHARED / "weights" / "mobilenet_v2_tf_qat_dequant_bnfolded.pth"
LARGE = 100_000


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


def wide(root: Path, mobilenet: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Four banks of 100,000 rows of 1,280 features, and for each the patches of a test image."""
    from pyimgano.features.backbones.torchvision import TorchvisionBackbone
    from pyimgano.images.preprocess import ImagePreprocessor

    half = ((0.5,) * 3, (0.5,) * 3)
    backbone = TorchvisionBackbone(
        "mobilenet_v2", layers=["features.18"], weights=mobilenet, normalization=half
    )
    read = ImagePreprocessor(resize=1024)

    def rows(path: Path, turns: int) -> np.ndarray:
        pixels = np.rot90(read.load(path).pixels, turns)
        batch = (pixels.transpose(2, 0, 1)[None] - 0.5) / 0.5
        (found,) = backbone.layer_maps(np.ascontiguousarray(batch, dtype=np.float32))
        return np.asarray(found)[0].reshape(1280, -1).T

    train = sorted((root / "screw/train/good").glob("*.png"))
    asked = sorted((root / "screw/test/good").glob("*.png"))[0]
    for turns in range(4):
        seen = real.cached(
            f"wide-{turns}",
            [train, mobilenet.stat().st_size],
            lambda turns=turns: np.stack([rows(path, turns) for path in train]),
        )
        spread, rng = seen.std(axis=(0, 1)), np.random.default_rng(turns)
        bank = [*seen, *(mapped.moved(image, spread, rng) for image in seen)]
        yield np.concatenate(bank)[:LARGE], np.ascontiguousarray(rows(asked, turns))


def layers(root: Path, mobilenet: Path, repeats: int) -> list[dict[str, Any]]:
    """A row for each of the four banks, and their sum."""
    rows: list[dict[str, Any]] = []
    for number, (bank, queries) in enumerate(wide(root, mobilenet), 1):
        # Panorama's levels are chosen on the first bank.
        levels = [rows[0]["panorama_levels"]] if rows else knn.LEVELS
        name = f"wide layer {number} of 4"
        rows.append(knn.compare(name, bank, queries, 1, repeats, faiss_only=True, levels=levels))
    timed = [name for name in rows[0] if name.endswith("_ms")]
    total = {name: sum(row[name] for row in rows) for name in timed}
    fastest = min(total["faiss_ms"], total["panorama_ms"])
    agree = sum(row["same_as_faiss"] for row in rows) / len(rows)
    facts = {"times_fastest": fastest / total["pyimgano_ms"], "same_as_faiss": agree}
    together = {**rows[0], "data": "four wide layers", "bank": f"{len(rows)} x {rows[0]['bank']}"}
    return [*rows, together | total | facts]


def run(
    root=real.ROOT, weights=real.WEIGHTS, repeats: int | None = None, mobilenet: Path = MOBILENET
) -> list[dict[str, Any]]:
    """All rows of the table."""
    few = one_shot(root, weights)
    return [
        knn.compare("one photo in 8 positions", *few, 1, repeats or 9, faiss_only=True),
        *layers(root, mobilenet, repeats or 2),
    ]


if __name__ == "__main__":
    real.main(__doc__, run)
