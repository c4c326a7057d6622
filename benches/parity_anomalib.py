"""PatchCore and PaDiM through the wrapper against anomalib alone, on a whole category.

Both fit on all training images and score all test images with the same seed and the same ResNet-18
file. Printed are the largest relative differences: of an image's score, of a map relative to the
map's own maximum, and of single map values to themselves.

anomalib's coreset asks for just under 32 MiB at every pick here, which glibc keeps: set
MALLOC_MMAP_THRESHOLD_=4000000, or memory grows beyond 20 GB.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

# The reference is the one that the tests compare with.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.models.anomalib_alone import alone, grid_of

from pyimgano.datasets import load_dataset
from pyimgano.models import create_model


def differences(name: str, train: list[str], test: list[str], weights: Path) -> dict[str, float]:
    """Largest relative differences over all test images."""
    reference = alone(name, train, test, weights)
    detector = create_model(
        f"vision_{name}_anomalib", backbone="resnet18", weights=weights, folds=0
    ).fit(train)
    worst = {"score": 0.0, "map / its maximum": 0.0, "map value": 0.0}
    for ours, theirs in zip(detector.iter_predict(test), reference, strict=True):
        score = float(theirs.pred_score)
        expected = grid_of(theirs.anomaly_map, ours.anomaly_map.shape).astype(np.float64)
        gap = np.abs(ours.anomaly_map - expected)
        found = {
            "score": abs(ours.score - score) / abs(score),
            "map / its maximum": gap.max() / np.abs(expected).max(),
            "map value": (gap / np.maximum(np.abs(expected), np.finfo(np.float32).tiny)).max(),
        }
        worst = {key: max(worst[key], float(value)) for key, value in found.items()}
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True, type=Path, help="set in the MVTec AD layout")
    parser.add_argument("--weights", required=True, type=Path, help="ResNet-18 state dict")
    parser.add_argument("--category", default="cookie")
    parser.add_argument("--model", nargs="+", default=["patchcore", "padim"])
    args = parser.parse_args()
    root, weights = args.root.resolve(), args.weights.resolve()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    dataset = load_dataset("mvtec", root, args.category)
    train, test = dataset.get_train_paths(), dataset.get_test_paths().paths
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # anomalib's engine writes where it runs
        for name in args.model:
            start = time.perf_counter()
            worst = differences(name, train, test, weights)
            figures = ", ".join(f"{key} {value:.1e}" for key, value in worst.items())
            print(
                f"{name}: {len(train)} training and {len(test)} test images of {args.category},"
                f" {figures} ({time.perf_counter() - start:.0f} s)",
                flush=True,
            )


if __name__ == "__main__":
    main()
