"""AUPIMO: how much of each defective image is found where next to nothing of good ones is."""

import math
import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pyimgano.errors import UndefinedMetricWarning
from pyimgano.kernels import PixelCurves
from pyimgano.metrics.base import MetricInfo, MetricResult
from pyimgano.metrics.sweep import Pixels, Swept

#: The false-positive rates that the paper integrates between.
LOW_RATES = (1e-5, 1e-4)


@dataclass(frozen=True)
class Aupimo(Swept):
    """Mean area under the per-image overlap curves, at false-positive rates of 1e-5 to 1e-4.

    The rate is the mean over the *good* images of the share of each that is flagged. Of each
    defective image the share of its defect pixels that is flagged is integrated over the logarithm
    of that rate, and divided by ``ln(10)``. Exact: every score is a threshold; where scores of good
    images and defects are tied, overlap rises in a straight line with the rate.

    References
    ----------
    J. P. C. Bertoldo et al., "AUPIMO: Redefining Visual Anomaly Detection Benchmarks with High
    Speed and Low Tolerance", BMVC 2024.
    """

    low_rates = LOW_RATES
    infos: ClassVar[tuple[MetricInfo, ...]] = (MetricInfo("aupimo", "AUPIMO", "pixel"),)

    def result(self, found: PixelCurves, pixels: Pixels) -> MetricResult:
        """Undefined without a good image, or without a defective one."""
        areas = found.aupimo
        value = math.nan
        if np.isnan(areas).all():
            good = not any(mask.any() for mask in pixels.masks)
            warnings.warn(
                f"no image {'has a defect' if good else 'is without defects'}: AUPIMO is undefined",
                UndefinedMetricWarning,
                stacklevel=2,
            )
        else:
            value = float(np.nanmean(areas))
        return MetricResult(
            {"aupimo": value},
            per_image={"aupimo": areas.tolist()},
            settings={"aupimo_rates": list(LOW_RATES)},
        )
