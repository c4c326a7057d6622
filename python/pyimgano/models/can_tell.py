"""Whether a fitted row detector can call anything a defect, and not everything."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, ThresholdWarning
from pyimgano.models.pyod_estimator import RowDetector

#: Standard deviations, or units of a constant feature: no defect lies farther out.
_FAR = 1000.0
_SINGLE_FEATURES = 8


def check_can_tell(model: RowDetector, rows: NDArray[np.float32], threshold: float) -> None:
    """Refuse a detector for which all images are alike.

    Cuts and histograms of constant rows, or of two, have no place for anything else: whatever
    comes gets the score of the training images. An infinite threshold flags nothing by intent.

    Parameters
    ----------
    model
        Fitted.
    rows
        float32 (n, d), what it has learnt from.
    threshold
        Above it an image is a defect.

    Raises
    ------
    InvalidInputError
        No image far from all of the training images is above the threshold, and these are alike
        or get scores as high; or every training image is above it. Names the detector. Where it
        tells images apart and only the threshold is too high, a :class:`ThresholdWarning` says so.
    """
    if not math.isfinite(threshold):
        return
    these = f"these {len(rows)} images"
    ways = "use more, or more varied, images, or another detector"
    if float(model.train_scores.min()) > threshold:
        raise InvalidInputError(
            f"{model.spec.name} cannot learn from {these}: it scores each of them above the"
            f" threshold {threshold:.4g} of those held out: {ways}"
        )
    best = -math.inf
    for far in _far_rows(rows):
        best = max(best, float(model.score(far).max()))
        if best > threshold:
            return
    told = (
        f"{model.spec.name} cannot tell anything from {these}: what is far from all of them is not"
        f" above the threshold {threshold:.4g}: {ways}"
    )
    if len(np.unique(rows, axis=0)) <= 2 or best <= float(np.median(model.train_scores)):
        raise InvalidInputError(told)
    warnings.warn(told, ThresholdWarning, stacklevel=4)


def _far_rows(rows: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Rows far out in all features, then in one each: they cost time, most need only the first."""
    values = rows.astype(np.float64)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    size = np.maximum(1.0, np.abs(mean))
    step = _FAR * np.where(deviation <= 1e-7 * size, size, deviation)
    yield np.stack([mean + step, mean - step]).astype(np.float32)
    d = rows.shape[1]
    for column in np.unique(np.linspace(0, d - 1, min(d, _SINGLE_FEATURES)).astype(int)):
        alone = np.eye(d)[column] * step
        yield np.stack([mean + alone, mean - alone]).astype(np.float32)
