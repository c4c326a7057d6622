"""All figures of anomaly maps that one sweep over their pixels gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyimgano import _rust
from pyimgano.errors import InvalidInputError
from pyimgano.kernels.arguments import at_least, threads
from pyimgano.kernels.curves import Curve, PixelMetrics, pairs, thinned, warn_undefined


class DefectPixels(NamedTuple):
    """One defect of an image, for sPRO; those of an image may overlap.

    Attributes
    ----------
    image : int
        Number of its image.
    pixels : ndarray
        int64 (n,): its pixels, counted row by row, each once.
    saturation : int
        How many of them have to be found, 1 to n.
    """

    image: int
    pixels: NDArray[np.int64]
    saturation: int


@dataclass(frozen=True)
class PixelCurves:
    """What :func:`pixel_curves` gives.

    Attributes
    ----------
    metrics : PixelMetrics
        With the AUPRO of the first limit.
    curve : tuple of ndarrays
        As :func:`pro_curve` gives it.
    aupro, spro : dict of float to float
        By limit, the areas under overlap and saturated overlap; all NaN where a class is missing,
        sPRO also without defects.
    aupimo : ndarray
        float64 (n,): NaN for a good image, and where there is no good one; empty without
        `low_rates`.
    flagged : ndarray
        int64 (n, 3): of each image the defect pixels above the threshold, all pixels above it, all
        defect pixels; (0, 3) without a threshold.
    """

    metrics: PixelMetrics
    curve: Curve
    aupro: dict[float, float]
    spro: dict[float, float]
    aupimo: NDArray[np.float64]
    flagged: NDArray[np.int64]


def pixel_curves(
    masks: Sequence[ArrayLike] | NDArray[Any],
    maps: Sequence[ArrayLike] | NDArray[Any],
    *,
    limits: Sequence[float] = (0.3,),
    defects: Sequence[DefectPixels] = (),
    low_rates: tuple[float, float] | None = None,
    threshold: float | None = None,
    max_points: int | None = None,
    n_threads: int | None = None,
) -> PixelCurves:
    """Everything that :func:`pixel_metrics` and :func:`pro_curve` return, and more, in one go.

    Parameters
    ----------
    masks, maps, max_points, n_threads
        As for those two.
    limits
        False-positive rates up to which AUPRO and sPRO integrate, each above 0 and at most 1.
    defects
        The single defects that sPRO counts, of pixels that the masks mark.
    low_rates
        The two false-positive rates that AUPIMO integrates between, such as ``(1e-5, 1e-4)``.
    threshold
        Where to count what is flagged: ``score > threshold``.

    Returns
    -------
    PixelCurves
        With an :class:`~pyimgano.errors.UndefinedMetricWarning` where a class is missing.

    Raises
    ------
    InvalidInputError, InvalidTypeError
        As :func:`pixel_metrics` does; also on limits, rates or defects that cannot be.

    Notes
    -----
    Extra memory: that of the two, 12 or 16 bytes for each defect pixel up to the saturations, and
    32 or 48 bytes for each distinct score of a good image above AUPIMO's higher rate, per thread.

    References
    ----------
    P. Bergmann et al., "Beyond Dents and Scratches", International Journal of Computer Vision 130,
    2022, for saturated overlap; J. P. C. Bertoldo et al., "AUPIMO: Redefining Visual Anomaly
    Detection Benchmarks with High Speed and Low Tolerance", BMVC 2024.
    """
    if max_points is not None:
        max_points = at_least("max_points", max_points, 2)
    pixels, scores = pairs(masks, maps)
    figures, aupro, spro, aupimo, flagged, curve = _rust.pixel_curves(
        pixels,
        scores,
        limits=[float(limit) for limit in limits],
        defects=[_checked(i, one, len(pixels)) for i, one in enumerate(defects)],
        low_rates=low_rates,
        threshold=threshold,
        n_threads=threads(n_threads),
    )
    if np.isnan(figures[0]):
        warn_undefined(pixels)
    return PixelCurves(
        PixelMetrics(*figures),
        thinned(curve, max_points),
        dict(zip(limits, aupro, strict=True)),
        dict(zip(limits, spro, strict=True)),
        np.array(aupimo, np.float64),
        np.array(flagged, np.int64).reshape(-1, 3),
    )


def _checked(i: int, one: DefectPixels, n_images: int) -> DefectPixels:
    if not 0 <= one.image < n_images:
        raise InvalidInputError(f"defects[{i}] is of image {one.image}, but there are {n_images}")
    if not 1 <= one.saturation <= len(one.pixels):
        raise InvalidInputError(
            f"defects[{i}] has {len(one.pixels)} pixels and a saturation of {one.saturation}"
        )
    return DefectPixels(one.image, np.ascontiguousarray(one.pixels, np.int64), one.saturation)
