"""What a pixel threshold keeps on further good photos, and finds of defects, by its target.

Pools the good images of each category, learns from some of them, again and again, and takes the
thresholds of several targets from the held-out maps. Of the other good ones it prints the mean
share of false pixels and number of false regions per image, as they are and as the promise counts
them (one image at most the cap); of defects the share with a pixel of the mask on the defect, and
the mean share of the defect that the mask covers.

    python benches/pixel_threshold.py --root DIR [SYNTHETIC ...] --sizes 10 20 40 --repeats 3
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
from pyimgano.kernels import label_components
from pyimgano.models import PatchCore
from pyimgano.models.pixel_threshold import GoodMaps, PixelThreshold

TARGETS: tuple[dict[str, float], ...] = (
    {"false_pixels": 0.01},
    {"false_pixels": 0.001},
    {"false_regions": 0.1},
)
#: Good images and defects that are scored for one detector, at most.
MOST = 30

Figures = defaultdict[tuple[int, str], list[list[float]]]


def measure(root: str, category: str, args: argparse.Namespace) -> Figures:
    """Figures of each target at each number of photos, one list per repetition."""
    dataset = load_dataset("mvtec", root, category)
    split = dataset.get_test_paths()
    labelled = list(zip(split.paths, split.labels, split.masks, strict=True))
    good = [*dataset.get_train_paths(), *(path for path, y, _ in labelled if y == 0)]
    bad = [(path, mask) for path, y, mask in labelled if y == 1]
    found: Figures = defaultdict(list)
    for n in args.sizes:
        if n > len(good) - 4:
            continue
        for repeat in range(args.repeats):
            rng = np.random.default_rng([n, repeat])
            order = rng.permutation(len(good))
            chosen = [good[i] for i in order[:n]]
            detector = PatchCore(backbone="embedded", random_state=repeat).fit(chosen)
            held_out = [detector.held_out_map(i, path) for i, path in enumerate(chosen)]
            fine = detector.predict_anomaly_map([good[i] for i in order[n:]][:MOST])
            some = [bad[i] for i in rng.permutation(len(bad))[:MOST]]
            maps = detector.predict_anomaly_map([path for path, _ in some])
            defects = list(zip(maps, (mask > 0 for _, mask in some), strict=True))
            for target in TARGETS:
                maps_of_good = GoodMaps(
                    target.get("false_pixels"), target.get("false_regions"), None
                )
                for one in held_out:
                    if one is not None:
                        maps_of_good.add(one)
                name = " ".join(f"{k} {v:g}" for k, v in target.items())
                found[n, name].append(figures(maps_of_good.threshold(), fine, defects))
        print(f"  {category}: {n} photos done", file=sys.stderr, flush=True)
    return found


def figures(
    threshold: PixelThreshold,
    fine: list[NDArray[np.float32]],
    defects: list[tuple[NDArray[np.float32], NDArray[np.bool_]]],
) -> list[float]:
    """Share of false pixels, false regions, what the promise counts, defects hit, and covered."""
    shares = [float(np.mean(one > threshold.value)) for one in fine]
    regions = [float(label_components(one > threshold.value)[1]) for one in fine]
    lost = shares if threshold.of == "pixels" else regions
    covered = [float(np.mean(one[mask] > threshold.value)) for one, mask in defects]
    counted = statistics.mean(min(one, threshold.cap) for one in lost)
    hit = statistics.mean(float(one > 0) for one in covered)
    return [
        *(statistics.mean(shares), statistics.mean(regions), counted),
        *(hit, statistics.mean(covered)),
    ]


def main() -> int:
    """Print a table of means over the categories, and the highest of what the promise counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", nargs="+", required=True, help="folders in the MVTec AD layout")
    parser.add_argument("--category", nargs="+", help="all of them unless given")
    parser.add_argument("--sizes", nargs="+", type=int, default=[10, 20, 40])
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    warnings.simplefilter("ignore", ThresholdWarning)
    found: defaultdict[tuple[int, str], list[list[float]]] = defaultdict(list)
    for root in args.root:
        for category in args.category or MVTecDataset.list_categories(root):
            for key, lists in measure(root, category, args).items():
                found[key].append([statistics.mean(column) for column in zip(*lists, strict=True)])
    print(
        "| photos | sets | target | false pixels | false regions per photo | as the promise counts"
        " (highest set) | defects hit | of a defect covered |"
    )
    print("| --- " * 8 + "|")
    for (n, name), rows in sorted(found.items()):
        columns = list(zip(*rows, strict=True))
        shares, regions, counted, hit, covered = map(statistics.mean, columns)
        print(
            f"| {n} | {len(rows)} | {name} | {shares:.2%} | {regions:.2f} | {counted:.3g}"
            f" ({max(columns[2]):.3g}) | {hit:.1%} | {covered:.1%} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
