"""Component filter: pyimgano against OpenCV's connectedComponentsWithStats and NumPy masking."""

from __future__ import annotations

from typing import Any

import common

common.limit_threads()

import numpy as np  # noqa: E402
from maps import extra_memory_mb, image_set  # noqa: E402


def _opencv(maps: np.ndarray, threshold: float, min_area: int) -> np.ndarray:
    import cv2

    cv2.setNumThreads(common.THREADS)
    kept = np.empty_like(maps)
    for out, one in zip(kept, maps, strict=True):
        mask = (one > threshold).astype(np.uint8)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        stays = stats[:, cv2.CC_STAT_AREA] >= min_area
        stays[0] = False
        np.multiply(one, stays[labels], out=out)
    return kept


def run(n: int = 100, size: int = 1024, repeats: int = 5) -> list[dict[str, Any]]:
    """One row per amount of foreground."""
    from pyimgano.kernels import filter_components

    _, maps = image_set(n, size)
    rows = []
    for threshold, kind in ((2.5, "defects"), (2.0, "defects and specks"), (1.0, "half of it all")):
        options = {"threshold": threshold, "min_area": 50}
        seconds = common.medians(
            {
                "pyimgano": lambda options=options: filter_components(maps, **options),
                "opencv": lambda options=options: _opencv(maps, **options),
                "one": lambda options=options: [filter_components(m, **options) for m in maps],
            },
            repeats,
        )
        equal = np.array_equal(filter_components(maps, **options), _opencv(maps, **options))
        extra = extra_memory_mb(lambda options=options: filter_components(maps, **options))
        rows.append(
            {
                "input": f"{n} x {size} x {size}",
                "foreground": f"{100 * np.mean(maps > threshold):.1f} % ({kind})",
                "pyimgano_s": seconds["pyimgano"],
                "opencv_s": seconds["opencv"],
                "times": seconds["opencv"] / seconds["pyimgano"],
                "pyimgano_one_by_one_s": seconds["one"],
                "times_one_by_one": seconds["opencv"] / seconds["one"],
                "equal": equal,
                "extra_mb": extra,
                "maps_mb": maps.nbytes / 1e6,
            }
        )
    return rows


if __name__ == "__main__":
    parser = common.parser(__doc__)
    parser.add_argument("--maps", type=int, default=100, help="number of maps")
    parser.add_argument("--size", type=int, default=1024, help="height and width of a map")
    options = parser.parse_args()
    common.report(run(options.maps, options.size, options.repeats or 5), options.json)
