"""sPRO: overlap with single defects, each of which counts as found from its saturation on."""

import math
import warnings
from dataclasses import dataclass

from pyimgano.errors import UndefinedMetricWarning
from pyimgano.kernels import PixelCurves
from pyimgano.metrics.base import MetricInfo, MetricResult
from pyimgano.metrics.sweep import Pixels, Swept, check_limit


def _at(limit: float) -> "Spro":
    return Spro(limit=limit)


@dataclass(frozen=True)
class Spro(Swept):
    """Area under the saturated per-region-overlap curve up to a limit, divided by it.

    The overlap with a defect of saturation ``s`` of which ``n`` pixels are flagged is
    ``min(n / s, 1)``; sPRO is its mean over the defects of all images. False positives are the
    flagged pixels that are in no defect, as a share of all of those of all images.

    References
    ----------
    P. Bergmann et al., "Beyond Dents and Scratches: Logical Constraints in Unsupervised Anomaly
    Detection and Localization", International Journal of Computer Vision 130, 2022, section 4.
    """

    integration_limit: float = 0.3
    #: One of its own, which the run's does not take the place of.
    limit: float | None = None

    takes_defects = True

    def __post_init__(self) -> None:
        check_limit("integration_limit", self.integration_limit)
        if self.limit is not None:
            check_limit("the limit of spro", self.limit)

    @property
    def limits(self) -> tuple[float, ...]:  # type: ignore[override]
        """The one."""
        return (self.integration_limit if self.limit is None else self.limit,)

    @property
    def infos(self) -> tuple[MetricInfo, ...]:
        """The one figure."""
        at = "" if self.limit is None else f"@{self.limit:g}"
        return (MetricInfo(f"spro{at}", f"sPRO{at}", "pixel", at=_at),)

    def result(self, found: PixelCurves, pixels: Pixels) -> MetricResult:
        """Undefined where the image set tells no saturation, or a class is missing."""
        area = found.spro[self.limits[0]]
        if math.isnan(area) and not math.isnan(found.metrics.auroc):
            warnings.warn(
                "the image set has no single defects with a saturation: sPRO is undefined",
                UndefinedMetricWarning,
                stacklevel=2,
            )
        return MetricResult({self.infos[0].key: area})
