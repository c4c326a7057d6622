"""PatchCore's figures with several backbones: whole sets, few training images, several seeds.

    python benches/backbones.py --root DIR --category screw cookie leather \
        --backbone embedded resnet18 --weights resnet18=FILE --seeds 0 1 2 3 4 --shots 4 8

256 px, coreset 10 %, metrics at 256 px. Prints image AUROC / AUPRO as the mean over the seeds of
the coreset, and for each number of shots the mean over as many draws of training images. Features
are computed once for all of them. ``--csv FILE`` adds one line per run.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano import create_model, load_dataset
from pyimgano.datasets.base import Dataset
from pyimgano.evaluation import evaluate_detector
from pyimgano.features.backbones.base import Backbone
from pyimgano.features.build import build_features
from pyimgano.images.reading import read_image
from pyimgano.pipelines.kshot import draw_shots

SIZE = 256
Maps = list[NDArray[np.float32]]


class Remembered:
    """A backbone that computes the maps of each image once."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone, self.info = backbone, backbone.info
        self.known: dict[bytes, Maps] = {}

    def layer_maps(self, batch: NDArray[np.float32]) -> Maps:
        """As the backbone gives them."""
        keys = [hashlib.sha256(image.tobytes()).digest() for image in batch]
        new = [i for i, key in enumerate(keys) if key not in self.known]
        if new:
            layers = [np.asarray(m) for m in self.backbone.layer_maps(batch[new])]
            for row, i in enumerate(new):
                self.known[keys[i]] = [layer[row] for layer in layers]
        return [np.stack(maps) for maps in zip(*(self.known[key] for key in keys), strict=True)]

    def __deepcopy__(self, memo: dict[int, Any]) -> Remembered:
        return self


def backbone_for(name: str, weights: str | None) -> Any:
    """One that remembers, or the name itself where there is no network behind it."""
    options = {} if weights is None else {"weights": weights}
    inner = getattr(build_features(name, **options), "backbone", None)
    return name if inner is None else Remembered(inner)


def figures(backbone: Any, train: Sequence[Any], test: Dataset, seed: int) -> tuple[float, float]:
    """Image AUROC and AUPRO of one run."""
    split = test.get_test_paths()
    detector = create_model(
        "patchcore", backbone=backbone, image_size=SIZE, coreset_ratio=0.1, random_state=seed
    ).fit(train)
    found = list(detector.iter_predict(split.paths))
    result = evaluate_detector(
        split.labels,
        [p.score for p in found],
        pixel_labels=split.masks,
        pixel_scores=[p.anomaly_map for p in found],
        metric_size=SIZE,
    )
    return result["auroc"], result["pixel_metrics"]["aupro"]


def main() -> int:
    """Print one line per backbone, category and number of training images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, help="folder in the MVTec AD layout")
    parser.add_argument("--category", nargs="+", required=True)
    parser.add_argument("--backbone", nargs="+", default=["embedded"])
    parser.add_argument("--weights", nargs="*", default=[], help="BACKBONE=FILE")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--shots", nargs="*", type=int, default=[])
    parser.add_argument("--csv", type=Path)
    args = parser.parse_args()
    weights = dict(pair.split("=", 1) for pair in args.weights)
    rows = []
    for category in args.category:
        dataset = load_dataset("mvtec", args.root, category)
        train = dataset.get_train_paths()
        for name in args.backbone:
            backbone = backbone_for(name, weights.get(name))
            for shots in (None, *args.shots):
                runs = []
                for seed in args.seeds:
                    chosen = train if shots is None else draw_shots(train, shots, seed)
                    images = [read_image(path) for path in chosen]
                    runs.append(figures(backbone, images, dataset, 0 if shots else seed))
                    rows.append([category, Path(name).name, shots or "all", seed, *runs[-1]])
                mean, spread = np.mean(runs, axis=0), np.std(runs, axis=0)
                print(
                    f"{category:<14} {Path(name).name:<12} {shots or 'all':>4}"
                    f"  {mean[0]:.3f} ± {spread[0]:.3f} / {mean[1]:.3f} ± {spread[1]:.3f}",
                    flush=True,
                )
    if args.csv is not None:
        with args.csv.open("a", newline="") as file:
            csv.writer(file).writerows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
