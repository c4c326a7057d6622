"""Draw what a region of interest changes: crumbs beside a synthetic gear that is good.

Prints how many good gears are flagged without crumbs and with them, and how many bad ones.

Usage: python docs/region_picture.py OUTPUT.png
"""

from __future__ import annotations

import sys
import tempfile

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.datasets import generate_synthetic, load_dataset
from pyimgano.images.reading import read_image
from pyimgano.models import PatchCore

GAP = 8


def with_crumbs(image: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """Three grey crumbs near the corners, where no gear ever lies."""
    rng = np.random.default_rng(number)
    strewn, (height, width) = image.copy(), image.shape[:2]
    for corner in rng.choice(4, 3, replace=False):
        y, x = rng.uniform(0.03, 0.09, 2) * (height, width)
        at = (round(width - x if corner % 2 else x), round(height - y if corner > 1 else y))
        grey = [int(rng.integers(90, 200))] * (3 if image.ndim == 3 else 1)
        axes = tuple(int(side) for side in rng.integers(3, 8, 2))
        cv2.ellipse(strewn, at, axes, float(rng.uniform(0, 180)), 0, 360, grey, cv2.FILLED)
    return strewn


def shaded(image: NDArray[np.uint8], map_: NDArray[np.float32], top: float) -> NDArray[np.uint8]:
    """The image under the colours of its map, blue for 0 to red for the highest value."""
    levels = np.clip(map_ / top * 255, 0, 255).astype(np.uint8)
    return np.asarray(
        cv2.addWeighted(image, 0.5, cv2.applyColorMap(levels, cv2.COLORMAP_JET), 0.5, 0)
    )


def main() -> int:
    """Print the counts and write the picture; returns the exit code."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as root:
        generate_synthetic(root, categories=["gear"])
        gears = load_dataset("synthetic", root, "gear")
        train, test = gears.get_train_paths(), gears.get_test_paths()
        assert test.labels is not None
        pairs = list(zip(test.paths, test.labels, strict=True))
        good, bad = ([read_image(p) for p, label in pairs if label == k] for k in (0, 1))
        crumbs = [with_crumbs(image, i) for i, image in enumerate(good)]
        found = {}
        for roi in (None, "auto"):
            detector = PatchCore(backbone="embedded", roi=roi).fit(train)
            counts = [f"{detector.predict(x).sum()} of {len(x)}" for x in (good, crumbs, bad)]
            print(f"roi={roi}: good, with crumbs, bad flagged:", ", ".join(counts))
            found[roi] = detector.get_anomaly_map(crumbs[0])
    assert detector.region_ is not None
    inside = detector.region_.at(crumbs[0].shape[:2]).astype(np.uint8)
    image = crumbs[0] if crumbs[0].ndim == 3 else cv2.cvtColor(crumbs[0], cv2.COLOR_GRAY2RGB)
    image, marked = image[..., ::-1].copy(), image[..., ::-1].copy()
    outlines, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(marked, outlines, -1, (0, 220, 255), 2)
    top = float(found[None].max())
    panels = [marked, *(shaded(image, map_, top) for map_ in found.values())]
    gap = np.full((image.shape[0], GAP, 3), 255, np.uint8)
    cv2.imwrite(sys.argv[1], np.hstack([panels[0], gap, panels[1], gap, panels[2]]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
