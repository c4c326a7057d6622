"""Curves threshold by threshold, in float64 and in the obvious way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tests.reference.components import label


def flatten(masks: Sequence[NDArray], maps: Sequence[NDArray]) -> tuple[NDArray, NDArray, NDArray]:
    """Scores, defect flags and the weight of each pixel in its region (0 outside)."""
    weights = []
    for mask in masks:
        labels, _ = label(np.asarray(mask) != 0)
        area = np.bincount(labels.ravel())
        weights.append(np.where(labels > 0, 1.0 / area[labels], 0.0).ravel())
    scores = np.concatenate([np.asarray(m, np.float64).ravel() for m in maps])
    flags = np.concatenate([(np.asarray(m) != 0).ravel() for m in masks])
    return scores, flags, np.concatenate(weights)


def curve(masks: Sequence[NDArray], maps: Sequence[NDArray]) -> dict[str, NDArray]:
    """Counts and overlap at every distinct score, descending: what ``score >= it`` flags."""
    scores, flags, weights = flatten(masks, maps)
    regions = sum(label(np.asarray(mask) != 0)[1] for mask in masks)
    thresholds = np.unique(scores)[::-1]
    return {
        "scores": thresholds,
        "tp": np.array([np.sum(flags & (scores >= t)) for t in thresholds]),
        "fp": np.array([np.sum(~flags & (scores >= t)) for t in thresholds]),
        "pro": np.array([np.sum(weights[scores >= t]) for t in thresholds]) / regions,
    }


def area(y: NDArray, x: NDArray) -> float:
    """Trapezoids (NumPy's own function changed its name in 2.0)."""
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1])) / 2)


def metrics(
    masks: Sequence[NDArray], maps: Sequence[NDArray], limit: float = 0.3
) -> dict[str, float]:
    """AUROC, AP, best F1 and AUPRO."""
    c = curve(masks, maps)
    normal, defect = c["fp"][-1], c["tp"][-1]
    fpr = np.r_[0.0, c["fp"] / normal]
    tpr = np.r_[0.0, c["tp"] / defect]
    pro = np.r_[0.0, c["pro"]]
    precision = c["tp"] / (c["tp"] + c["fp"])
    f1 = 2 * c["tp"] / (c["tp"] + c["fp"] + defect)

    # Cut at the limit. The point there is on the line between the last vertex that does not
    # exceed it and the next one.
    last = np.flatnonzero(fpr <= limit)[-1]
    x, y = fpr[: last + 1], pro[: last + 1]
    if x[-1] < limit:
        share = (limit - fpr[last]) / (fpr[last + 1] - fpr[last])
        x = np.r_[x, limit]
        y = np.r_[y, pro[last] + share * (pro[last + 1] - pro[last])]
    return {
        "auroc": area(tpr, fpr),
        "ap": float(np.sum(np.diff(tpr) * precision)),
        "f1_max": float(f1.max()),
        "aupro": area(y, x) / limit,
    }
