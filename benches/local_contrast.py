"""What `local_contrast` does to maps, and to scores of maps.

    python benches/local_contrast.py --root DIR [SYNTHETIC ...] [--share 0.5] [--smallest-defect PX]

Of each category, PatchCore with its defaults and the scores of maps (`image_score="map_max"`):
image AUROC and AUPRO (limit 0.3) without and with it, in columns. Categories of one name, such as
synthetic ones of several seeds, are averaged.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import defaultdict

import numpy as np

from pyimgano.datasets import MVTecDataset, load_dataset
from pyimgano.errors import ThresholdWarning
from pyimgano.evaluation import compute_auroc
from pyimgano.kernels import pixel_metrics
from pyimgano.models import PatchCore


def measure(root: str, category: str, shares: list[float], smallest: int | None) -> list[float]:
    """AUROC at each share, then AUPRO at each."""
    dataset = load_dataset("mvtec", root, category)
    split = dataset.get_test_paths()
    masks = list(split.masks)
    aurocs, aupros = [], []
    for share in shares:
        detector = PatchCore(
            backbone="embedded",
            image_score="map_max",
            local_contrast=share,
            smallest_defect=smallest,
        ).fit(dataset.get_train_paths())
        found = list(detector.iter_predict(split.paths))
        scores = np.array([one.score for one in found])
        aurocs.append(compute_auroc(split.labels, scores))
        aupros.append(pixel_metrics(masks, [one.anomaly_map for one in found]).aupro)
    return [*aurocs, *aupros]


def main() -> int:
    """A row for each category."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", nargs="+", required=True, help="folders in the MVTec AD layout")
    parser.add_argument("--share", type=float, nargs="+", default=[0.5])
    parser.add_argument("--smallest-defect", type=int)
    args = parser.parse_args()
    warnings.simplefilter("ignore", ThresholdWarning)
    shares = [0.0, *args.share]
    found: defaultdict[str, list[list[float]]] = defaultdict(list)
    for root in args.root:
        for category in MVTecDataset.list_categories(root):
            figures = measure(root, category, shares, args.smallest_defect)
            found[category].append(figures)
            print(f"  {root} {category} {figures}", file=sys.stderr, flush=True)
    titles = [f"{what} at {share:g}" for what in ("AUROC", "AUPRO") for share in shares]
    print(f"| set | {' | '.join(titles)} |")
    print("| --- " * (1 + len(titles)) + "|")
    for category, rows in found.items():
        print(f"| {category} | {' | '.join(f'{x:.3f}' for x in np.mean(rows, axis=0))} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
