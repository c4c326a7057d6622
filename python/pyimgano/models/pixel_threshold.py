"""The pixel threshold: a level of maps by how much of a good image may exceed it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, ThresholdWarning
from pyimgano.kernels import component_stats, label_components
from pyimgano.models.parameters import PIXEL_TARGETS
from pyimgano.models.threshold import percent
from pyimgano.postprocess.anomaly_map import AnomalyMapPostprocess
from pyimgano.utils.text import counted

#: What a target counts: pixels as a share of the image, or regions.
Unit = Literal["pixels", "regions"]
#: Of a map this many highest values are known one by one, those below in steps of a 256th.
_EXACT, _STEPS = 1024, 256
#: Highest places of a map that are kept; an image with more counts as if it had all of them.
_MOST_PEAKS = 4096
#: With few images one counts at most so many times the target.
_LEAST_CAP = 10


@dataclass(frozen=True)
class PixelThreshold:
    """A level of maps from good images that were held out: a mask is ``map > value``.

    The maps are those after the post-processing that is attached. It is the lowest level at which

        (sum of min(L_i, cap) + cap) / (n + 1) <= target,

    where L_i is what of image i exceeds the level: its share of pixels, or its number of regions.
    This is conformal risk control. If the n images and a further good one are exchangeable, the
    mean of min(L, cap) of the further one, over the draw of all n + 1, is at most ``target``,
    whatever the maps look like. Images are exchangeable, pixels of one image are not: so the
    promise is on the mean over images, and says nothing of single pixels or of one image.

    An image cannot count more than ``cap``, or few images could promise nothing: without it (1,
    the whole image) a mean share of 0.001 takes 999 of them. It falls with n: half of
    ``target * (n + 1)``, yet at least ten times the target and at most 1 for pixels, at least one
    region for regions. It follows that a further good image reaches the cap with a probability of
    at most ``target / cap``.

    Attributes
    ----------
    value
        Level of the maps, in the units after post-processing; infinity, which no pixel exceeds,
        where ``n`` is below :attr:`n_needed`.
    of
        ``"pixels"``: L is a share of the image's pixels, from 0 to 1. ``"regions"``: L is a number
        of 8-connected regions. They are counted by the peaks of the map above the level, of
        which each region has one at least.
    target
        Mean that was asked for, in (0, 1).
    n
        Good images; such that show the same picture count once.

    References
    ----------
    A. N. Angelopoulos, S. Bates, A. Fisch, L. Lei, T. Schuster, "Conformal Risk Control", ICLR
    2024 (arXiv 2208.02814), section 2.1, theorem 1.

    Examples
    --------
    >>> found = PixelThreshold(7.5, "pixels", 0.001, 39)
    >>> round(found.cap, 6), found.n_needed
    (0.02, 9)
    >>> found.mask(np.array([[7.0, 8.0]], np.float32))
    array([[  0, 255]], dtype=uint8)
    """

    value: float
    of: Unit
    target: float
    n: int

    @property
    def cap(self) -> float:
        """What one image counts at most."""
        return self.target * self._capped_at

    @property
    def n_needed(self) -> int:
        """The fewest images with which ``value`` is finite."""
        least = min(_LEAST_CAP, 1 / self.target) if self.of == "pixels" else 1 / self.target
        return max(1, math.ceil(round(least, 9)) - 1)

    @property
    def budget(self) -> float:
        """What all n images together may count; below 0 where they are too few."""
        return self.target * round(self.n + 1 - self._capped_at, 9)

    @property
    def _capped_at(self) -> float:
        """The cap in targets."""
        whole = 1 / self.target
        half = (self.n + 1) / 2
        return min(whole, max(_LEAST_CAP, half)) if self.of == "pixels" else max(whole, half)

    def mask(self, processed: NDArray[np.float32]) -> NDArray[np.uint8]:
        """uint8 (H, W): 255 where a map, after post-processing, exceeds the level, else 0."""
        return np.where(processed > np.float32(self.value), np.uint8(255), np.uint8(0))

    def describe(self) -> str:
        """One or two sentences for people."""
        images = counted(self.n, "image")
        if math.isinf(self.value):
            what = percent(self.target) if self.of == "pixels" else f"{self.target:g} regions"
            return f"masks are empty: {what} takes {self.n_needed} good images, here are {self.n}"
        if self.of == "regions":
            said = f"about {self.target:g} false regions per good image at most"
            return f"{said}, of which one image counts up to {self.cap:.3g} ({images})"
        said = f"on average at most {percent(self.target)} of a good image's pixels"
        if self.cap >= 1:
            return f"{said} ({images})"
        return f"{said}, an image counting as {percent(self.cap)} at most ({images})"

    def to_json(self) -> dict[str, Any]:
        """Plain data, with null for infinity."""
        value = self.value if math.isfinite(self.value) else None
        plain = {"value": value, "of": self.of, "target": self.target, "n_images": self.n}
        return {**plain, "cap": self.cap, "n_needed": self.n_needed}


def asks_for_pixels(detector: Any) -> bool:
    """Whether the parameters of a detector ask for a pixel threshold."""
    return any(getattr(detector, name, None) is not None for name in PIXEL_TARGETS)


class GoodMaps:
    """Maps of good images that were held out, one after the other; of each a few kB are kept.

    ``false_pixels`` or ``false_regions`` is the target, the other None; ``postprocess`` is what the
    detector's masks are made after.
    """

    def __init__(
        self,
        false_pixels: float | None,
        false_regions: float | None,
        postprocess: AnomalyMapPostprocess | None,
    ) -> None:
        self._unit: Unit = "pixels" if false_regions is None else "regions"
        target = false_pixels if false_regions is None else false_regions
        if target is None or (false_pixels is not None and false_regions is not None):
            raise InvalidInputError("give one of false_pixels and false_regions")
        name = f"false_{self._unit}"
        self._target = float(PIXEL_TARGETS[name].check(name, target))
        self._postprocess = postprocess
        self._curves: list[_Curve] = []

    @classmethod
    def asked_for(cls, detector: Any) -> GoodMaps | None:
        """For a detector by its parameters; None where none of the two asks for a threshold."""
        if not asks_for_pixels(detector):
            return None
        return cls(detector.false_pixels, detector.false_regions, detector.postprocess_)

    def add(self, anomaly_map: NDArray[np.float32]) -> None:
        """Take the next map, float32 (H, W), before post-processing."""
        if self._postprocess is not None:
            anomaly_map = self._postprocess(anomaly_map)
        made = _pixels_above if self._unit == "pixels" else _peaks_above
        self._curves.append(made(anomaly_map))

    def threshold(
        self,
        *,
        groups: NDArray[np.int64] | None = None,
        used: NDArray[np.int64] | None = None,
        of: str = "training",
        stacklevel: int = 2,
    ) -> PixelThreshold:
        """The threshold, with a :class:`ThresholdWarning` where it is infinite.

        Parameters
        ----------
        groups
            int64, one for each image: images of one group show the same picture and count once, by
            the first of them. None: each is a group of its own.
        used
            int64, numbers of the images that count; None: all.
        of, stacklevel
            What kind of images they are, and the place to point at, for the warning.
        """
        numbers = np.arange(len(self._curves)) if used is None else used
        if groups is not None:
            numbers = numbers[np.unique(groups[numbers], return_index=True)[1]]
        curves = [self._curves[i] for i in numbers]
        asked = PixelThreshold(math.inf, self._unit, self._target, len(curves))
        value = _lowest(curves, asked.cap, asked.budget)
        if math.isinf(value):
            warnings.warn(
                f"pixel_threshold_ is infinite, masks are empty: false_{self._unit}"
                f"={self._target:g} takes {asked.n_needed} {of} images, here are {asked.n}",
                ThresholdWarning,
                stacklevel=stacklevel,
            )
        return PixelThreshold(value, self._unit, self._target, len(curves))


@dataclass(frozen=True, eq=False)
class _Curve:
    """What of one map exceeds a level; between the levels that are known it is not less.

    ``levels`` fall; ``losses[i]`` holds from ``levels[i]`` up to the level before it, its last
    entry below them all.
    """

    levels: NDArray[np.float32]
    losses: NDArray[np.float64]

    def at(self, level: float) -> float:
        return float(self.losses[np.searchsorted(-self.levels, -level, side="left")])


def _pixels_above(processed: NDArray[np.float32]) -> _Curve:
    values = np.sort(processed, axis=None)[::-1]
    n = len(values)
    ranks = np.arange(min(n, _EXACT))
    if n > _EXACT:
        steps = math.ceil(_STEPS * math.log(n / _EXACT))
        further = np.geomspace(_EXACT, n - 1, steps + 2).astype(np.int64)
        ranks = np.unique(np.concatenate([ranks, further]))
    return _Curve(values[ranks], np.append(ranks / n, 1.0))


def _peaks_above(processed: NDArray[np.float32]) -> _Curve:
    """By the map's peaks, for the number of regions itself may rise with the level."""
    around = cv2.dilate(processed, np.ones((3, 3), np.uint8))
    labels, count = label_components(processed == around)
    heights = np.sort(component_stats(labels, processed)["max"])[::-1].astype(np.float32)
    kept = heights[:_MOST_PEAKS]
    return _Curve(kept, np.append(np.arange(len(kept), dtype=np.float64), float(count)))


def _lowest(curves: Sequence[_Curve], cap: float, budget: float) -> float:
    """The lowest level at which the images together count no more than the budget."""
    if not curves or budget < 0:
        return math.inf
    levels = np.unique(np.concatenate([curve.levels for curve in curves]))
    # At the highest level nothing counts.
    low, high = 0, len(levels) - 1
    while low < high:
        middle = (low + high) // 2
        if math.fsum(min(c.at(levels[middle]), cap) for c in curves) <= budget:
            high = middle
        else:
            low = middle + 1
    return float(levels[high])
