"""Connected components of masks and anomaly maps."""

from collections.abc import Sequence
from typing import Any, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyimgano import _rust
from pyimgano.errors import InvalidInputError, InvalidTypeError
from pyimgano.kernels.arguments import (
    at_least,
    float32_map,
    image,
    mask_image,
    same_shape,
    score_map,
    threads,
)


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
    pixels = mask_image("mask", mask)
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
        maps = [score_map("anomaly_map", anomaly_map)]
        same_shape("labels", image("labels", numbers), "anomaly_map", maps[0])
    area, box, highest, mean = _rust.component_stats(image("labels", numbers), maps)
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
        Threads to use: 1 to 1,024; default ``PYIMGANO_NUM_THREADS``, else one per core.

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
    min_area = at_least("min_area", min_area, 0)
    whole = anomaly_map if isinstance(anomaly_map, np.ndarray) else None
    if whole is not None and whole.ndim != 3:
        maps = [float32_map("anomaly_map", whole)]
        result: Any = np.zeros(whole.shape, np.float32)
        out = [result]
    else:
        maps = [float32_map(f"maps[{i}]", one) for i, one in enumerate(anomaly_map)]
        # Zeroed pages that the kernel has nothing to write to are never touched.
        if whole is None:
            result = [np.zeros(one.shape, np.float32) for one in maps]
        else:
            result = np.zeros(whole.shape, np.float32)
        out = list(result)
    _rust.filter_components(
        maps,
        out,
        threshold=threshold,
        min_area=min_area,
        min_score=min_score,
        connectivity=_connectivity(connectivity),
        n_threads=threads(n_threads),
    )
    return cast("NDArray[np.float32] | list[NDArray[np.float32]]", result)


def _connectivity(number: Any) -> int:
    if number not in (4, 8):
        raise InvalidInputError(f"connectivity must be 4 or 8, got {number!r}")
    return int(number)
