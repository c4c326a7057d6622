"""ClassF1: F1 of whole images, where a threshold decides."""

import math
import warnings
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyimgano.errors import UndefinedMetricWarning
from pyimgano.metrics.base import MetricInfo, MetricResult


class ClassF1:
    """F1 of the images at the detector's own threshold.

    The best that any threshold gives is ``f1_max``.
    """

    infos: ClassVar[tuple[MetricInfo, ...]] = (MetricInfo("class_f1", "ClassF1", "image"),)

    def __call__(
        self, labels: ArrayLike, scores: ArrayLike, threshold: float | None = None
    ) -> MetricResult:
        """See :class:`~pyimgano.metrics.ImageMetric`; undefined without a threshold or a defect."""
        anomalous, values = np.asarray(labels) != 0, np.asarray(scores, np.float64)
        missing = None if anomalous.any() else "no image is anomalous"
        if threshold is None or math.isnan(threshold):
            missing = "the detector has no threshold"
        if threshold is None or missing is not None:
            warnings.warn(f"{missing}: ClassF1 is undefined", UndefinedMetricWarning, stacklevel=2)
            return MetricResult({"class_f1": math.nan})
        flagged = values > threshold
        hits, either = flagged & anomalous, flagged.astype(np.float64) + anomalous
        return MetricResult(
            {"class_f1": 2 * int(hits.sum()) / float(either.sum())},
            resample=lambda weights: {"class_f1": f1_of(weights @ hits, weights @ either)},
        )


def f1_of(hits: NDArray[np.float64], either: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 of hits, and the flagged and the defective ones counted together; NaN for none."""
    found: NDArray[np.float64] = np.full(either.shape, np.nan)
    return np.divide(2 * hits, either, out=found, where=either > 0)
