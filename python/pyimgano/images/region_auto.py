"""A region of interest found from good images: the places where they differ from each other."""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

#: Sides of the squares whose content is compared, and what is added around the region, in shares
#: of the longer side.
_BLUR, _MARGIN = 1 / 128, 1 / 32
#: The two classes must explain this share of the variance of the log deviations. Of a normal law
#: the best two explain 2 / pi, 0.64.
LEAST_SEPARATION = 0.7
#: A region of less or more than these shares of the image is none.
_LEAST, _MOST = 0.02, 0.95


def varying_region(images: Iterable[NDArray[np.float32]]) -> NDArray[np.bool_] | None:
    """Where good images differ from each other far more than elsewhere; None if there is no such.

    At each place the standard deviation over the images is taken, after their level was taken out.
    The logarithms are split in two classes (Otsu, "A threshold selection method from gray-level
    histograms", IEEE Trans. SMC 1979). Where the two are far apart, the places that vary, with the
    holes in them and a margin around them, are the region.

    Parameters
    ----------
    images
        float32 (h, w, 3) in [0, 1], all of one size: two at least.
    """
    n, total, squares = 0, np.zeros(1), np.zeros(1)
    for image in images:
        side = max(image.shape[:2])
        flat = cv2.GaussianBlur(image, (0, 0), max(1.0, side * _BLUR)).astype(np.float64)
        flat -= np.median(flat, axis=(0, 1))  # light that changes changes all places
        n, total, squares = n + 1, total + flat, squares + flat**2
    if n < 2:
        return None
    variance = np.maximum(squares / n - (total / n) ** 2, 0).sum(axis=2)
    logs = np.log(np.sqrt(variance) + 1e-4)
    level, separation = otsu(logs)
    if separation < LEAST_SEPARATION:
        return None
    inside = _filled((logs > level).astype(np.uint8))
    return inside if _LEAST <= inside.mean() <= _MOST else None


def otsu(values: NDArray[np.float64]) -> tuple[float, float]:
    """The level that splits values in two classes, and the share of the variance between them."""
    ordered = np.sort(values, axis=None)
    n = np.arange(1, ordered.size)
    sums = np.cumsum(ordered)
    below, above = sums[:-1] / n, (sums[-1] - sums[:-1]) / n[::-1]
    between = n * n[::-1] / ordered.size**2 * (below - above) ** 2
    best = int(np.argmax(between))
    whole = float(ordered.var())
    separation = float(between[best]) / whole if whole > 0 else 0.0
    return float(ordered[best : best + 2].mean()), separation


def _filled(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Without specks, with holes closed, and a margin around it."""
    radius = max(1, round(max(mask.shape) * _MARGIN))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    small = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (radius | 1, radius | 1))
    opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, small)
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, disc)
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(mask), outlines, -1, 1, cv2.FILLED)
    return cv2.dilate(filled, disc).astype(np.bool_)
