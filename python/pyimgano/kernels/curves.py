"""Pixel-level curves of anomaly maps."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyimgano import _rust
from pyimgano.errors import InvalidInputError, UndefinedMetricWarning
from pyimgano.kernels.arguments import at_least, mask_image, same_shape, score_map, threads

#: False-positive rates, overlaps and thresholds of the vertices.
Curve: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class PixelMetrics:
    """Pixel-level figures of a whole test set; all NaN where a class is missing.

    Attributes
    ----------
    auroc : float
        Area under the ROC curve.
    ap : float
        Average precision: a sum over steps, not interpolated.
    f1_max : float
        The best F1 that any threshold gives.
    f1_threshold : float
        ``score > f1_threshold`` has that F1. Midway between two adjacent scores of the set, rounded
        to the maps' precision, so that nothing is lost when a float32 map is compared with it; the
        lower one of the two where there is no number between them.
    aupro : float
        Area under the curve of per-region overlap up to the limit, divided by the limit.
    """

    auroc: float
    ap: float
    f1_max: float
    f1_threshold: float
    aupro: float


def pixel_metrics(
    masks: Sequence[ArrayLike] | NDArray[Any],
    maps: Sequence[ArrayLike] | NDArray[Any],
    *,
    integration_limit: float = 0.3,
    n_threads: int | None = None,
) -> PixelMetrics:
    """AUROC, average precision, best F1 and AUPRO of anomaly maps, exact, in one go.

    All images count together. Every distinct score is a threshold, ties are one step. For AUPRO
    the regions are the 8-connected components of each mask, and each region weighs the same,
    whatever its size; the false-positive rate is taken over all normal pixels of all images, good
    ones included; the curve is interpolated linearly at `integration_limit`.

    Parameters
    ----------
    masks : array (n, H, W), or sequence of n arrays (H, W) of differing sizes
        bool or uint8; any non-zero pixel is defect.
    maps : array (n, H, W), or sequence of n arrays (H, W)
        float32 or float64 scores, each map of its mask's shape. float64 is never rounded; where
        both types occur, float32 maps are widened.
    integration_limit : float
        False-positive rate up to which AUPRO integrates, above 0 and at most 1.
    n_threads : int, optional
        Threads to use: 1 to 1,024; default ``PYIMGANO_NUM_THREADS``, else one per core.

    Returns
    -------
    PixelMetrics
        All NaN, with an :class:`~pyimgano.errors.UndefinedMetricWarning`, if there is no defect
        pixel or no normal one.

    Raises
    ------
    InvalidInputError
        (a ValueError) on no images, shapes that differ, an image without pixels, NaN or infinity
        (each naming the image), an `integration_limit` out of its range.
    InvalidTypeError
        (a TypeError) on another dtype; the message names the cast.

    Notes
    -----
    Extra memory: at most the maps' size (but a few MB for small sets), typically
    a fifth, and the runs of one mask per thread.

    References
    ----------
    P. Bergmann et al., "The MVTec Anomaly Detection Dataset", International Journal of Computer
    Vision 129, 2021, section 5.1; T. Fawcett, "An introduction to ROC analysis", Pattern
    Recognition Letters 27, 2006, for ties as one step.

    Examples
    --------
    >>> masks = np.array([[[0, 0, 1, 1]]], dtype=np.uint8)
    >>> maps = np.array([[[0.1, 0.4, 0.3, 0.9]]], dtype=np.float32)
    >>> pixel_metrics(masks, maps).auroc
    0.75
    """
    pixels, scores = pairs(masks, maps)
    figures = _rust.pixel_metrics(
        pixels, scores, integration_limit=integration_limit, n_threads=threads(n_threads)
    )
    if np.isnan(figures[0]):
        warn_undefined(pixels)
    return PixelMetrics(*figures)


def pro_curve(
    masks: Sequence[ArrayLike] | NDArray[Any],
    maps: Sequence[ArrayLike] | NDArray[Any],
    *,
    max_points: int | None = None,
    n_threads: int | None = None,
) -> Curve:
    """The exact curve of per-region overlap (PRO) against the false-positive rate.

    Parameters
    ----------
    masks, maps
        As for :func:`pixel_metrics`.
    max_points : int, optional
        Give at most so many of the vertices, spread evenly along the curve, for plotting.
    n_threads : int, optional
        Threads to use: 1 to 1,024; default ``PYIMGANO_NUM_THREADS``, else one per core.

    Returns
    -------
    fpr, pro, thresholds : ndarrays of float64, shape (n_vertices,)
        The vertices of the piecewise linear curve from (0, 0) to (1, 1): each is what
        ``score > threshold`` flags. The first threshold is infinity, the last minus infinity, those
        between are exact in the maps' precision. Empty, with an
        :class:`~pyimgano.errors.UndefinedMetricWarning`, if there is no defect pixel or no normal
        one.

    Raises
    ------
    InvalidInputError, InvalidTypeError
        As :func:`pixel_metrics` does; also if `max_points` is below 2.

    Notes
    -----
    Extra memory: that of :func:`pixel_metrics`, and 96 bytes per distinct defect score.
    """
    if max_points is not None:
        max_points = at_least("max_points", max_points, 2)
    pixels, scores = pairs(masks, maps)
    curve = _rust.pro_curve(pixels, scores, n_threads=threads(n_threads))
    if not len(curve[0]):
        warn_undefined(pixels)
    return thinned(curve, max_points)


def thinned(curve: Curve, max_points: int | None) -> Curve:
    """At most so many vertices, spread evenly along the curve."""
    fpr, pro, thresholds = curve
    if max_points is None or len(fpr) <= max_points:
        return curve
    way = fpr + pro  # both only rise: how far along the curve, corner by corner
    kept = np.searchsorted(way, np.linspace(0, way[-1], max_points)).clip(max=len(fpr) - 1)
    kept[0], kept[-1] = 0, len(fpr) - 1
    kept = np.unique(kept)
    return fpr[kept], pro[kept], thresholds[kept]


def pairs(
    masks: Sequence[ArrayLike] | NDArray[Any], maps: Sequence[ArrayLike] | NDArray[Any]
) -> tuple[list[NDArray[np.uint8]], Any]:
    """Masks and maps checked against each other; the maps all of one precision."""
    for name, images in (("masks", masks), ("maps", maps)):
        if isinstance(images, np.ndarray) and images.ndim not in (1, 3):
            raise InvalidInputError(
                f"{name} must have shape (n, H, W) or be a sequence of (H, W) arrays, "
                f"got shape {images.shape}"
            )
    if len(masks) != len(maps):
        raise InvalidInputError(f"got {len(masks)} masks, but {len(maps)} maps")
    if len(masks) == 0:
        raise InvalidInputError("masks and maps hold no images")
    pixels, scores = [], []
    for i in range(len(masks)):
        pixels.append(mask_image(f"masks[{i}]", masks[i]))
        scores.append(score_map(f"maps[{i}]", maps[i]))
        same_shape(f"masks[{i}]", pixels[i], f"maps[{i}]", scores[i])
        if pixels[i].size == 0:
            raise InvalidInputError(f"maps[{i}] has no pixels: shape {scores[i].shape}")
    if any(one.dtype == np.float64 for one in scores):
        return pixels, [one.astype(np.float64, copy=False) for one in scores]
    return pixels, scores


def warn_undefined(masks: Sequence[NDArray[np.uint8]]) -> None:
    """Tell which class is missing."""
    missing = "normal" if any(mask.any() for mask in masks) else "defect"
    warnings.warn(
        f"no {missing} pixel in any mask: pixel metrics are undefined",
        UndefinedMetricWarning,
        stacklevel=3,
    )
