"""Small defects in large images: found, flagged and located, whole at 256 pixels and in tiles.

    python benches/large_images.py FOLDER [--height 3000 --width 4000] [--smallest-defect 20]
        [--sizes 20 40]

FOLDER takes the set of ``pyimgano synth --large`` (written if it is not there): per category 16
good images to learn from, others to test, and strong and faint defects of 10 to 320 pixels. Each
kind of defect is compared with the good test images: AUROC, the share above the default threshold,
and the share whose map is highest on the defect. "good flagged" is the share of good test images
above it.
"""

import argparse
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import cv2
import numpy as np

from pyimgano.datasets.synthetic import DEFECT_SIZES, LARGE_CATEGORIES, generate_large
from pyimgano.evaluation import compute_auroc
from pyimgano.models import PatchCore

#: Strength and side in pixels of a defect.
Kind = tuple[str, int]


def write_set(
    folder: Path, category: str, kinds: Sequence[Kind], size: tuple[int, int], n: int, seed: int
) -> None:
    """The images of a category that are not there."""
    there = (folder / category / "train/good").exists()
    counts = {"n_train": 0, "n_test_good": 0} if there else {"n_train": 16, "n_test_good": n}
    for strength, side in kinds:
        if (folder / category / "test" / f"{strength}_{side:03d}").exists():
            continue
        generate_large(
            folder,
            categories=[category],
            n_test_defect=n,
            sizes=[side],
            strengths=[strength],
            image_size=size,
            seed=seed,
            **counts,
        )
        counts = {"n_train": 0, "n_test_good": 0}


def is_located(anomaly_map: np.ndarray, mask: np.ndarray, side: int) -> bool:
    """Whether the highest place of the map lies within half a defect of the defect."""
    reach = np.ones((side + 1, side + 1), np.uint8)
    row, column = np.unravel_index(int(anomaly_map.argmax()), anomaly_map.shape)
    return bool(cv2.dilate(mask, reach)[row, column])


def measure(folder: Path, kinds: Sequence[Kind], detector: PatchCore) -> list[str]:
    """Lines of figures of one detector on one category."""
    train = sorted((folder / "train/good").iterdir())
    start = time.perf_counter()
    detector.fit(train)
    fit_seconds = time.perf_counter() - start
    start, n_images = time.perf_counter(), 0
    good = detector.decision_function(sorted((folder / "test/good").iterdir()))
    n_images += len(good)
    lines = []
    for strength, side in kinds:
        name = f"{strength}_{side:03d}"
        paths = sorted((folder / "test" / name).iterdir())
        found = list(detector.iter_predict(paths))
        n_images += len(found)
        masks = [
            cv2.imread(str(folder / "ground_truth" / name / f"{path.stem}_mask.png"), 0)
            for path in paths
        ]
        scores = np.array([one.score for one in found])
        labels = np.repeat([0, 1], [len(good), len(scores)])
        located = np.mean(
            [
                is_located(one.anomaly_map, mask, side)
                for one, mask in zip(found, masks, strict=True)
            ]
        )
        lines.append(
            f"{name:>11}  AUROC {compute_auroc(labels, np.concatenate([good, scores])):.3f}"
            f"  flagged {np.mean(scores > detector.threshold_):.2f}  located {located:.2f}"
        )
    seconds = (time.perf_counter() - start) / n_images
    flagged = np.mean(good > detector.threshold_)
    lines.append(
        f"good flagged {flagged:.2f}, fit {fit_seconds:.1f} s, predict {1e3 * seconds:.0f} ms/image"
    )
    return lines


def main() -> None:
    """Both ways on every category."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--height", type=int, default=3000)
    parser.add_argument("--width", type=int, default=4000)
    parser.add_argument("--smallest-defect", type=int, default=20)
    parser.add_argument("--category", nargs="+", default=LARGE_CATEGORIES)
    parser.add_argument("--sizes", type=int, nargs="+", default=DEFECT_SIZES, metavar="PX")
    parser.add_argument("--images", type=int, default=8, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    kinds = list(product(("strong", "faint"), args.sizes))
    size = args.height, args.width
    for category in args.category:
        write_set(args.folder, category, kinds, size, args.images, args.seed)
        ways = {
            "256 x 256": {},
            f"smallest_defect={args.smallest_defect}": {"smallest_defect": args.smallest_defect},
        }
        for title, options in ways.items():
            print(f"{category}, {args.height} x {args.width}, {title}")
            detector = PatchCore(backbone="embedded", **options)
            for line in measure(args.folder / category, kinds, detector):
                print(f"  {line}", flush=True)


if __name__ == "__main__":
    main()
