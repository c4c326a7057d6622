"""Search in the banks of the few-shot methods: pyimgano, faiss flat, faiss Panorama.

The bank of one photo and seven turns of it, 8,192 x 384, as `anomalydino` has it at 448 px with a
ViT-S/14: here ResNet-18 features of the same grid and width, of length 1. Then one layer of
`superadd`'s four, 100,000 x 1,280: the last map of MobileNetV2, of 64 photos at 1024 px and of the
same turned by half. Queries are the 1,024 patches of a test image.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import common

common.limit_threads()

import knn  # noqa: E402
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


def wide(root: Path, mobilenet: Path) -> tuple[np.ndarray, np.ndarray]:
    """100,000 rows of 1,280 features, and the patches of a test image."""
    from pyimgano.features.backbones.torchvision import TorchvisionBackbone
    from pyimgano.images.preprocess import ImagePreprocessor

    half = ((0.5,) * 3, (0.5,) * 3)
    backbone = TorchvisionBackbone(
        "mobilenet_v2", layers=["features.18"], weights=mobilenet, normalization=half
    )
    read = ImagePreprocessor(resize=1024)

    def rows(path: Path, turns: int) -> np.ndarray:
        batch = (np.rot90(read.load(path).pixels, 2 * turns).transpose(2, 0, 1)[None] - 0.5) / 0.5
        (found,) = backbone.layer_maps(np.ascontiguousarray(batch, dtype=np.float32))
        return np.asarray(found)[0].reshape(1280, -1).T

    train = sorted((root / "screw/train/good").glob("*.png"))
    every = np.concatenate([rows(path, turns) for turns in (0, 1) for path in train])
    asked = rows(sorted((root / "screw/test/good").glob("*.png"))[0], 0)
    return knn.spread(every, LARGE), np.ascontiguousarray(asked)


def run(
    root=real.ROOT, weights=real.WEIGHTS, repeats: int | None = None, mobilenet: Path = MOBILENET
) -> list[dict[str, Any]]:
    """All rows of the table."""
    few, wide_bank = one_shot(root, weights), wide(root, mobilenet)
    return [
        knn.compare("one photo in 8 positions", *few, 1, repeats or 9, faiss_only=True),
        knn.compare("one wide layer", *wide_bank, 1, repeats or 3, faiss_only=True),
    ]


if __name__ == "__main__":
    real.main(__doc__, run)
