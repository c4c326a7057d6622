"""How often good photos are told to be unlike good photos, and how often relit ones are not.

Pools the normal images of a category (train/good and test/good), learns the range of health from
some of them, and prints the share of the others that get a warning; then the share of the same
images that get none although they were darkened, brightened, blurred, tinted or made smaller:

    python benches/health_warnings.py --root DIR --category screw cookie leather
    pyimgano synth parts && python benches/health_warnings.py --root parts
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.datasets import MVTecDataset, load_dataset
from pyimgano.images.health import ImageHealth, measure_health
from pyimgano.images.health_range import HealthRange
from pyimgano.images.reading import read_image

Image = NDArray[Any]
SIZES = (1, 2, 3, 5, 10, 15, 20, 30, 60)
SPLITS = 200


def scaled(image: Image, gain: Any) -> Image:
    """All values times a factor, or each channel times its own."""
    return np.clip(image * np.asarray(gain), 0, 255).astype(image.dtype)


CHANGES: dict[str, Callable[[Image], Image]] = {
    "gain 0.7": lambda image: scaled(image, 0.7),
    "gain 1.3": lambda image: scaled(image, 1.3),
    "gain 1.6": lambda image: scaled(image, 1.6),
    "blur 1 px": lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0)),
    "blur 3 px": lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), 3.0)),
    "red + 20 %": lambda image: scaled(image, (1.2, 1.0, 1.0)) if image.ndim == 3 else image,
    "half size": lambda image: np.asarray(image[::2, ::2]),
}


def false_share(healths: Sequence[ImageHealth], n: int) -> float:
    """Share of further good images with a warning, learnt from n, over random splits."""
    told = total = 0
    for split in range(SPLITS):
        order = np.random.default_rng(split).permutation(len(healths))
        known = HealthRange.of([healths[i] for i in order[:n]])
        others = [healths[i] for i in order[n:]]
        told += sum(bool(known.warnings(one)) for one in others)
        total += len(others)
    return told / total


def main() -> int:
    """Print two lines per category."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, help="folder in the MVTec AD layout")
    parser.add_argument("--category", nargs="+")
    args = parser.parse_args()
    for category in args.category or MVTecDataset.list_categories(args.root):
        dataset = load_dataset("mvtec", args.root, category)
        test = dataset.get_test_paths()
        normal = [p for p, y in zip(test.paths, test.labels, strict=True) if y == 0]
        train = [read_image(path) for path in dataset.get_train_paths()]
        further = [read_image(path) for path in normal]
        healths = [measure_health(image) for image in (*train, *further)]
        shares = [f"{n}: {false_share(healths, n):.1%}" for n in SIZES if n < len(healths)]
        print(f"{category}, {len(healths)} good images; told of further ones, learnt from n")
        print("  " + ", ".join(shares))
        known = HealthRange.of(healths[: len(train)])
        missed = {
            name: np.mean([not known.warnings(measure_health(change(i))) for i in further])
            for name, change in CHANGES.items()
            if not (name.startswith("red") and further[0].ndim == 2)
        }
        print("  not told: " + ", ".join(f"{k} {v:.0%}" for k, v in missed.items()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
