"""What a target false-positive rate costs in missed defects, by the number of good photos.

Pools the good images of each category, learns from some of them, again and again, and prints the
mean share of the other good ones that is flagged and of the defects that are missed, for several
targets. A target that so few images cannot show is estimated by the fitted tail; the highest
held-out score stands beside it.

    python benches/thresholds.py --root DIR [SYNTHETIC ...] --sizes 5 10 20 30 60 --repeats 3
"""

from __future__ import annotations

import argparse
import statistics
import sys
import warnings
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from pyimgano.datasets import MVTecDataset, load_dataset
from pyimgano.errors import ThresholdWarning
from pyimgano.models import PatchCore
from pyimgano.models.threshold import held_out_threshold

TARGETS = (0.1, 0.05, 0.02, 0.01)
#: Good images and defects that are scored for one detector, at most.
MOST = 30
#: The number of images at which fewer patches are kept, and the share.
MANY, FEW = 100, 0.02

Rates = defaultdict[tuple[int, str], list[tuple[float, float]]]


def rules(held_out: NDArray[np.float64]) -> dict[str, float]:
    """Each candidate's threshold."""
    found = {"highest": float(held_out.max())}
    for target in TARGETS:
        found[f"{target:.0%}"] = held_out_threshold(held_out, target).value
    return found


def measure(root: str, category: str, args: argparse.Namespace) -> Rates:
    """False alarms and misses of each rule at each number of photos, one pair per repetition."""
    dataset = load_dataset("mvtec", root, category)
    split = dataset.get_test_paths()
    good = np.array(dataset.get_train_paths() + [
        p for p, y in zip(split.paths, split.labels, strict=True) if y == 0
    ])  # fmt: skip
    bad = np.array([p for p, y in zip(split.paths, split.labels, strict=True) if y == 1])
    rates: Rates = defaultdict(list)
    for n in args.sizes:
        if n > len(good) - 4:
            continue
        for repeat in range(args.repeats if n < MANY else 1):
            rng = np.random.default_rng([n, repeat])
            order = rng.permutation(len(good))
            detector = PatchCore(
                backbone=args.backbone,
                weights=args.weights,
                random_state=repeat,
                coreset_ratio=0.1 if n < MANY else FEW,
            ).fit(good[order[:n]].tolist())
            fine = detector.decision_function(good[order[n:]][:MOST].tolist())
            defects = detector.decision_function(rng.permutation(bad)[:MOST].tolist())
            for name, threshold in rules(detector.decision_scores_).items():
                alarms, missed = (fine > threshold).mean(), (defects <= threshold).mean()
                rates[n, name].append((float(alarms), float(missed)))
        print(f"  {category}: {n} photos done", file=sys.stderr, flush=True)
    return rates


def main() -> int:
    """Print a table of means over the categories, and the spread over them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", nargs="+", required=True, help="folders in the MVTec AD layout")
    parser.add_argument("--category", nargs="+", help="all of them unless given")
    parser.add_argument("--backbone", default="embedded")
    parser.add_argument("--weights")
    parser.add_argument("--sizes", nargs="+", type=int, default=[5, 10, 20, 30, 60, 200])
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    warnings.simplefilter("ignore", ThresholdWarning)
    found: defaultdict[tuple[int, str], list[tuple[float, float]]] = defaultdict(list)
    for root in args.root:
        for category in args.category or MVTecDataset.list_categories(root):
            for key, pairs in measure(root, category, args).items():
                alarms, missed = zip(*pairs, strict=True)
                found[key].append((statistics.mean(alarms), statistics.mean(missed)))
    print("| photos | sets | rule | good parts flagged (highest set) | defects missed |")
    print("| --- | --- | --- | --- | --- |")
    for (n, name), pairs in sorted(found.items(), key=lambda item: item[0][0]):
        alarms, missed = zip(*pairs, strict=True)
        print(
            f"| {n} | {len(pairs)} | {name} | {statistics.mean(alarms):.1%} ({max(alarms):.1%})"
            f" | {statistics.mean(missed):.1%} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
