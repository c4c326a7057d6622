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

import cv2
import numpy as np

from pyimgano import load_dataset
from pyimgano.evaluation import compute_auroc
from pyimgano.images.geometry import resize_image
from pyimgano.images.reading import read_image
from pyimgano.images.references import rotated
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


def turned(paths: list[str], how: str, side: int) -> list[np.ndarray]:
    """Images at random angles, or with the darkest part of each laid along the same line."""
    rng = np.random.default_rng(0)
    images = [resize_image(read_image(path), (side, side)) for path in paths]
    if how == "random":
        return [rotated(image, float(rng.uniform(0, 360))) for image in images]
    return [_upright(image) for image in images]


def _upright(image: np.ndarray) -> np.ndarray:
    """The largest dark part in the middle, its longest axis horizontal, its longer tail right."""
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    split = cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU
    _, dark = cv2.threshold(cv2.GaussianBlur(grey, (0, 0), 3), 0, 1, split)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(dark)
    rows, columns = np.nonzero(labels == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    places = np.stack([columns, rows], axis=1).astype(float)
    centre = places.mean(axis=0)
    axis = np.linalg.eigh(np.cov((places - centre).T))[1][:, 1]
    if (((places - centre) @ axis) ** 3).mean() < 0:
        axis = -axis
    degrees = float(np.degrees(np.arctan2(axis[1], axis[0])))
    turn = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), degrees, 1.0)
    turn[:, 2] += np.array(grey.shape[::-1]) / 2 - centre
    return cv2.warpAffine(image, turn, grey.shape[::-1], borderMode=cv2.BORDER_REPLICATE)


def measure(paths: list[Any], labels: np.ndarray, **parameters: Any) -> dict[str, Any]:
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
    parser.add_argument("--turn", choices=("random", "upright"), help="turn the images first")
    parser.add_argument("--limit", type=int, help="images of each category")
    args = parser.parse_args()
    for category in args.category:
        paths, labels = mixed(args.root, category, args.limit)
        images = paths if args.turn is None else turned(paths, args.turn, 2 * args.image_size)
        found = measure(
            images,
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
