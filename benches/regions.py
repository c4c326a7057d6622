"""Figures with and without a region of interest: `docs/ignoring-the-background.md` has them.

    python benches/regions.py ROOT [--dataset mvtec] [--category NAME ...] [--roi FILE ...]
    python benches/regions.py ROOT --category cookie --ellipse 0.5 0.5 0.46 0.37

Each category is learnt and tested as a whole image and with each region: a file, ``auto``, or an
ellipse by its centre and half axes (x, y, half width, half height, in shares of the image) as a
polygon of 48 corners. A row has the metrics of all pixels, or of those inside the region whatever
was learnt, so that the two can be compared.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyimgano.datasets import load_dataset
from pyimgano.errors import ImageReadError
from pyimgano.evaluation import compute_auroc
from pyimgano.images.region import RegionOfInterest
from pyimgano.kernels import pixel_metrics
from pyimgano.models import PatchCore
from pyimgano.pipelines.region_pixels import counted_pixels
from pyimgano.types import Prediction

COLUMNS = ("image AUROC", "found", "false alarms", "pixel AUROC", "pixel AP", "AUPRO")
_CORNERS = 48


def ellipse(x: float, y: float, half_width: float, half_height: float) -> str:
    """The JSON of a region file."""
    angles = 2 * np.pi * np.arange(_CORNERS) / _CORNERS
    corners = np.stack([x + half_width * np.cos(angles), y + half_height * np.sin(angles)], axis=1)
    return json.dumps({"polygons": [corners.tolist()]})


def row(split: Any, found: Sequence[Prediction], region: RegionOfInterest | None) -> str:
    """The figures of a category, those of pixels inside the region."""
    labels, flagged = np.array(split.labels), np.array([one.label for one in found])
    auroc = compute_auroc(labels, np.array([one.score for one in found]))
    pairs = [
        counted_pixels(mask, one.anomaly_map, region, None)
        for mask, one in zip(split.masks, found, strict=True)
    ]
    pixels = pixel_metrics([mask for mask, _ in pairs], [map_ for _, map_ in pairs])
    counts = [f"{flagged[labels == k].sum()} of {(labels == k).sum()}" for k in (1, 0)]
    figures = (pixels.auroc, pixels.ap, pixels.aupro)
    return " | ".join([f"{auroc:.3f}", *counts, *(f"{one:.3f}" for one in figures)])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root")
    parser.add_argument("--dataset", default="mvtec")
    parser.add_argument("--category", nargs="+", required=True)
    parser.add_argument("--roi", nargs="+", default=[])
    parser.add_argument("--ellipse", nargs=4, type=float, metavar=("X", "Y", "W", "H"))
    args = parser.parse_args()
    print(f"| category | learnt | pixels | left out | {' | '.join(COLUMNS)} |")
    print("| --- " * (4 + len(COLUMNS)) + "|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        regions = {name: name for name in args.roi}
        if args.ellipse:
            file = Path(folder) / "ellipse.json"
            file.write_text(ellipse(*args.ellipse), encoding="utf-8")
            regions["ellipse"] = str(file)
        for category in args.category:
            dataset = load_dataset(args.dataset, args.root, category)
            split, train = dataset.get_test_paths(), dataset.get_train_paths()
            whole = list(PatchCore(backbone="embedded").fit(train).iter_predict(split.paths))
            print(f"| {category} | whole | all | | {row(split, whole, None)} |", flush=True)
            for name, roi in regions.items():
                try:
                    detector = PatchCore(backbone="embedded", roi=roi).fit(train)
                except ImageReadError as error:
                    print(f"| {category} | {name} | refused: {str(error)[:80]} |", flush=True)
                    continue
                if (region := detector.region_) is None:
                    print(f"| {category} | {name} | nothing found |", flush=True)
                    continue
                inside = list(detector.iter_predict(split.paths))
                for learnt, found in (("whole", whole), (name, inside)):
                    print(
                        f"| {category} | {learnt} | {name} | {1 - region.share:.1%} |"
                        f" {row(split, found, region)} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
