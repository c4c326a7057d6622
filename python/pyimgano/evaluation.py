"""Metrics of image scores and anomaly maps, exact, and undefined where a class is missing.

Labels are 0 (normal) and 1 (anomalous), scores are higher where more anomalous, and a threshold
means ``score > threshold``. AUROC and average precision are scikit-learn's; AUPRO is MVTec AD's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyimgano import kernels
from pyimgano.errors import InvalidInputError, InvalidTypeError, UndefinedMetricWarning
from pyimgano.images.preprocess import resize_nearest
from pyimgano.kernels import PixelMetrics

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

Images: TypeAlias = Sequence[ArrayLike] | NDArray[Any]


@dataclass(frozen=True)
class ScoreMetrics:
    """Figures of one score per image; all NaN where a class is missing.

    Attributes
    ----------
    auroc : float
        Area under the ROC curve.
    average_precision : float
        A sum over steps, not interpolated.
    f1_max : float
        The best F1 that any threshold gives.
    f1_threshold : float
        ``score > f1_threshold`` has that F1: a cut midway between two adjacent scores.
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
    labels, scores = _labels("y_true", y_true), _scores("y_scores", y_scores)
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


def compute_pixel_metrics(
    pixel_labels: Images,
    pixel_scores: Images,
    integration_limit: float = 0.3,
    *,
    metric_size: int | None = None,
) -> PixelMetrics:
    """All pixel-level figures of a test set, all images together.

    Parameters
    ----------
    pixel_labels : array (n, H, W) or (H, W), or sequence of n arrays (H, W) of differing sizes
        Masks: bool or integers, any non-zero pixel is defect; or floats that are all 0 or 1.
        Images are asked for one after the other.
    pixel_scores : array or sequence like `pixel_labels`
        Raw anomaly maps, real numbers. float32 and float64 are used as they are.
    integration_limit : float
        False-positive rate up to which AUPRO integrates, above 0 and at most 1.
    metric_size : int, optional
        Resize masks and maps to this square first, image by image: see :func:`resize_mask` and
        :func:`resize_map`. By default they are compared at their own size, which must agree.

    Returns
    -------
    PixelMetrics
        All NaN, with an :class:`~pyimgano.errors.UndefinedMetricWarning`, if there is no defect
        pixel or no normal one.

    Raises
    ------
    InvalidInputError, InvalidTypeError
        As :func:`pyimgano.kernels.pixel_metrics` does.
    """
    labels, scores = _images("pixel_labels", pixel_labels), _images("pixel_scores", pixel_scores)
    if len(labels) != len(scores):
        raise InvalidInputError(
            f"got {len(labels)} images in pixel_labels, but {len(scores)} in pixel_scores"
        )
    masks = [
        resize_mask(_labels(f"pixel_labels[{i}]", labels[i], any_integer=True), metric_size)
        for i in range(len(labels))
    ]
    maps = [
        resize_map(_scores(f"pixel_scores[{i}]", scores[i]), metric_size)
        for i in range(len(scores))
    ]
    return kernels.pixel_metrics(masks, maps, integration_limit=integration_limit)


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
        As the two functions do.
    """
    if (pixel_labels is None) != (pixel_scores is None):
        missing = "pixel_labels" if pixel_labels is None else "pixel_scores"
        raise InvalidInputError(f"pixel_labels and pixel_scores go together: {missing} is missing")
    image = compute_score_metrics(y_true, y_scores)
    result: dict[str, Any] = {
        "auroc": image.auroc,
        "average_precision": image.average_precision,
        "f1_max": image.f1_max,
        "f1_threshold": image.f1_threshold,
    }
    if pixel_labels is not None and pixel_scores is not None:
        pixel = compute_pixel_metrics(
            pixel_labels, pixel_scores, integration_limit, metric_size=metric_size
        )
        result["pixel_metrics"] = {
            "pixel_auroc": pixel.auroc,
            "pixel_ap": pixel.ap,
            "pixel_f1_max": pixel.f1_max,
            "pixel_f1_threshold": pixel.f1_threshold,
            "aupro": pixel.aupro,
        }
        result["integration_limit"] = integration_limit
        result["metric_size"] = metric_size
        result["metric_rule"] = (
            "raw maps and masks at native resolution"
            if metric_size is None
            else f"raw maps (bilinear) and masks (nearest) at {metric_size} x {metric_size} pixels"
        )
    return result


def resize_map(anomaly_map: NDArray[Any], size: int | None) -> NDArray[Any]:
    """An anomaly map at (`size`, `size`), bilinear; as it is if `size` is None."""
    return _resized("anomaly map", anomaly_map, size, _bilinear)


def resize_mask(mask: NDArray[Any], size: int | None) -> NDArray[Any]:
    """A mask at (`size`, `size`), the pixel nearest to each centre; as it is if `size` is None."""
    return _resized("mask", mask, size, resize_nearest)


def _bilinear(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)


def _resized(
    name: str,
    image: NDArray[Any],
    size: int | None,
    rule: Callable[[NDArray[Any], tuple[int, int]], NDArray[Any]],
) -> NDArray[Any]:
    if size is None:
        return image
    if size < 1:
        raise InvalidInputError(f"metric_size must be at least 1, got {size}")
    if image.ndim != 2 or image.size == 0:
        raise InvalidInputError(f"cannot resize a {name} of shape {image.shape}")
    if image.shape == (size, size):
        return image
    plain = image.view(np.uint8) if image.dtype == np.bool_ else image
    return rule(np.ascontiguousarray(plain), (size, size))


def _labels(name: str, values: ArrayLike, *, any_integer: bool = False) -> NDArray[np.uint8]:
    """Labels as uint8 0 and 1, or, with `any_integer`, 0 and anything else."""
    array: NDArray[Any] = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InvalidTypeError(f"{name} must be bool or integers, got {array.dtype}")
    if array.dtype == np.bool_ or (any_integer and array.dtype == np.uint8):
        return np.ascontiguousarray(array).view(np.uint8)
    if not (any_integer and array.dtype.kind in "iu"):
        wrong = array[(array != 0) & (array != 1)]
        if wrong.size:
            raise InvalidInputError(
                f"{name} must be 0 (normal) or 1 (anomalous), got {wrong.flat[0]}"
            )
    return np.ascontiguousarray(array != 0).view(np.uint8)


def _scores(name: str, values: ArrayLike) -> NDArray[np.float32] | NDArray[np.float64]:
    """Scores as float32 or float64, whichever loses nothing."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise InvalidTypeError(f"{name} must be real numbers, got {array.dtype}")
    if array.dtype in (np.float32, np.float64):
        return array
    return array.astype(np.float64)


def _images(name: str, images: Images) -> Images:
    """`images`, a single (H, W) array counting as one image."""
    if isinstance(images, np.ndarray) and images.dtype != np.object_:
        if images.ndim not in (2, 3):
            raise InvalidInputError(
                f"{name} must have shape (n, H, W) or be a sequence of (H, W) arrays, "
                f"got shape {images.shape}"
            )
        return images[None] if images.ndim == 2 else images
    return images
