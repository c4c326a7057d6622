"""Metrics of image scores and anomaly maps, exact, and undefined where a class is missing.

Labels are 0 (normal) and 1 (anomalous), scores are higher where more anomalous, and a threshold
means ``score > threshold``. AUROC and average precision are scikit-learn's; AUPRO is MVTec AD's.
"""

from dataclasses import asdict
from typing import Any

from numpy.typing import ArrayLike

from pyimgano.errors import InvalidInputError
from pyimgano.metrics.inputs import Images, resize_map, resize_mask
from pyimgano.metrics.pixels import PixelSweep, compute_pixel_metrics, pixel_pairs
from pyimgano.metrics.scores import ScoreMetrics, compute_score_metrics

__all__ = [
    "ScoreMetrics",
    "compute_aupro",
    "compute_auroc",
    "compute_average_precision",
    "compute_f1_max",
    "compute_pixel_ap",
    "compute_pixel_auroc",
    "compute_pixel_metrics",
    "compute_pro_score",
    "compute_score_metrics",
    "evaluate_detector",
    "resize_map",
    "resize_mask",
]


def compute_auroc(y_true: ArrayLike, y_scores: ArrayLike) -> float:
    """Area under the ROC curve of one score per image, see :func:`compute_score_metrics`."""
    return compute_score_metrics(y_true, y_scores).auroc


def compute_average_precision(y_true: ArrayLike, y_scores: ArrayLike) -> float:
    """Average precision of one score per image, see :func:`compute_score_metrics`."""
    return compute_score_metrics(y_true, y_scores).average_precision


def compute_f1_max(y_true: ArrayLike, y_scores: ArrayLike) -> tuple[float, float]:
    """The best F1 and a threshold that has it, see :func:`compute_score_metrics`."""
    found = compute_score_metrics(y_true, y_scores)
    return found.f1_max, found.f1_threshold


def compute_pixel_auroc(pixel_labels: Images, pixel_scores: Images) -> float:
    """Area under the ROC curve of all pixels, see :func:`compute_pixel_metrics`."""
    return compute_pixel_metrics(pixel_labels, pixel_scores).auroc


def compute_pixel_ap(pixel_labels: Images, pixel_scores: Images) -> float:
    """Average precision of all pixels, see :func:`compute_pixel_metrics`."""
    return compute_pixel_metrics(pixel_labels, pixel_scores).ap


def compute_aupro(
    pixel_labels: Images, pixel_scores: Images, integration_limit: float = 0.3
) -> float:
    """Area under the per-region-overlap curve up to a limit, see :func:`compute_pixel_metrics`.

    Exact, by MVTec AD's published rules (P. Bergmann et al., "The MVTec Anomaly Detection Dataset",
    International Journal of Computer Vision 129, 2021).
    """
    return compute_pixel_metrics(pixel_labels, pixel_scores, integration_limit).aupro


compute_pro_score = compute_aupro


def evaluate_detector(
    y_true: ArrayLike,
    y_scores: ArrayLike,
    *,
    pixel_labels: Images | None = None,
    pixel_scores: Images | None = None,
    integration_limit: float = 0.3,
    metric_size: int | None = None,
) -> dict[str, Any]:
    """Image-level and, where maps and masks are given, pixel-level metrics of a test set.

    Parameters
    ----------
    y_true, y_scores
        As for :func:`compute_score_metrics`.
    pixel_labels, pixel_scores, integration_limit, metric_size
        As for :func:`compute_pixel_metrics`; masks and maps both or neither.

    Returns
    -------
    dict
        ``auroc``, ``average_precision``, ``f1_max``, ``f1_threshold``; with pixel data also
        ``pixel_metrics``, a dict of ``pixel_auroc``, ``pixel_ap``, ``pixel_f1_max``,
        ``pixel_f1_threshold`` and ``aupro``, and how they came about: ``integration_limit``,
        ``metric_size`` (None: native) and ``metric_rule``, a sentence.

    Raises
    ------
    InvalidInputError, InvalidTypeError
        As the two functions do, and where one of masks and maps is missing.
    """
    if (pixel_labels is None) != (pixel_scores is None):
        missing = "pixel_labels" if pixel_labels is None else "pixel_scores"
        raise InvalidInputError(f"pixel_labels and pixel_scores go together: {missing} is missing")
    result: dict[str, Any] = asdict(compute_score_metrics(y_true, y_scores))
    if pixel_labels is not None and pixel_scores is not None:
        masks, maps = pixel_pairs(pixel_labels, pixel_scores, metric_size)
        result["pixel_metrics"] = dict(PixelSweep(integration_limit)(masks, maps).values)
        result["integration_limit"] = integration_limit
        result["metric_size"] = metric_size
        result["metric_rule"] = (
            "raw maps and masks at native resolution"
            if metric_size is None
            else f"raw maps (bilinear) and masks (nearest) at {metric_size} x {metric_size} pixels"
        )
    return result
