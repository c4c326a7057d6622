"""The exact kernels: coreset, nearest neighbours, components, curves.

Arrays are taken without a copy where they are C-contiguous, the GIL is released, Ctrl-C works, and
results do not depend on the number of threads or the instruction set.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyimgano import _rust
from pyimgano.errors import InvalidInputError, InvalidTypeError, UndefinedMetricWarning

__all__ = [
    "KnnIndex",
    "PixelMetrics",
    "component_stats",
    "filter_components",
    "greedy_coreset",
    "label_components",
    "pixel_metrics",
    "pro_curve",
]

FloatMap: TypeAlias = NDArray[np.float32] | NDArray[np.float64]


def _integer(name: str, value: Any) -> int:
    """`value` as an int; floats and the like are refused."""
    try:
        return operator.index(value)
    except TypeError:
        raise InvalidTypeError(f"{name} must be an int, got {type(value).__name__}") from None


def _at_least(name: str, value: Any, least: int) -> int:
    number = _integer(name, value)
    if number < least:
        raise InvalidInputError(f"{name} must be at least {least}, got {number}")
    return number


def _threads(n_threads: int | None) -> int | None:
    return None if n_threads is None else _at_least("n_threads", n_threads, 1)


def _float32_rows(name: str, values: ArrayLike) -> NDArray[np.float32]:
    """A C-contiguous float32 matrix; copied only where `values` is not one already."""
    array = np.asarray(values)
    if array.dtype != np.float32 or not array.dtype.isnative:
        raise InvalidTypeError(
            f"{name} must be float32, got {array.dtype}: cast with {name}.astype(np.float32)"
        )
    if array.ndim != 2:
        raise InvalidInputError(f"{name} must be 2-dimensional, got shape {array.shape}")
    return np.require(array, requirements=["C", "A"])


def _group_ids(groups: ArrayLike | None) -> NDArray[np.int64] | None:
    """One int64 id per row."""
    if groups is None:
        return None
    array = np.asarray(groups)
    if array.dtype.kind not in "iub" and array.size:
        raise InvalidTypeError(
            f"groups must be integers, got {array.dtype}: number them with "
            "np.unique(groups, return_inverse=True)[1]"
        )
    if array.ndim != 1:
        raise InvalidInputError(f"groups must be 1-dimensional, got shape {array.shape}")
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
        raise InvalidInputError("groups must fit int64")
    return np.require(array, dtype=np.int64, requirements=["C", "A"])


def greedy_coreset(
    features: ArrayLike,
    n_samples: int,
    *,
    start: int | None = None,
    random_state: int | np.random.Generator | None = None,
    n_threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> NDArray[np.int64]:
    """Greedy k-center selection: the rows that a PatchCore memory bank keeps.

    Beginning with `start`, the row farthest from everything picked so far is picked next, until
    there are `n_samples`. The result is that of the plain algorithm, exactly: distances that decide
    are float64, of equally far rows the lowest is picked first, and no row is picked twice (where
    all rows left are copies of picked ones, the lowest is next).

    Parameters
    ----------
    features : array-like of float32, shape (n, d)
        Finite values of any magnitude. Used in place where C-contiguous, never written to.
    n_samples : int
        Number of rows to pick, 1 to n.
    start : int, optional
        The first pick. Drawn from `random_state` if not given.
    random_state : int, numpy.random.Generator or None
        Where `start` is drawn from; None draws a new one each time. Unused if `start` is given.
    n_threads : int, optional
        Threads to use: default ``PYIMGANO_NUM_THREADS``, else one per core.
    progress : callable, optional
        Called a few times a second as ``progress(done, total)`` in picks, from the calling thread.
        What it raises ends the selection and propagates.

    Returns
    -------
    ndarray of int64, shape (n_samples,)
        Row numbers in pick order.

    Raises
    ------
    InvalidInputError
        (a ValueError) on a bad shape, no rows, NaN or infinity, and numbers out of range.
    InvalidTypeError
        (a TypeError) if `features` is not float32; the message names the cast.

    Notes
    -----
    The features are not copied. Extra memory: 8 bytes per row of `features`, and per pick.

    References
    ----------
    T. Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical Computer
    Science 38, 1985; used for memory banks by K. Roth et al., "Towards Total Recall in Industrial
    Anomaly Detection", CVPR 2022, section 3.2 and algorithm 1.

    Examples
    --------
    >>> points = np.array([[0.0], [1.0], [5.0], [10.0]], dtype=np.float32)
    >>> greedy_coreset(points, 3, start=0)
    array([0, 3, 2])
    """
    rows = _float32_rows("features", features)
    n_samples = _at_least("n_samples", n_samples, 1)
    if start is None:
        if len(rows) == 0:
            raise InvalidInputError(f"features must have at least one row, got shape {rows.shape}")
        start = int(np.random.default_rng(random_state).integers(len(rows)))
    else:
        start = _at_least("start", start, 0)
    return _rust.greedy_coreset(rows, n_samples, start, _threads(n_threads), progress)


class KnnIndex:
    """Exact Euclidean nearest neighbours in a bank of rows.

    Parameters
    ----------
    bank : array-like of float32, shape (n, d)
        The rows to search, finite, at least one. The index keeps its own copy.
    groups : array-like of int, shape (n,), optional
        An id per row. A query skips the rows of its own group: a training image's patches can so
        be scored against those of all other images.
    n_threads : int, optional
        Threads to build with: default ``PYIMGANO_NUM_THREADS``, else one per core.

    Raises
    ------
    InvalidInputError
        (a ValueError) on a bad shape, no rows, NaN or infinity.
    InvalidTypeError
        (a TypeError) if `bank` is not float32; the message names the cast.

    Notes
    -----
    Extra memory: a copy of `bank`, and 8 bytes per row with `groups`.

    Examples
    --------
    >>> index = KnnIndex(np.array([[0.0], [3.0], [10.0]], dtype=np.float32))
    >>> distances, indices = index.query(np.array([[4.0]], dtype=np.float32), k=2)
    >>> distances, indices
    (array([[1., 4.]], dtype=float32), array([[1, 0]]))
    """

    def __init__(
        self,
        bank: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        n_threads: int | None = None,
    ) -> None:
        rows, ids = _float32_rows("bank", bank), _group_ids(groups)
        self._index = _rust.KnnIndex(rows, ids, _threads(n_threads))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the bank."""
        return self._index.shape

    def query(
        self,
        queries: ArrayLike,
        k: int = 1,
        *,
        groups: ArrayLike | None = None,
        n_threads: int | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The `k` nearest rows of the bank for each query, nearest first.

        Parameters
        ----------
        queries : array-like of float32, shape (m, d)
            Finite values; m may be 0.
        k : int
            Neighbours per query, at least 1; may exceed the number of rows.
        groups : array-like of int, shape (m,), optional
            An id per query, exactly where the bank has groups: its rows of that id are skipped.
        n_threads : int, optional
            Threads to use: default ``PYIMGANO_NUM_THREADS``, else one per core.

        Returns
        -------
        distances : ndarray of float32, shape (m, k)
            Euclidean, not squared, in the unit of the rows: float64 sums of squared differences,
            rounded at the end. Infinity where fewer than `k` rows are eligible, and for distances
            beyond float32's range.
        indices : ndarray of int64, shape (m, k)
            Row numbers in the bank; equal distances by the lower one. -1 where fewer than `k` rows
            are eligible.

        Raises
        ------
        InvalidInputError
            (a ValueError) on a bad shape, NaN or infinity, `k` below 1, groups on one side only.
        InvalidTypeError
            (a TypeError) if `queries` is not float32; the message names the cast.

        Notes
        -----
        Extra memory: the result, and 16 `k` bytes per thread.
        """
        rows, ids = _float32_rows("queries", queries), _group_ids(groups)
        return self._index.query(rows, _at_least("k", k, 1), ids, _threads(n_threads))


# Connected components


def label_components(mask: ArrayLike, connectivity: int = 8) -> tuple[NDArray[np.int32], int]:
    """Number the connected components of a mask.

    Parameters
    ----------
    mask : array-like of bool or uint8, shape (H, W)
        Any non-zero pixel is foreground.
    connectivity : int
        8, or 4 to leave out the diagonals.

    Returns
    -------
    labels : ndarray of int32, shape (H, W)
        0 for background, then 1, 2, ... in raster order of the components' first pixels.
    count : int
        How many components there are.

    Raises
    ------
    InvalidInputError
        (a ValueError) if `mask` is not 2-dimensional or `connectivity` is neither 4 nor 8.
    InvalidTypeError
        (a TypeError) on another dtype; the message names the cast.

    Notes
    -----
    Extra memory: 16 bytes per horizontal run of foreground, at worst 8 bytes per pixel.

    Examples
    --------
    >>> labels, count = label_components(np.array([[1, 0, 1], [0, 0, 1]], dtype=np.uint8))
    >>> labels, count
    (array([[1, 0, 2],
           [0, 0, 2]], dtype=int32), 2)
    """
    pixels = _mask("mask", mask)
    labels = np.zeros(pixels.shape, np.int32)
    return labels, _rust.label_components(pixels, labels, _connectivity(connectivity))


def component_stats(labels: ArrayLike, anomaly_map: ArrayLike | None = None) -> NDArray[np.void]:
    """Size, box and scores of each component of a labelled image.

    Parameters
    ----------
    labels : array-like of int32, shape (H, W)
        As :func:`label_components` gives them; a number may be missing.
    anomaly_map : array-like of float32 or float64, shape (H, W), optional
        Scores of the pixels.

    Returns
    -------
    ndarray, shape (largest label,)
        Structured: row i is about label i + 1. Fields: ``area`` in pixels; ``box``, four int32:
        left, top, width, height, as in OpenCV; ``max`` and ``mean`` of the scores, NaN without a
        map. The row of a missing number has area 0, an all-zero box and NaN.

    Raises
    ------
    InvalidInputError
        (a ValueError) if shapes differ, a label is negative or above the number of pixels, or the
        map holds NaN or infinity.
    InvalidTypeError
        (a TypeError) on another dtype; the message names the cast.

    Notes
    -----
    Extra memory: 40 bytes per label.
    """
    numbers = np.asarray(labels)
    if numbers.dtype != np.int32 or not numbers.dtype.isnative:
        raise InvalidTypeError(
            f"labels must be int32, got {numbers.dtype}: cast with labels.astype(np.int32)"
        )
    maps: Any = []
    if anomaly_map is not None:
        maps = [_map("anomaly_map", anomaly_map)]
        _same_shape("labels", _image("labels", numbers), "anomaly_map", maps[0])
    area, box, highest, mean = _rust.component_stats(_image("labels", numbers), maps)
    stats = np.empty(len(area), STATS_DTYPE)
    known = (area > 0) & bool(maps)
    stats["area"], stats["box"] = area, box
    stats["max"] = np.where(known, highest, np.nan)
    stats["mean"] = np.where(known, mean, np.nan)
    return stats


STATS_DTYPE = np.dtype(
    [("area", np.int64), ("box", np.int32, (4,)), ("max", np.float64), ("mean", np.float64)]
)


@overload
def filter_components(
    anomaly_map: NDArray[np.float32],
    *,
    threshold: float,
    min_area: int = 0,
    min_score: float | None = None,
    connectivity: int = 8,
    n_threads: int | None = None,
) -> NDArray[np.float32]: ...
@overload
def filter_components(
    anomaly_map: Sequence[NDArray[np.float32]],
    *,
    threshold: float,
    min_area: int = 0,
    min_score: float | None = None,
    connectivity: int = 8,
    n_threads: int | None = None,
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

    Foreground is every pixel above `threshold`. A component stays if its area is at least
    `min_area` and its highest score at least `min_score`; every other pixel becomes 0, whether or
    not anything was found.

    Parameters
    ----------
    anomaly_map : ndarray of float32, shape (H, W)
        Or several maps, filtered in parallel: an (n, H, W) array gives such an array, a sequence of
        (H, W) arrays, whose sizes may differ, gives a list.
    threshold, min_score : float
        Compared in float32, as NumPy compares a float32 map with a Python number.
    min_area : int
        In pixels.
    connectivity : int
        8, or 4 to leave out the diagonals.
    n_threads : int, optional
        Threads to use: default ``PYIMGANO_NUM_THREADS``, else one per core.

    Returns
    -------
    ndarray of float32, or a list of them
        New arrays of the shapes given.

    Raises
    ------
    InvalidInputError
        (a ValueError) on a bad shape, NaN or infinity in a map, NaN as a threshold, a negative
        area, a `connectivity` other than 4 and 8.
    InvalidTypeError
        (a TypeError) if a map is not float32; the message names the cast.

    Notes
    -----
    Extra memory: the result, and per thread 16 bytes per horizontal run of foreground in one map,
    at worst 8 bytes per pixel.

    Examples
    --------
    >>> noisy = np.array([[0.9, 0.8, 0.0, 0.6]], dtype=np.float32)
    >>> filter_components(noisy, threshold=0.5, min_area=2)
    array([[0.9, 0.8, 0. , 0. ]], dtype=float32)
    """
    min_area = _at_least("min_area", min_area, 0)
    whole = anomaly_map if isinstance(anomaly_map, np.ndarray) else None
    if whole is not None and whole.ndim != 3:
        maps = [_float32_map("anomaly_map", whole)]
        result: Any = np.zeros(whole.shape, np.float32)
        out = [result]
    else:
        maps = [_float32_map(f"maps[{i}]", one) for i, one in enumerate(anomaly_map)]
        # Zeroed in one go: pages that the kernel has nothing to write to are never touched.
        result = [np.zeros(m.shape, np.float32) for m in maps]
        if whole is not None:
            result = np.zeros(whole.shape, np.float32)
        out = list(result)
    _rust.filter_components(
        maps,
        out,
        threshold=threshold,
        min_area=min_area,
        min_score=min_score,
        connectivity=_connectivity(connectivity),
        n_threads=_threads(n_threads),
    )
    return cast("NDArray[np.float32] | list[NDArray[np.float32]]", result)


# Curves


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
        Threads to use: default ``PYIMGANO_NUM_THREADS``, else one per core.

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
    Extra memory: at most three quarters of the maps' size (or a few MB for small sets), typically
    a tenth, and the runs of one mask per thread.

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
    pixels, scores = _pairs(masks, maps)
    figures = _rust.pixel_metrics(
        pixels, scores, integration_limit=integration_limit, n_threads=_threads(n_threads)
    )
    if np.isnan(figures[0]):
        _warn_undefined(pixels)
    return PixelMetrics(*figures)


def pro_curve(
    masks: Sequence[ArrayLike] | NDArray[Any],
    maps: Sequence[ArrayLike] | NDArray[Any],
    *,
    max_points: int | None = None,
    n_threads: int | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The exact curve of per-region overlap (PRO) against the false-positive rate.

    Parameters
    ----------
    masks, maps
        As for :func:`pixel_metrics`.
    max_points : int, optional
        Give at most so many of the vertices, spread evenly along the curve, for plotting.
    n_threads : int, optional
        Threads to use: default ``PYIMGANO_NUM_THREADS``, else one per core.

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
        max_points = _at_least("max_points", max_points, 2)
    pixels, scores = _pairs(masks, maps)
    fpr, pro, thresholds = _rust.pro_curve(pixels, scores, n_threads=_threads(n_threads))
    if not len(fpr):
        _warn_undefined(pixels)
    if max_points is not None and len(fpr) > max_points:
        way = fpr + pro  # both only rise: how far along the curve, corner by corner
        kept = np.searchsorted(way, np.linspace(0, way[-1], max_points)).clip(max=len(fpr) - 1)
        kept[0], kept[-1] = 0, len(fpr) - 1
        kept = np.unique(kept)
        fpr, pro, thresholds = fpr[kept], pro[kept], thresholds[kept]
    return fpr, pro, thresholds


def _connectivity(number: Any) -> int:
    if number not in (4, 8):
        raise InvalidInputError(f"connectivity must be 4 or 8, got {number!r}")
    return int(number)


def _image(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim != 2:
        raise InvalidInputError(f"{name} must have shape (H, W), got shape {array.shape}")
    return np.require(array, requirements=["C", "A"])


def _mask(name: str, mask: ArrayLike) -> NDArray[np.uint8]:
    """A C-contiguous uint8 image; copied only where `mask` is not one already."""
    array = np.asarray(mask)
    if array.dtype not in (np.bool_, np.uint8):
        raise InvalidTypeError(
            f"{name} must be bool or uint8, got {array.dtype}: cast with {name}.astype(bool)"
        )
    return _image(name, array).view(np.uint8)


def _map(name: str, scores: ArrayLike) -> FloatMap:
    """A C-contiguous float32 or float64 image; copied only where `scores` is not one already."""
    array = np.asarray(scores)
    if array.dtype not in (np.float32, np.float64) or not array.dtype.isnative:
        raise InvalidTypeError(
            f"{name} must be float32 or float64, got {array.dtype}: "
            f"cast with {name}.astype(np.float32)"
        )
    return _image(name, array)


def _float32_map(name: str, scores: ArrayLike) -> NDArray[np.float32]:
    array = np.asarray(scores)
    if array.dtype != np.float32 or not array.dtype.isnative:
        raise InvalidTypeError(
            f"{name} must be float32, got {array.dtype}: cast with {name}.astype(np.float32)"
        )
    return _image(name, array)


def _same_shape(name: str, one: NDArray[Any], other_name: str, other: NDArray[Any]) -> None:
    if one.shape != other.shape:
        raise InvalidInputError(
            f"{name} and {other_name} must have one shape, got {one.shape} and {other.shape}"
        )


def _pairs(
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
        pixels.append(_mask(f"masks[{i}]", masks[i]))
        scores.append(_map(f"maps[{i}]", maps[i]))
        _same_shape(f"masks[{i}]", pixels[i], f"maps[{i}]", scores[i])
        if pixels[i].size == 0:
            raise InvalidInputError(f"maps[{i}] has no pixels: shape {scores[i].shape}")
    if any(one.dtype == np.float64 for one in scores):
        return pixels, [one.astype(np.float64, copy=False) for one in scores]
    return pixels, scores


def _warn_undefined(masks: Sequence[NDArray[np.uint8]]) -> None:
    missing = "normal" if any(mask.any() for mask in masks) else "defect"
    warnings.warn(
        f"no {missing} pixel in any mask: pixel metrics are undefined",
        UndefinedMetricWarning,
        stacklevel=3,
    )
