"""Put pictures of a benchmark run into one: the first found defect of each category.

Usage: python docs/picture.py RUN_FOLDER OUTPUT.png [CATEGORY ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

COLUMNS, WIDTH, GAP = 2, 640, 8


def main() -> int:
    """Build the picture; returns the exit code."""
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    run, target, wanted = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    names = wanted or sorted(p.parent.name for p in run.glob("*/overlays"))
    panels = []
    for name in names:
        found = sorted((run / name / "overlays").glob("*_best_defect_*.png"))
        if not found:
            print(f"no pictures of {name} in {run}", file=sys.stderr)
            return 1
        image = cv2.imread(str(found[0]))
        height = round(image.shape[0] * WIDTH / image.shape[1])
        panels.append(cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA))
    rows = []
    for start in range(0, len(panels), COLUMNS):
        row = panels[start : start + COLUMNS]
        tallest = max(p.shape[0] for p in row)
        cells = [
            cv2.copyMakeBorder(
                p, 0, tallest - p.shape[0] + GAP, 0, GAP, cv2.BORDER_CONSTANT, value=(255,) * 3
            )
            for p in row
        ]
        cells += [np.full_like(cells[0], 255)] * (COLUMNS - len(cells))
        rows.append(np.hstack(cells))
    target.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(target), np.vstack(rows), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
