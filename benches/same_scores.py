"""Whether a change of the code leaves scores, maps and thresholds as they were, bit for bit.

Writes what PatchCore says of the categories of an image set, or compares with what was written,
on another commit say:

    python benches/same_scores.py write before.npz --root DIR --weights RESNET18
    python benches/same_scores.py compare before.npz --root DIR --weights RESNET18

The first 24 training images are learnt and every third test image is scored, with the embedded
features and, where weights are given, with ResNet-18. Ends with the largest relative difference;
the exit status is 1 where there is any.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano import create_model, load_dataset

N_TRAIN, TEST_STEP = 24, 3


def measure(root: str, category: str, **detector: Any) -> dict[str, NDArray[np.float64]]:
    """Scores, thresholds and three sums of each map of one category."""
    dataset = load_dataset("mvtec", root, category)
    fitted = create_model("patchcore", **detector).fit(dataset.get_train_paths()[:N_TRAIN])
    found = list(fitted.iter_predict(dataset.get_test_paths().paths[::TEST_STEP]))
    maps = [p.anomaly_map.astype(np.float64) for p in found]
    return {
        "held out": fitted.decision_scores_,
        "thresholds": np.array([fitted.threshold_, fitted.map_threshold_]),
        "scores": np.array([p.score for p in found]),
        "maps": np.array([(m.max(), m.sum(), m[::16, ::16].std()) for m in maps]),
    }


def main() -> int:
    """Exit status: 1 where something differs."""
    parser = argparse.ArgumentParser(description="Scores before and after a change of the code.")
    parser.add_argument("command", choices=("write", "compare"))
    parser.add_argument("file", help="npz file")
    parser.add_argument("--root", required=True, help="folder in the MVTec AD layout")
    parser.add_argument("--category", nargs="+", default=["leather", "cookie", "screw"])
    parser.add_argument("--weights", help="ResNet-18 weights file")
    args = parser.parse_args()
    detectors = {"embedded": {"backbone": "embedded"}}
    if args.weights:
        detectors["resnet18"] = {"backbone": "resnet18", "weights": args.weights}
    found = {
        f"{name}, {category}, {key}": values
        for name, detector in detectors.items()
        for category in args.category
        for key, values in measure(args.root, category, **detector).items()
    }
    if args.command == "write":
        np.savez(args.file, **found)
        return 0
    before, largest = np.load(args.file), 0.0
    for key, values in found.items():
        scale = np.maximum(np.abs(before[key]), 1e-12)
        difference = float(np.max(np.abs(before[key] - values) / scale))
        largest = max(largest, difference)
        print(f"{key:<32} {'equal' if np.array_equal(before[key], values) else difference}")
    print(f"largest relative difference {largest}")
    return int(largest > 0)


if __name__ == "__main__":
    sys.exit(main())
