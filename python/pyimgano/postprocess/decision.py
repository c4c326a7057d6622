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
from pyimgano.kernels import label_components
from pyimgano.postprocess.regions import DEFAULT_LIMIT, Regions, find_regions
from pyimgano.types import Prediction


@dataclass(frozen=True)
class RegionRule:
    """What shows on the map of a defect image, by the levels of a detector's maps.

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

    def regions(self, prediction: Prediction, *, limit: int = DEFAULT_LIMIT) -> Regions:
        """The regions of an image: at least one if its label is 1, else none.

        They are where the map exceeds ``map_threshold``. If the map stays below that, although the
        score is above the threshold, it is the one region around the map's peak that exceeds half
        the way from normal surface to the peak.

        Parameters
        ----------
        prediction
            With an anomaly map.
        limit
            As for :func:`~pyimgano.postprocess.find_regions`.

        Raises
        ------
        InvalidInputError
            There is no map, or it holds NaN or infinity.
        """
        return find_regions(*self.cut(prediction), limit=limit)

    def marked(self, prediction: Prediction) -> NDArray[np.bool_]:
        """The pixels of all regions, bool (H, W); as for :meth:`regions`."""
        anomaly_map, level = self.cut(prediction)
        return np.asarray(anomaly_map > level)

    def cut(self, prediction: Prediction) -> tuple[NDArray[np.float32], float]:
        """A map and a level that it exceeds in the regions and nowhere else; infinity if it is ok.

        Raises as :meth:`regions` does.
        """
        anomaly_map = prediction.anomaly_map
        if anomaly_map is None or anomaly_map.size == 0:
            raise InvalidInputError("regions need an anomaly map: this prediction has none")
        peak, lowest = float(anomaly_map.max()), float(anomaly_map.min())
        if not math.isfinite(peak - lowest):
            raise InvalidInputError("the anomaly map holds values that are not finite")
        if not prediction.label:
            return anomaly_map, math.inf
        # Compared as the pixels will be, in float32.
        if peak > (level := _float32(self.map_threshold)):
            return anomaly_map, level
        known = self.map_level is not None and self.map_level < peak
        surface = float(self.map_level or 0.0) if known else lowest
        level = _float32(surface + (peak - surface) / 2)
        if level >= peak:
            level = float(np.nextafter(np.float32(peak), np.float32(-np.inf)))
        labels, _ = label_components(anomaly_map > level)
        around_peak = labels == labels.flat[int(np.argmax(anomaly_map))]
        return np.where(around_peak, anomaly_map, np.float32(level)), level


def _float32(value: float) -> float:
    with np.errstate(over="ignore"):  # beyond float32 it is infinity, which no pixel exceeds
        return float(np.float32(value))
