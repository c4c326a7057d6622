"""Pixel figures of resampled images, without sweeping their pixels again.

Each image is summed up once: how much of it is flagged at each of a few thousand thresholds. The
curve of a resample is the weighted sum of those of its images.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano import kernels
from pyimgano.statistics.curves import Rows, area_under, ranking_figures

#: Thresholds are chosen so that no step flags more than one part in so many of a class, ties aside.
STEPS = 1024
#: Pixels of each class that the thresholds are chosen by.
_SAMPLE = 1 << 18


class PixelSummary:
    """What is flagged of each image, at thresholds that all images share.

    The thresholds are scores of the maps: those at which another 1,024th of the normal pixels, of
    the defect pixels, or of the regions is flagged, at most 3,072 of them, and every distinct score
    where there are no more. The area under a curve between two of them is off by at most half of
    what one step rises times what it moves to the right, so all areas together by at most
    ``1 / (2 * 1,024)``, and by nothing where every distinct score is a threshold.

    Parameters
    ----------
    masks, maps
        As a :class:`~pyimgano.metrics.PixelMetric` gets them. They are not kept.
    integration_limit
        False-positive rate up to which AUPRO integrates.
    """

    def __init__(
        self,
        masks: Sequence[NDArray[np.uint8]],
        maps: Sequence[NDArray[Any]],
        integration_limit: float = 0.3,
    ) -> None:
        self._limit = integration_limit
        weights = [_region_weights(mask) for mask in masks]
        levels = thresholds(masks, maps, weights)
        shape = (len(masks), len(levels) + 1)
        self._normal, self._defect, self._regions = (np.zeros(shape) for _ in range(3))
        for i, (mask, scores) in enumerate(zip(masks, maps, strict=True)):
            marked = mask != 0
            self._normal[i] = _flagged(np.sort(scores[~marked]), levels)
            found, weight = scores[marked], weights[i]
            order = np.argsort(found)
            self._defect[i] = _flagged(found[order], levels)
            self._regions[i] = _flagged(found[order], levels, weight[order])

    def __call__(self, weights: Rows) -> dict[str, Rows]:
        """Figures by key, (b,), for images that count so often, (b, n)."""
        defect, normal, regions = (
            weights @ rows for rows in (self._defect, self._normal, self._regions)
        )
        auroc, average, best = ranking_figures(defect, normal)
        with np.errstate(divide="ignore", invalid="ignore"):
            overlap, rate = regions / regions[:, -1:], normal / normal[:, -1:]
        aupro = np.where(np.isnan(auroc), np.nan, area_under(rate, overlap, self._limit))
        return {"pixel_auroc": auroc, "pixel_ap": average, "pixel_f1_max": best, "aupro": aupro}


def thresholds(
    masks: Sequence[NDArray[np.uint8]],
    maps: Sequence[NDArray[Any]],
    weights: Sequence[NDArray[np.float64]],
) -> NDArray[Any]:
    """Rising scores of the maps, spread by what lies between them.

    ``weights`` are those of the defect pixels of each image.
    """
    n_normal = sum(int(mask.size) - len(w) for mask, w in zip(masks, weights, strict=True))
    n_defect = sum(map(len, weights))
    step, defect_step = max(1, n_normal // _SAMPLE), max(1, n_defect // _SAMPLE)
    pairs = list(zip(masks, maps, strict=True))
    normal = np.sort(np.concatenate([s[m == 0][::step] for m, s in pairs]))
    found = np.concatenate([s[m != 0][::defect_step] for m, s in pairs])
    order = np.argsort(found)
    found, weight = found[order], np.concatenate([w[::defect_step] for w in weights])[order]
    every = np.unique(np.concatenate([normal, found]))
    if len(every) <= STEPS:
        return every
    return np.unique(
        np.concatenate([_quantiles(normal), _quantiles(found), _quantiles(found, weight)])
    )


def _quantiles(ordered: NDArray[Any], weight: NDArray[np.float64] | None = None) -> NDArray[Any]:
    """Scores that equal shares of the pixels, or of their weights, lie between."""
    if not len(ordered):
        return ordered
    shares = (np.arange(STEPS) + 0.5) / STEPS
    if weight is None:
        at = (shares * len(ordered)).astype(np.int64)
    else:
        below = np.cumsum(weight)
        at = np.searchsorted(below, shares * below[-1]).clip(max=len(ordered) - 1)
    chosen: NDArray[Any] = ordered[at]
    return chosen


def _flagged(
    ordered: NDArray[Any], levels: NDArray[Any], weight: NDArray[np.float64] | None = None
) -> Rows:
    """How much of the rising scores is at least each level, from the highest down; then all."""
    first = np.append(np.searchsorted(ordered, levels[::-1]), 0)
    if weight is None:
        return np.asarray(len(ordered) - first, np.float64)
    from_top = np.append(np.cumsum(weight[::-1])[::-1], 0.0)
    rows: Rows = from_top[first]
    return rows


def _region_weights(mask: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Of each defect pixel, in raster order, the share that it is of its region."""
    if not mask.any():
        return np.empty(0)
    labels, _ = kernels.label_components(mask)
    own = labels[labels > 0]
    shares: NDArray[np.float64] = 1.0 / np.bincount(own)[own]
    return shares
