"""Curves and histograms of image scores, for plots."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class ScoreCurves:
    """Curves over all thresholds; empty where a class is missing.

    Attributes
    ----------
    roc, pr
        (False-positive rate, true-positive rate), from (0, 0) to (1, 1); (recall, precision), from
        the highest score down.
    """

    roc: Points
    pr: Points


def score_curves(labels: Sequence[int | None], scores: Sequence[float]) -> ScoreCurves:
    """ROC and precision-recall curve; every distinct score is a threshold, ties are one step."""
    known = np.array([label is not None for label in labels], dtype=bool)
    truth = np.array([bool(label) for label in labels])[known]
    values = np.asarray(scores, dtype=np.float64)[known]
    if not truth.any() or truth.all():
        return ScoreCurves([], [])
    order = np.argsort(-values, kind="stable")
    truth, values = truth[order], values[order]
    last = np.r_[np.flatnonzero(np.diff(values)), len(values) - 1]
    hits, alarms = np.cumsum(truth)[last], np.cumsum(~truth)[last]
    recall, fpr = hits / truth.sum(), alarms / (~truth).sum()
    precision = hits / (hits + alarms)
    roc = [(0.0, 0.0), *zip(fpr.tolist(), recall.tolist(), strict=True)]
    return ScoreCurves(roc, list(zip(recall.tolist(), precision.tolist(), strict=True)))


@dataclass(frozen=True)
class Histogram:
    """Counts of normal, anomalous and unlabelled images in bins of equal width."""

    edges: NDArray[np.float64]
    normal: NDArray[np.int64]
    anomalous: NDArray[np.int64]
    unknown: NDArray[np.int64]


def score_histogram(
    labels: Sequence[int | None], scores: Sequence[float], n_bins: int = 30
) -> Histogram:
    """Count scores in bins from the lowest to the highest one."""
    values = np.asarray(scores, dtype=np.float64)
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, n_bins + 1)

    def count(wanted: int | None) -> NDArray[np.int64]:
        chosen = values[[label == wanted for label in labels]] if len(values) else values
        return np.histogram(chosen, edges)[0].astype(np.int64)

    return Histogram(edges, count(0), count(1), count(None))
