"""sPRO: overlap with single defects, each of which counts as found from its saturation on."""

import math
import warnings
from dataclasses import dataclass

from pyimgano.errors import UndefinedMetricWarning
from pyimgano.kernels import PixelCurves
from pyimgano.metrics.base import MetricInfo, MetricResult
from pyimgano.metrics.sweep import Pixels, Swept, check_limit


def _at(limit: float) -> "Spro":
    return Spro(limit, f"@{limit:g}")


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
    suffix: str = ""

    takes_defects = True

    def __post_init__(self) -> None:
        check_limit(f"the limit of spro{self.suffix}", self.integration_limit)

    @property
    def limits(self) -> tuple[float, ...]:  # type: ignore[override]
        """The one."""
        return (self.integration_limit,)

    @property
    def infos(self) -> tuple[MetricInfo, ...]:
        """The one figure."""
        return (MetricInfo(f"spro{self.suffix}", f"sPRO{self.suffix}", "pixel", at=_at),)

    def result(self, found: PixelCurves, pixels: Pixels) -> MetricResult:
        """Undefined where the image set tells no saturation, or a class is missing."""
        area = found.spro[self.integration_limit]
        if math.isnan(area) and not math.isnan(found.metrics.auroc):
            warnings.warn(
                "the image set has no single defects with a saturation: sPRO is undefined",
                UndefinedMetricWarning,
                stacklevel=2,
            )
        return MetricResult({self.infos[0].key: area})
