"""All metrics of one sweep: time beside that of the usual four, and what other rules make of AUPRO.

The table of ``docs/metrics.md``: how far AUPRO moves on the same maps by what papers do
differently. The last line says how far anomalib's AUPIMO, on 300,000 thresholds, is from the exact
one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "peers"))

import common

common.limit_threads()

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from maps import image_set  # noqa: E402

from pyimgano.kernels import DefectPixels, pixel_curves, pixel_metrics, pro_curve  # noqa: E402
from pyimgano.metrics.aupimo import LOW_RATES  # noqa: E402
from pyimgano.metrics.inputs import resize_map, resize_mask  # noqa: E402

LIMITS = (0.01, 0.05, 0.1, 0.3, 1.0)


def times(masks: np.ndarray, maps: np.ndarray, repeats: int) -> dict[str, Any]:
    """Median seconds of the four figures, and of all."""
    defects = [
        DefectPixels(i, np.flatnonzero(mask), max(1, int(mask.sum()) // 2))
        for i, mask in enumerate(masks)
        if mask.any()
    ]

    def everything() -> None:
        pixel_curves(
            masks, maps, limits=LIMITS, defects=defects, low_rates=LOW_RATES, threshold=1.0
        )

    found = common.medians({"four": lambda: pixel_metrics(masks, maps), "all": everything}, repeats)
    row = {"input": f"{len(masks)} x {masks.shape[1]} x {masks.shape[2]}"}
    return row | {
        "four_s": found["four"],
        "all_s": found["all"],
        "times": found["all"] / found["four"],
    }


def at_thresholds(
    masks: np.ndarray, maps: np.ndarray, n: int, limit: float, own: bool = False
) -> float:
    """AUPRO from overlap at ``n`` evenly spaced thresholds, not interpolated at the limit; divided
    by the limit, or by its ``own`` highest rate below it."""
    fpr, pro, level = pro_curve(masks, maps)
    wanted = np.linspace(maps.max(), maps.min(), n)
    # The vertex that holds what a threshold flags: the last one whose level is not below it.
    at = np.searchsorted(-level, -wanted, side="right") - 1
    x, y = fpr[at], pro[at]
    inside = x <= limit
    return float(np.trapezoid(y[inside], x[inside]) / (x[inside].max() if own else limit))


def rules(masks: np.ndarray, maps: np.ndarray) -> list[dict[str, Any]]:
    """AUPRO by other rules on the same maps."""
    rows = []
    bad = masks.any(axis=(1, 2))
    small = [resize_mask(m, 256) for m in masks], [resize_map(m, 256) for m in maps]
    sized = np.stack(small[0]), np.stack(small[1])
    for limit in (0.05, 0.3):

        def area(some_masks, some_maps, limit=limit):
            return pixel_metrics(some_masks, some_maps, integration_limit=limit).aupro

        exact = area(masks, maps)
        others = {
            "exact, native, all images": exact,
            "200 thresholds": at_thresholds(masks, maps, 200, limit),
            "at 256 px": area(*sized),
            "200 thresholds at 256 px": at_thresholds(*sized, 200, limit),
            "good images left out": area(masks[bad], maps[bad]),
            "200 thresholds, FPR divided by its own maximum": at_thresholds(
                masks, maps, 200, limit, own=True
            ),
            "a region per image, not per defect": _one_region(masks, maps, limit),
        }
        rows += [
            {"limit": limit, "rule": name, "aupro": value, "difference": value - exact}
            for name, value in others.items()
        ]
    return rows


def _one_region(masks: np.ndarray, maps: np.ndarray, limit: float) -> float:
    whole = [
        DefectPixels(i, np.flatnonzero(m), int(m.sum())) for i, m in enumerate(masks) if m.any()
    ]
    return pixel_curves(masks, maps, limits=[limit], defects=whole).spro[limit]


def against_anomalib(masks: np.ndarray, maps: np.ndarray) -> dict[str, Any]:
    """AUPIMO of each image beside anomalib's, on as many thresholds as it takes by default."""
    import torch
    from anomalib.metrics.pimo.functional import aupimo_scores

    exact = pixel_curves(masks, maps, low_rates=LOW_RATES).aupimo
    *_, found, _ = aupimo_scores(
        torch.from_numpy(maps),
        torch.from_numpy(masks.astype(bool)),
        num_thresholds=300_000,
        fpr_bounds=LOW_RATES,
    )
    gap = np.abs(found.numpy() - exact)
    return {
        "images": int(np.sum(~np.isnan(exact))),
        "aupimo": float(np.nanmean(exact)),
        "anomalib": float(np.nanmean(found.numpy())),
        "largest_difference": float(np.nanmax(gap)),
    }


def defective(n: int, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Smooth maps of a fair detector: half of the images good, one to three spots in the others."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((n, size, size), np.uint8)
    maps = np.empty((n, size, size), np.float32)
    for i in range(n):
        if i % 2:
            for _ in range(rng.integers(1, 4)):
                centre = tuple(int(v) for v in rng.integers(size // 8, size - size // 8, 2))
                axes = tuple(int(v) for v in rng.integers(size // 100 + 1, size // 12, 2))
                cv2.ellipse(masks[i], centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
        noise = cv2.GaussianBlur(rng.normal(0, 1, (size, size)).astype(np.float32), (0, 0), 6)
        found = cv2.GaussianBlur(masks[i].astype(np.float32), (0, 0), size / 60)
        maps[i] = noise / noise.std() + float(rng.uniform(2, 6)) * found
    return masks, maps


if __name__ == "__main__":
    parser = common.parser(__doc__)
    parser.add_argument("--maps", type=int, default=80, help="number of maps")
    parser.add_argument("--size", type=int, default=512, help="height and width of a map")
    options = parser.parse_args()
    pixels = image_set(options.maps, options.size)
    common.report([times(*pixels, options.repeats or 9)], options.json)
    spots = defective(options.maps, options.size)
    print()
    common.report(rules(*spots), None)
    print()
    some = options.maps // 4  # anomalib counts at every threshold
    common.report([against_anomalib(spots[0][:some], spots[1][:some])], None)
