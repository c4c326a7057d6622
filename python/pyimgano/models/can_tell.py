"""Whether a fitted row detector can call anything a defect, and not everything."""

import math
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, ThresholdWarning
from pyimgano.models.pyod_estimator import RowDetector

#: Standard deviations, or units of a constant feature: no defect lies farther out than the first.
_FAR, _NEAR = 1000.0, 3.0
_DIRECTIONS = 16


def check_can_tell(model: RowDetector, rows: NDArray[np.float32], threshold: float) -> None:
    """Refuse a detector, fitted on these rows (n, d), for which all images are alike.

    Cuts and histograms of constant rows, or of two, have no place for anything else: whatever comes
    gets the score of the training images. That is an InvalidInputError where all training images
    have one score and what is far from them none above it, or where there are but two pictures and
    the threshold is out of reach; else a :class:`ThresholdWarning` says that the threshold is out
    of place.
    """
    usual = float(np.median(model.train_scores))
    enough = threshold if math.isfinite(threshold) else usual
    best = -math.inf
    for far in _far_rows(rows):
        best = max(best, float(model.score(far).max()))
        if best > enough:
            break
    lowest = float(model.train_scores.min())
    if best > enough and lowest <= threshold:
        return
    these = f"these {len(rows)} images" if len(rows) > 1 else "one image"
    told = f"{model.spec.name} cannot tell anything from {these}: " + (
        f"each of them is scored {lowest:.4g} or more, above the threshold {threshold:.4g}"
        if best > enough
        else f"what is far from all of them is scored {best:.4g}, not above {enough:.4g}"
    )
    told += ": use more, or more varied, images, or another detector"
    scores_alike = best <= usual and np.ptp(model.train_scores) <= 1e-9 * abs(usual)
    if scores_alike or len(np.unique(rows, axis=0)) <= 2:
        raise InvalidInputError(told)
    warnings.warn(told, ThresholdWarning, stacklevel=4)


def _far_rows(rows: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Rows far out in all features, in one each, then any way: most need only the first."""
    values = rows.astype(np.float64)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    size = np.maximum(1.0, np.abs(mean))
    step = np.where(deviation <= 1e-7 * size, size, deviation)
    d = rows.shape[1]
    single = np.eye(d)[np.unique(np.linspace(0, d - 1, min(d, _DIRECTIONS)).astype(int))]
    drawn = np.random.default_rng(0).normal(size=(_DIRECTIONS, d))
    for ways, distance in (
        (np.ones((1, d)), _FAR),
        (single, _FAR),
        (drawn, _FAR),
        (drawn, _NEAR),
    ):
        both = np.concatenate([ways, -ways]) * step * distance
        yield (mean + both).astype(np.float32)
