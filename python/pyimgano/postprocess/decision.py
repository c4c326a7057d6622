"""Where the defects of an image are, given the decision on the image.

The score decides. An image above the threshold has at least one region, and an image that is ok has
none: regions, outlines and counts all come from here.
"""

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.kernels import label_components
from pyimgano.postprocess.anomaly_map import AnomalyMapPostprocess
from pyimgano.postprocess.regions import DEFAULT_LIMIT, Regions, find_regions
from pyimgano.types import Prediction


@dataclass(frozen=True)
class RegionRule:
    """What shows on the map of a defect image, by the levels of a detector's maps.

    Attributes
    ----------
    map_threshold, map_level
        The detector's ``map_threshold_``, infinity where it has none, and its ``map_level_``, the
        level on normal surface; None where it is not known.
    postprocess
        Makes the maps that are decided by and shown, and that both levels go with; None: the maps
        stay as they are.
    """

    map_threshold: float = math.inf
    map_level: float | None = None
    postprocess: AnomalyMapPostprocess | None = None

    @classmethod
    def of(cls, detector: Any) -> Self:
        """The rule of a fitted detector, as far as it knows the level of its maps."""
        threshold = float(getattr(detector, "map_threshold_", math.inf))
        level = getattr(detector, "map_level_", None)
        postprocess = getattr(detector, "postprocess_", None)
        if postprocess is not None:
            threshold = postprocess.level(threshold)
            level = None if level is None else postprocess.level(level)
        return cls(threshold, level, postprocess)

    def applied(self, anomaly_map: NDArray[np.float32]) -> NDArray[np.float32]:
        """The map that regions and pictures are made of, float32 (H, W).

        Metrics take raw maps, never this one.
        """
        return anomaly_map if self.postprocess is None else self.postprocess(anomaly_map)

    def regions(self, prediction: Prediction, *, limit: int = DEFAULT_LIMIT) -> Regions:
        """The regions of an image: at least one if its label is 1, else none.

        They are where the map, after post-processing, exceeds ``map_threshold``. If it stays below
        that, although the score is above the threshold, it is the one region around the peak of the
        map before post-processing that exceeds half the way from normal surface to the peak.

        ``limit`` is as for :func:`~pyimgano.postprocess.find_regions`. A map that is missing, or
        holds NaN or infinity, is an InvalidInputError.
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
        if not math.isfinite(float(anomaly_map.max()) - float(anomaly_map.min())):
            raise InvalidInputError("the anomaly map holds values that are not finite")
        shown = self.applied(anomaly_map)
        if not prediction.label:
            return shown, math.inf
        # Compared as the pixels will be, in float32.
        if float(shown.max()) > (level := _float32(self.map_threshold)):
            return shown, level
        if self.postprocess is not None:
            anomaly_map = self.postprocess.scale_alone(anomaly_map)
        return self._around_peak(anomaly_map)

    def _around_peak(self, anomaly_map: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        peak, lowest = float(anomaly_map.max()), float(anomaly_map.min())
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
