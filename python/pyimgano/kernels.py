"""The exact kernels: coreset, nearest neighbours, components, curves.

Arrays are taken without a copy where they are C-contiguous, the GIL is released, Ctrl-C works, and
results do not depend on the number of threads or the instruction set.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyimgano import _rust
from pyimgano.errors import InvalidInputError, InvalidTypeError, UndefinedMetricWarning

__all__ = [
    "PixelMetrics",
    "component_stats",
    "filter_components",
    "label_components",
    "pixel_metrics",
    "pro_curve",
]

Float32Array: TypeAlias = NDArray[np.float32]
Float64Array: TypeAlias = NDArray[np.float64]
FloatArray: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
UInt8Array: TypeAlias = NDArray[np.uint8]

STATS_DTYPE = np.dtype(
    [("area", np.int64), ("box", np.int32, (4,)), ("max", np.float64), ("mean", np.float64)]
)


# --- connected components ------------------------------------------------------------------------


def label_components(mask: ArrayLike, connectivity: int = 8) -> tuple[NDArray[np.int32], int]:
    """Number the connected components of a mask.

    Args:
        mask: (H, W), bool or uint8; any non-zero pixel is foreground.
        connectivity: 8, or 4 to leave out the diagonals.

    Returns:
        int32 labels (H, W), 0 for background, then 1, 2, ... in raster order of the components'
        first pixels; and the number of components.

    Raises:
        InvalidInputError: not two dimensions, or a connectivity other than 4 and 8.
        InvalidTypeError: another dtype; the message names the cast.
    """
    pixels = _mask(mask, "mask")
    labels = np.zeros(pixels.shape, np.int32)
    return labels, _rust.label_components(pixels, labels, _connectivity(connectivity))


def component_stats(labels: ArrayLike, anomaly_map: ArrayLike | None = None) -> NDArray[Any]:
    """Size, box and scores of each component of a labelled image.

    Args:
        labels: int32 (H, W) as :func:`label_components` gives them; a number may be missing.
        anomaly_map: float32 or float64 (H, W).

    Returns:
        A structured array with one row per label (row ``i`` is label ``i + 1``) and the fields
        ``area`` (pixels), ``box`` (left, top, width, height, as in OpenCV), ``max`` and ``mean``
        of the scores (float64; NaN without a map). A missing number has area 0, box 0 and NaN.

    Raises:
        InvalidInputError: shapes that differ, a label below 0 or above the number of pixels, NaN
            or infinity in the map.
        InvalidTypeError: another dtype; the message names the cast.
    """
    numbers = np.asarray(labels)
    if numbers.dtype != np.int32:
        raise InvalidTypeError(
            f"labels must be int32, got {numbers.dtype}; cast with labels.astype(np.int32)"
        )
    _need_image(numbers, "labels")
    maps: Any = []
    if anomaly_map is not None:
        scores = _map(anomaly_map, "anomaly_map")
        if scores.shape != numbers.shape:
            raise InvalidInputError(
                f"anomaly_map is {_size(scores)}, but labels is {_size(numbers)}"
            )
        maps = [scores]
    with _rust_errors():
        area, box, largest, mean = _rust.component_stats(np.ascontiguousarray(numbers), maps)
    stats = np.empty(len(area), STATS_DTYPE)
    stats["area"], stats["box"] = area, box
    known = (area > 0) & bool(maps)
    stats["max"] = np.where(known, largest, np.nan)
    stats["mean"] = np.where(known, mean, np.nan)
    return stats


@overload
def filter_components(
    anomaly_map: NDArray[np.float32],
    *,
    threshold: float,
    min_area: int = ...,
    min_score: float | None = ...,
    connectivity: int = ...,
    n_threads: int | None = ...,
) -> NDArray[np.float32]: ...
@overload
def filter_components(
    anomaly_map: Sequence[NDArray[np.float32]],
    *,
    threshold: float,
    min_area: int = ...,
    min_score: float | None = ...,
    connectivity: int = ...,
    n_threads: int | None = ...,
) -> list[NDArray[np.float32]]: ...
def filter_components(
    anomaly_map: NDArray[np.float32] | Sequence[NDArray[np.float32]],
    *,
    threshold: float,
    min_area: int = 0,
    min_score: float | None = None,
    connectivity: int = 8,
    n_threads: int | None = None,
) -> NDArray[np.float32] | list[NDArray[np.float32]]:
    """Keep only the components of a map that are large and high enough.

    Foreground is every pixel above ``threshold``. A component stays if its area is at least
    ``min_area`` and its largest score at least ``min_score``; every other pixel becomes 0, whether
    or not any component was found. Both scores are compared in float32, as NumPy compares a
    float32 map with a Python number.

    Args:
        anomaly_map: float32 (H, W). Or several maps, which are filtered in parallel: an (n, H, W)
            array, which gives such an array, or a sequence of (H, W) arrays, which gives a list.
        threshold: foreground is above it.
        min_area: in pixels.
        min_score: None means any.
        connectivity: 8, or 4 to leave out the diagonals.
        n_threads: default ``PYIMGANO_NUM_THREADS``, else one per core.

    Returns:
        New float32 arrays. Extra memory besides them: at most 8 bytes per pixel of one map per
        thread, far less for any map that is not noise.

    Raises:
        InvalidInputError: wrong number of dimensions, NaN or infinity in a map, a NaN threshold,
            a negative area, a connectivity other than 4 and 8.
        InvalidTypeError: another dtype; the message names the cast.
    """
    if operator.index(min_area) < 0:
        raise InvalidInputError(f"min_area must be at least 0, got {min_area}")
    one = isinstance(anomaly_map, np.ndarray) and anomaly_map.ndim != 3
    several = [anomaly_map] if one else anomaly_map
    names = ["anomaly_map"] if one else [f"maps[{i}]" for i in range(len(several))]
    maps = [_float32_map(item, name) for item, name in zip(several, names, strict=True)]
    result: NDArray[np.float32] | list[NDArray[np.float32]]
    if isinstance(anomaly_map, np.ndarray):
        result = np.zeros(anomaly_map.shape, np.float32)  # pages nobody writes are never touched
        out = [result] if one else list(result)
    else:
        result = out = [np.zeros(item.shape, np.float32) for item in maps]
    with _rust_errors():
        _rust.filter_components(
            maps,
            out,
            threshold=float(threshold),
            min_area=min_area,
            min_score=None if min_score is None else float(min_score),
            connectivity=_connectivity(connectivity),
            n_threads=n_threads,
        )
    return result


# --- curves --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PixelMetrics:
    """Pixel-level figures of a whole test set; all NaN where a class is missing.

    Attributes:
        auroc: area under the ROC curve.
        ap: average precision (a sum over steps, not interpolated).
        f1_max: the best F1 that any threshold gives.
        f1_threshold: ``score > f1_threshold`` gives that F1. It lies midway between two adjacent
            scores of the set, in the maps' own precision, so that comparing a float32 map with it
            loses nothing (where no number lies between the two, it is the lower one).
        aupro: area under the PRO curve up to the limit, divided by the limit.
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

    All images count together: every distinct score is a threshold, ties are one step. AUPRO is
    that of MVTec AD's published evaluation (Bergmann et al., "The MVTec Anomaly Detection
    Dataset", IJCV 2021): regions are the 8-connected components of each mask, each weighs the
    same whatever its size, the false-positive rate is taken over all normal pixels of all images,
    good ones included, and the curve is interpolated linearly at ``integration_limit``.

    Args:
        masks: (n, H, W) or n arrays (H, W) of differing sizes, bool or uint8; non-zero is defect.
        maps: anomaly maps of the same shapes, float32 or float64 (never rounded to float32; if
            there are both, float32 maps are widened).
        integration_limit: false-positive rate up to which AUPRO integrates, in (0, 1].
        n_threads: default ``PYIMGANO_NUM_THREADS``, else one per core. It changes no result.

    Returns:
        The figures. Without any defect pixel, or without any normal one, all of them are NaN and
        there is an :class:`~pyimgano.errors.UndefinedMetricWarning`. Extra memory: at most about
        three quarters of the maps' size (some megabytes for small sets) and the runs of one mask
        per thread; typical sets need a tenth of that.

    Raises:
        InvalidInputError: no images, shapes that differ, an empty image, NaN or infinity (the
            message says which image), a limit outside (0, 1].
        InvalidTypeError: another dtype; the message names the cast.
    """
    pixels, scores = _pairs(masks, maps)
    with _rust_errors():
        figures = PixelMetrics(
            *_rust.pixel_metrics(
                pixels, scores, integration_limit=float(integration_limit), n_threads=n_threads
            )
        )
    if np.isnan(figures.auroc):
        _warn_undefined(pixels)
    return figures


def pro_curve(
    masks: Sequence[ArrayLike] | NDArray[Any],
    maps: Sequence[ArrayLike] | NDArray[Any],
    *,
    max_points: int | None = None,
    n_threads: int | None = None,
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """The exact curve of per-region overlap against the false-positive rate.

    Args:
        masks: as for :func:`pixel_metrics`.
        maps: as for :func:`pixel_metrics`.
        max_points: give at most so many vertices, spread evenly along the curve, for plotting.
        n_threads: default ``PYIMGANO_NUM_THREADS``, else one per core.

    Returns:
        ``(fpr, pro, thresholds)``, float64, from (0, 0) to (1, 1): the vertices of the piecewise
        linear curve. Each is what ``score > threshold`` flags; the first threshold is infinity and
        the last one minus infinity, the others are exact in the maps' precision. Points between
        vertices lie on the straight lines. Three arrays of length 0, with an
        :class:`~pyimgano.errors.UndefinedMetricWarning`, if there is no defect pixel or no normal
        one. Extra memory: 48 bytes per distinct defect score besides that of
        :func:`pixel_metrics`.

    Raises:
        InvalidInputError: as for :func:`pixel_metrics`, and ``max_points`` below 2.
        InvalidTypeError: as for :func:`pixel_metrics`.
    """
    if max_points is not None and operator.index(max_points) < 2:
        raise InvalidInputError(f"max_points must be at least 2, got {max_points}")
    pixels, scores = _pairs(masks, maps)
    with _rust_errors():
        fpr, pro, thresholds = _rust.pro_curve(pixels, scores, n_threads=n_threads)
    if not len(fpr):
        _warn_undefined(pixels)
    if max_points is not None and len(fpr) > max_points:
        along = fpr + pro  # both rise: this is the way gone, corner by corner
        kept = np.searchsorted(along, np.linspace(0.0, along[-1], max_points))
        kept = np.unique(np.r_[0, np.minimum(kept[1:-1], len(fpr) - 1), len(fpr) - 1])
        fpr, pro, thresholds = fpr[kept], pro[kept], thresholds[kept]
    return fpr, pro, thresholds


# --- what the functions above take ---------------------------------------------------------------


@contextmanager
def _rust_errors() -> Iterator[None]:
    """Turns the extension's ValueError into this package's."""
    try:
        yield
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(str(error)) from None


def _size(array: NDArray[Any]) -> str:
    return " x ".join(map(str, array.shape))


def _need_image(array: NDArray[Any], name: str) -> None:
    if array.ndim != 2:
        raise InvalidInputError(f"{name} must have the shape (H, W), got {array.shape}")


def _connectivity(number: int) -> int:
    if number not in (4, 8):
        raise InvalidInputError(f"connectivity must be 4 or 8, got {number!r}")
    return int(number)


def _mask(mask: ArrayLike, name: str) -> UInt8Array:
    """A C-contiguous uint8 image of a bool or uint8 one."""
    array = np.asarray(mask)
    if array.dtype == np.bool_:
        array = np.ascontiguousarray(array).view(np.uint8)
    elif array.dtype != np.uint8:
        raise InvalidTypeError(
            f"{name} must be bool or uint8, got {array.dtype}; cast with {name}.astype(bool)"
        )
    _need_image(array, name)
    return np.ascontiguousarray(array)


def _map(scores: ArrayLike, name: str) -> FloatArray:
    """A C-contiguous float32 or float64 image in native byte order."""
    array = np.asarray(scores)
    if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
        raise InvalidTypeError(
            f"{name} must be float32 or float64, got {array.dtype}; "
            f"cast with {name}.astype(np.float32)"
        )
    _need_image(array, name)
    native: FloatArray = np.ascontiguousarray(array, f"f{array.dtype.itemsize}")
    return native


def _float32_map(scores: ArrayLike, name: str) -> Float32Array:
    array = np.asarray(scores)
    if array.dtype.kind != "f" or array.dtype.itemsize != 4:
        raise InvalidTypeError(
            f"{name} must be float32, got {array.dtype}; cast with {name}.astype(np.float32)"
        )
    _need_image(array, name)
    return np.ascontiguousarray(array, np.float32)


def _pairs(
    masks: Sequence[ArrayLike] | NDArray[Any], maps: Sequence[ArrayLike] | NDArray[Any]
) -> tuple[list[UInt8Array], Any]:
    """Masks and maps, checked against each other; the maps all of one precision."""
    for images, name in ((masks, "masks"), (maps, "maps")):
        if isinstance(images, np.ndarray) and images.ndim not in (1, 3):
            raise InvalidInputError(
                f"{name} must be an array (n, H, W) or a sequence of (H, W) arrays, "
                f"got shape {images.shape}"
            )
    if len(masks) != len(maps):
        raise InvalidInputError(f"there are {len(masks)} masks, but {len(maps)} maps")
    if not len(masks):
        raise InvalidInputError("masks and maps hold no images")
    pixels: list[UInt8Array] = []
    scores: list[FloatArray] = []
    for i in range(len(masks)):
        mask, score = _mask(masks[i], f"masks[{i}]"), _map(maps[i], f"maps[{i}]")
        if mask.shape != score.shape:
            raise InvalidInputError(f"masks[{i}] is {_size(mask)}, but maps[{i}] is {_size(score)}")
        if not mask.size:
            raise InvalidInputError(f"masks[{i}] and maps[{i}] are empty ({_size(mask)})")
        pixels.append(mask)
        scores.append(score)
    if any(score.dtype == np.float64 for score in scores):
        return pixels, [score.astype(np.float64, copy=False) for score in scores]
    return pixels, scores


def _warn_undefined(masks: Sequence[UInt8Array]) -> None:
    missing = "normal" if any(mask.any() for mask in masks) else "defect"
    warnings.warn(
        f"there is no {missing} pixel in any mask: pixel metrics are not defined",
        UndefinedMetricWarning,
        stacklevel=3,
    )
