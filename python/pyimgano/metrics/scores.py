"""Figures of one score per image: AUROC, average precision and the best F1."""

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from pyimgano import kernels
from pyimgano.errors import InvalidInputError, UndefinedMetricWarning
from pyimgano.metrics.base import MetricInfo, MetricResult
from pyimgano.metrics.inputs import as_labels, as_scores
from pyimgano.statistics.curves import ScoreSweep, in_chunks


@dataclass(frozen=True)
class ScoreMetrics:
    """Figures of one score per image; all NaN where a class is missing.

    Attributes
    ----------
    auroc, average_precision : float
        Area under the ROC curve, and a sum over steps, not interpolated.
    f1_max, f1_threshold : float
        The best F1 that any threshold gives; ``score > f1_threshold`` has it, a cut midway between
        two adjacent scores.
    """

    auroc: float
    average_precision: float
    f1_max: float
    f1_threshold: float


def compute_score_metrics(y_true: ArrayLike, y_scores: ArrayLike) -> ScoreMetrics:
    """All figures of one score per image.

    Parameters
    ----------
    y_true : array-like, shape (n,)
        0 or False for normal, 1 or True for anomalous.
    y_scores : array-like, shape (n,)
        Finite real scores.

    Returns
    -------
    ScoreMetrics
        All NaN, with an :class:`~pyimgano.errors.UndefinedMetricWarning`, if only one class is
        there.

    Raises
    ------
    InvalidInputError
        (a ValueError) on lengths that differ, nothing at all, other labels, NaN or infinity.
    InvalidTypeError
        (a TypeError) on labels or scores that are not numbers.
    """
    labels, scores = as_labels("y_true", y_true), as_scores("y_scores", y_scores)
    if labels.shape != scores.shape or labels.ndim != 1:
        raise InvalidInputError(
            f"y_true and y_scores must have one shape (n,), got {labels.shape} and {scores.shape}"
        )
    if labels.size == 0:
        raise InvalidInputError("y_true and y_scores are empty")
    finite = np.isfinite(scores)
    if not finite.all():
        at = int(np.argmin(finite))
        raise InvalidInputError(f"y_scores must be finite: y_scores[{at}] is {scores[at]}")
    if labels.all() or not labels.any():
        warnings.warn(
            f"all images are {'anomalous' if labels[0] else 'normal'}: image metrics are undefined",
            UndefinedMetricWarning,
            stacklevel=2,
        )
        return ScoreMetrics(np.nan, np.nan, np.nan, np.nan)
    # As one row of pixels: of all the curves only AUPRO's knows about neighbours.
    found = kernels.pixel_metrics(labels[None, None], scores[None, None])
    return ScoreMetrics(found.auroc, found.ap, found.f1_max, found.f1_threshold)


class ImageRanking:
    """Figures of how well image scores separate the two classes, all from one pass."""

    infos: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo("auroc", "I-AUROC", "image"),
        MetricInfo("average_precision", "I-AP", "image"),
        MetricInfo("f1_max", "I-F1max", "image"),
    )

    def __call__(
        self, labels: ArrayLike, scores: ArrayLike, threshold: float | None = None
    ) -> MetricResult:
        """See :func:`compute_score_metrics`; the detector's threshold plays no part."""
        found = compute_score_metrics(labels, scores)
        return MetricResult(
            {i.key: getattr(found, i.key) for i in self.infos},
            resample=lambda weights: in_chunks(ScoreSweep(labels, scores), weights),
        )
