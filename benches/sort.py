"""Sorting labelled sets as if nobody had sorted them: AUROC, time and memory.

    python benches/sort.py --root DIR --category screw cookie --backbone embedded
    python benches/sort.py --root DIR --category screw --limit 50   # and 100: memory is linear

The images of ``train`` and ``test`` of each category are mixed, 256 px. Peak memory is that of the
process: run one category at a time for it. ``features_mb`` is what the patches take.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from typing import Any

import numpy as np

from pyimgano import load_dataset
from pyimgano.evaluation import compute_auroc
from pyimgano.models.mutual import MutualScoring


def mixed(root: str, category: str, limit: int | None) -> tuple[list[str], np.ndarray]:
    """Files and labels; a limit takes every so many of the good and of the bad ones."""
    dataset = load_dataset("mvtec", root, category)
    train, split = dataset.get_train_paths(), dataset.get_test_paths()
    paths = [*map(str, train), *map(str, split.paths)]
    labels = np.array([*[0] * len(train), *split.labels])
    order = np.argsort(labels, kind="stable")
    if limit is not None:
        order = order[np.linspace(0, len(order) - 1, limit).round().astype(int)]
    return [paths[i] for i in order], labels[order]


def measure(paths: list[str], labels: np.ndarray, **parameters: Any) -> dict[str, Any]:
    """One line of figures."""
    start, used = time.perf_counter(), time.process_time()
    detector = MutualScoring(**parameters).fit(paths)
    wall, cpu = time.perf_counter() - start, time.process_time() - used
    stages = {f"{name}_s": detector.timings_[name] for name in ("backbone", "threshold")}
    return {
        "images": len(paths),
        "auroc": compute_auroc(labels, detector.decision_scores_),
        "wall_s": wall,
        "cpu_s": cpu,
        **stages,
        "features_mb": detector.scorer_.rows_.nbytes / 1e6,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


def main() -> int:
    """Print one line per category."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, help="folder in the MVTec AD layout")
    parser.add_argument("--category", nargs="+", required=True)
    parser.add_argument("--backbone", default="embedded")
    parser.add_argument("--layers", nargs="+")
    parser.add_argument("--weights")
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--layerwise", action="store_true")
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--limit", type=int, help="images of each category")
    args = parser.parse_args()
    for category in args.category:
        paths, labels = mixed(args.root, category, args.limit)
        found = measure(
            paths,
            labels,
            backbone=args.backbone,
            layers=args.layers,
            weights=args.weights,
            image_size=args.image_size,
            layerwise=args.layerwise,
            share=args.share,
        )
        figures = "  ".join(
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in found.items()
        )
        print(f"{category:<12} {args.backbone:<10} {figures}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
