"""What light and pose do to a detector, and whether evening out or changed copies would help.

Learns from a category's training images as they are, and scores its test images with all pixels
multiplied by a gain, as a lamp or an exposure time would:

    python benches/light.py --root DIR --category cookie --gains 0.5 0.7 0.85 1 1.15 1.3 1.6

``--even`` compares ways to even the light out before the network sees an image: ``gain`` brings its
mean grey value to the median of the training images', ``colour`` each channel's; ``match`` is the
detector's own, of mean and standard deviation of grey (``light="match"``). ``copies`` has brighter
and darker copies of the training images learnt (``references="brightness"``), ``small`` and
``turned`` such that are turned (``"small_rotations"``, ``"rotations"``). With sets of
``benches/relit.py`` training images are relit too: then a gain of 1 is the test. ``--turn`` turns
each test image by an angle drawn from so many degrees either way, on its canvas, mirrored beyond
its border.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano import create_model, load_dataset
from pyimgano.datasets import MVTecDataset
from pyimgano.evaluation import compute_auroc
from pyimgano.images.health import measure_health
from pyimgano.images.health_range import HealthRange
from pyimgano.images.reading import read_image
from pyimgano.images.references import rotated

Image = NDArray[Any]
_GREY = np.array([0.299, 0.587, 0.114])
REFERENCES = {"copies": "brightness", "small": "small_rotations", "turned": "rotations"}
WAYS = ("none", "gain", "colour", "match", *REFERENCES)


def times(image: Image, gain: float) -> Image:
    """All pixels of an 8-bit image times a factor, as a camera clips them."""
    return np.clip(np.rint(image.astype(np.float64) * gain), 0, 255).astype(np.uint8)


def moments(image: Image) -> NDArray[np.float64]:
    """Mean of grey, then those of red, green and blue."""
    pixels = np.broadcast_to(np.atleast_3d(image), (*image.shape[:2], 3))
    return np.array([(pixels @ _GREY).mean(), *pixels.mean(axis=(0, 1))])


def evened(way: str, train: Sequence[Image]) -> Callable[[Image], Image]:
    """What brings an image to the light of the training images."""
    mean, *channels = np.median([moments(image) for image in train], axis=0)

    def even(image: Image) -> Image:
        own_mean, *own_channels = moments(image)
        pixels = np.broadcast_to(np.atleast_3d(image), (*image.shape[:2], 3)).astype(np.float64)
        if way == "gain":
            pixels *= mean / max(own_mean, 1.0)
        else:
            pixels *= np.array(channels) / np.maximum(own_channels, 1.0)
        return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)

    return even if way in ("gain", "colour") else lambda image: image


def main() -> int:
    """Print one row of a table per category, way and gain."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, help="folder in the MVTec AD layout")
    parser.add_argument("--category", nargs="+")
    parser.add_argument("--gains", nargs="+", type=float, default=[1.0])
    parser.add_argument("--even", nargs="+", choices=WAYS, default=["none"])
    parser.add_argument("--turn", type=float, default=0.0, metavar="DEGREES")
    parser.add_argument("--target-fpr", type=float, default=0.1)
    args = parser.parse_args()
    print("| set | even | gain | image AUROC | defects found | false alarms | warned |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for category in args.category or MVTecDataset.list_categories(args.root):
        dataset = load_dataset("mvtec", args.root, category)
        train = [read_image(path) for path in dataset.get_train_paths()]
        test = dataset.get_test_paths()
        images, labels = [read_image(path) for path in test.paths], np.array(test.labels)
        angles = np.random.default_rng(0).uniform(-args.turn, args.turn, len(images))
        if args.turn:
            images = [rotated(image, a) for image, a in zip(images, angles, strict=True)]
        # Warnings are about photos as they were taken.
        health = HealthRange.of([measure_health(image) for image in train])
        for way in args.even:
            even = evened(way, train)
            detector = create_model(
                "patchcore",
                backbone="embedded",
                contamination=args.target_fpr,
                light="match" if way == "match" else None,
                references=REFERENCES.get(way, "plain"),
            )
            detector.fit([even(image) for image in train])
            for gain in args.gains:
                taken = [times(image, gain) for image in images]
                scores = detector.decision_function([even(image) for image in taken])
                flagged = scores > detector.threshold_
                warned = sum(bool(health.warnings(measure_health(image))) for image in taken)
                n_bad, n_good = int(labels.sum()), int((labels == 0).sum())
                print(
                    f"| {category} | {way} | {gain:g} | {compute_auroc(labels, scores):.3f} |"
                    f" {flagged[labels == 1].sum()} of {n_bad} |"
                    f" {flagged[labels == 0].sum()} of {n_good} | {warned} of {len(taken)} |",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
