"""AUPRO up to a limit of its own: ``aupro@0.05``."""

from dataclasses import dataclass

from pyimgano.kernels import PixelCurves
from pyimgano.metrics.base import MetricInfo, MetricResult
from pyimgano.metrics.sweep import Pixels, Swept, check_limit
from pyimgano.statistics.curves import Rows, in_chunks
from pyimgano.statistics.pixels import PixelSummary


@dataclass(frozen=True)
class AuproAt(Swept):
    """Area under the per-region-overlap curve up to ``limit``, divided by it.

    What MVTec AD 2 calls AU-PRO 0.05 is ``aupro@0.05``.
    """

    limit: float

    def __post_init__(self) -> None:
        check_limit("the limit of aupro", self.limit)

    @property
    def limits(self) -> tuple[float, ...]:  # type: ignore[override]
        """The one."""
        return (self.limit,)

    @property
    def infos(self) -> tuple[MetricInfo, ...]:
        """The one figure."""
        return (MetricInfo(f"aupro@{self.limit:g}", f"AUPRO@{self.limit:g}", "pixel"),)

    def result(self, found: PixelCurves, pixels: Pixels) -> MetricResult:
        """Undefined without a defect region or a normal pixel."""
        (info,) = self.infos

        def resample(weights: Rows) -> dict[str, Rows]:
            summary = PixelSummary(pixels.masks, pixels.maps, self.limit)
            return {info.key: in_chunks(summary, weights)["aupro"]}

        return MetricResult({info.key: found.aupro[self.limit]}, resample=resample)
