"""False-positive rates on images that a detector has not seen, over random splits.

Pools the normal images of a category (train/good and test/good), splits them again and again into
70 % to learn from (or a given number) and the rest to score, and prints the share of the latter
above the threshold beside the interval that is said for a single detector:

    python benches/false_positive_rate.py --root DIR
    python benches/false_positive_rate.py --root DIR --train 15
    python benches/false_positive_rate.py --root SYNTHETIC --category cap gear mesh
    python benches/false_positive_rate.py --root DIR --backbone resnet18 --weights FILE

Everything but the features of the network goes through PatchCore as it is. These depend on the
image alone and are taken once per image; so are decoded images. The embedded features learn from
the images of a split, so each split takes them anew.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.datasets import load_dataset
from pyimgano.errors import ThresholdWarning
from pyimgano.features import PatchExtractor, PatchGrid
from pyimgano.images.preprocess import ImagePreprocessor, LoadedImage
from pyimgano.models.patchcore import PatchCore
from pyimgano.models.threshold import FalsePositiveRate


class CachedFeatures:
    """An extractor that learns nothing, asked once per image; images are known by identity."""

    def __init__(self, inner: PatchExtractor) -> None:
        assert not inner.needs_fit
        self.needs_fit = False
        self._inner = inner
        self._known: dict[int, PatchGrid] = {}

    def fit(self, images: Iterable[NDArray[np.float32]], *, random_state: int = 0) -> Self:
        """Nothing to learn."""
        return self

    def extract_batch(self, images: Sequence[NDArray[np.float32]]) -> list[PatchGrid]:
        """The patches of each image."""
        for image in images:
            if id(image) not in self._known:
                (self._known[id(image)],) = self._inner.extract_batch([image])
        return [self._known[id(image)] for image in images]


class CachedPreprocessor(ImagePreprocessor):
    """Keeps what it has loaded, by path: the very same array each time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._loaded: dict[Any, LoadedImage] = {}

    def load(self, image: Any) -> LoadedImage:
        """One image, decoded once."""
        if image not in self._loaded:
            self._loaded[image] = super().load(image)
        return self._loaded[image]


class CachedPatchCore(PatchCore):
    """PatchCore whose preprocessor and network are shared by all splits."""

    shared: dict[str, Any]

    def _build_preprocessor(self) -> ImagePreprocessor:
        if "preprocessor" not in self.shared:
            self.shared["preprocessor"] = CachedPreprocessor(
                self.image_size, bit_depth=self.bit_depth, max_pixels=self.max_pixels
            )
        return self.shared["preprocessor"]

    def _build_features(self) -> PatchExtractor:
        features = super()._build_features() if "features" not in self.shared else None
        if features is None:
            return self.shared["features"]
        if features.needs_fit:
            return features
        self.shared["features"] = CachedFeatures(features)
        return self.shared["features"]


def rates(
    paths: Sequence[str], args: argparse.Namespace, network: dict[str, Any]
) -> tuple[list[float], FalsePositiveRate]:
    """The false-positive rate of each split, and what is said of it."""
    shared: dict[str, Any] = {}
    found = []
    for split in range(args.splits):
        order = np.random.default_rng(split).permutation(len(paths))
        n_train = round(0.7 * len(paths)) if args.train is None else args.train
        train, test = ([paths[i] for i in part] for part in np.split(order, [n_train]))
        detector = CachedPatchCore(contamination=args.target, random_state=split, **network)
        detector.shared = shared
        detector.fit(sorted(train))
        found.append(float(detector.predict(test).mean()))
        if split == 0:
            print(f"  {n_train} to learn, {len(test)} to score; said of each split:")
            print(f"  {detector.false_positive_rate_.describe()}", flush=True)
    return found, FalsePositiveRate(args.target, n_train, not _attainable(args.target, n_train))


def _attainable(target: float, n: int) -> bool:
    return FalsePositiveRate(target, n).attainable


def main() -> int:
    """Run it and print a line per category; 1 if a mean is outside the interval that is said."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, help="folder in the MVTec AD layout")
    parser.add_argument("--category", nargs="+", default=["screw", "cookie"])
    parser.add_argument("--backbone", default="embedded")
    parser.add_argument("--weights")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--target", type=float, default=0.1)
    parser.add_argument("--train", type=int, metavar="N", help="images to learn from (70 %%)")
    args = parser.parse_args()
    network: dict[str, Any] = {"backbone": args.backbone}
    if args.weights:
        network["weights"] = args.weights
    warnings.simplefilter("ignore", ThresholdWarning)
    good = True
    for category in args.category:
        dataset = load_dataset("mvtec", args.root, category)
        test = dataset.get_test_paths()
        normal = [p for p, y in zip(test.paths, test.labels, strict=True) if y == 0]
        start = time.perf_counter()
        print(f"{category}, {args.backbone}:", flush=True)
        found, said = rates(dataset.get_train_paths() + normal, args, network)
        mean, spread = statistics.mean(found), statistics.stdev(found)
        low, high = said.interval
        good &= low <= mean <= high
        print(
            f"  mean rate {mean:.1%} over {len(found)} splits (standard deviation {spread:.1%},"
            f" {min(found):.1%} to {max(found):.1%}), target {args.target:.0%}, said"
            f" {low:.1%} to {high:.1%}; {time.perf_counter() - start:.0f} s",
            flush=True,
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
