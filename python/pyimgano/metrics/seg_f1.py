"""SegF1: F1 of all pixels together, where a threshold decides."""

import math
import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pyimgano.errors import UndefinedMetricWarning
from pyimgano.kernels import PixelCurves
from pyimgano.metrics.base import MetricInfo, MetricResult
from pyimgano.metrics.class_f1 import f1_of
from pyimgano.metrics.sweep import Pixels, Swept


@dataclass(frozen=True)
class SegF1(Swept):
    """F1 of the pixels of all images at the detector's own level of its maps.

    The best that any threshold gives is ``pixel_f1_max``. Per image it is the F1 of its own pixels,
    undefined where nothing is a defect and nothing is flagged.
    """

    counts_flagged = True
    infos: ClassVar[tuple[MetricInfo, ...]] = (MetricInfo("seg_f1", "SegF1", "pixel"),)

    def result(self, found: PixelCurves, pixels: Pixels) -> MetricResult:
        """Undefined for a detector without a level of its maps, and without a defect pixel."""
        missing = None
        if pixels.threshold is None:
            missing = "the detector has no threshold of its maps"
        elif not found.flagged[:, 2].any():
            missing = "no defect pixel in any mask"
        if missing is not None:
            warnings.warn(f"{missing}: SegF1 is undefined", UndefinedMetricWarning, stacklevel=2)
            return MetricResult({"seg_f1": math.nan})
        hits, flagged, defect = found.flagged.T.astype(np.float64)
        either = flagged + defect
        return MetricResult(
            {"seg_f1": float(2 * hits.sum() / either.sum())},
            per_image={"seg_f1": f1_of(hits, either).tolist()},
            settings={"seg_f1_threshold": pixels.threshold},
            resample=lambda weights: {"seg_f1": f1_of(weights @ hits, weights @ either)},
        )
