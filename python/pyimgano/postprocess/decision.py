"""Where the defects of an image are, given the decision on the image.

The score decides. An image above the threshold has at least one region, and an image that is ok has
none: regions, outlines and counts all come from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.postprocess.regions import DEFAULT_LIMIT, Regions, find_regions
from pyimgano.types import Prediction


@dataclass(frozen=True)
class RegionRule:
    """The level above which the map of a defect image shows regions.

    Attributes
    ----------
    map_threshold
        The level of a detector's ``map_threshold_``; infinity where it has none.
    map_level
        The map's level on normal surface, ``map_level_``; None where it is not known.
    """

    map_threshold: float = math.inf
    map_level: float | None = None

    @classmethod
    def of(cls, detector: Any) -> Self:
        """The rule of a fitted detector, as far as it knows the level of its maps."""
        return cls(
            float(getattr(detector, "map_threshold_", math.inf)),
            getattr(detector, "map_level_", None),
        )

    def level(self, prediction: Prediction) -> float:
        """What a map must exceed to show a region; infinity for an image that is ok.

        It is ``map_threshold`` where the map exceeds that. A map that stays below it, although the
        score is above the threshold, is cut half-way between normal surface and its peak.

        Parameters
        ----------
        prediction
            With an anomaly map.

        Raises
        ------
        InvalidInputError
            There is no map, or it holds NaN or infinity.
        """
        anomaly_map = prediction.anomaly_map
        if anomaly_map is None or anomaly_map.size == 0:
            raise InvalidInputError("regions need an anomaly map: this prediction has none")
        peak, lowest = float(anomaly_map.max()), float(anomaly_map.min())
        if not math.isfinite(peak - lowest):
            raise InvalidInputError("the anomaly map holds values that are not finite")
        if not prediction.label:
            return math.inf
        # Compared as the pixels will be, in float32.
        if peak > (level := _float32(self.map_threshold)):
            return level
        known = self.map_level is not None and self.map_level < peak
        surface = float(self.map_level or 0.0) if known else lowest
        level = _float32(surface + (peak - surface) / 2)
        return level if level < peak else float(np.nextafter(np.float32(peak), np.float32(-np.inf)))

    def regions(self, prediction: Prediction, *, limit: int = DEFAULT_LIMIT) -> Regions:
        """The regions of an image: at least one if its label is 1, else none.

        Parameters
        ----------
        prediction
            With an anomaly map.
        limit
            As for :func:`~pyimgano.postprocess.find_regions`.
        """
        level = self.level(prediction)
        assert prediction.anomaly_map is not None
        return find_regions(prediction.anomaly_map, level, limit=limit)

    def marked(self, prediction: Prediction) -> NDArray[np.bool_]:
        """The pixels of all regions, bool (H, W)."""
        level = self.level(prediction)
        assert prediction.anomaly_map is not None
        return np.asarray(prediction.anomaly_map > level)


def _float32(value: float) -> float:
    with np.errstate(over="ignore"):  # beyond float32 it is infinity, which no pixel exceeds
        return float(np.float32(value))
