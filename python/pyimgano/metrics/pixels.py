"""Figures of anomaly maps: AUROC, average precision and best F1 of pixels, and AUPRO."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pyimgano import kernels
from pyimgano.errors import InvalidInputError
from pyimgano.kernels import PixelCurves, PixelMetrics
from pyimgano.metrics.aupro import AuproAt
from pyimgano.metrics.base import MetricInfo, MetricResult
from pyimgano.metrics.inputs import Images, as_images, as_labels, as_scores, resize_map, resize_mask
from pyimgano.metrics.sweep import Pixels, Swept, check_limit
from pyimgano.statistics.curves import in_chunks
from pyimgano.statistics.pixels import PixelSummary


def compute_pixel_metrics(
    pixel_labels: Images,
    pixel_scores: Images,
    integration_limit: float = 0.3,
    *,
    metric_size: int | None = None,
) -> PixelMetrics:
    """All pixel-level figures of a test set, all images together.

    Parameters
    ----------
    pixel_labels : array (n, H, W) or (H, W), or sequence of n arrays (H, W) of differing sizes
        Masks: bool or integers, any non-zero pixel is defect; or floats that are all 0 or 1.
        Images are asked for one after the other.
    pixel_scores : array or sequence like `pixel_labels`
        Raw anomaly maps, real numbers. float32 and float64 are used as they are.
    integration_limit : float
        False-positive rate up to which AUPRO integrates, above 0 and at most 1.
    metric_size : int, optional
        Resize masks and maps to this square first, image by image: see :func:`resize_mask` and
        :func:`resize_map`. By default they are compared at their own size, which must agree.

    Returns
    -------
    PixelMetrics
        All NaN, with an :class:`~pyimgano.errors.UndefinedMetricWarning`, if there is no defect
        pixel or no normal one.

    Raises
    ------
    InvalidInputError, InvalidTypeError
        As :func:`pyimgano.kernels.pixel_metrics` does.
    """
    masks, maps = pixel_pairs(pixel_labels, pixel_scores, metric_size)
    return kernels.pixel_metrics(masks, maps, integration_limit=integration_limit)


def pixel_pairs(
    pixel_labels: Images, pixel_scores: Images, metric_size: int | None = None
) -> tuple[list[NDArray[np.uint8]], list[NDArray[Any]]]:
    """Masks and maps as :func:`compute_pixel_metrics` takes them, as the kernels do.

    Masks become uint8 (H, W), maps float32 or float64 (H, W), both at `metric_size`.
    """
    labels, scores = (
        as_images("pixel_labels", pixel_labels),
        as_images("pixel_scores", pixel_scores),
    )
    if len(labels) != len(scores):
        raise InvalidInputError(
            f"got {len(labels)} images in pixel_labels, but {len(scores)} in pixel_scores"
        )
    masks = [
        resize_mask(as_labels(f"pixel_labels[{i}]", labels[i], any_integer=True), metric_size)
        for i in range(len(labels))
    ]
    maps = [
        resize_map(as_scores(f"pixel_scores[{i}]", scores[i]), metric_size)
        for i in range(len(scores))
    ]
    return masks, maps


@dataclass(frozen=True)
class PixelSweep(Swept):
    """AUROC, average precision and best F1 of pixels, AUPRO and its curve.

    AUPRO integrates up to ``integration_limit``, else an InvalidInputError.
    """

    integration_limit: float = 0.3

    infos: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo("pixel_auroc", "P-AUROC", "pixel"),
        MetricInfo("pixel_ap", "P-AP", "pixel"),
        MetricInfo("pixel_f1_max", "P-F1max", "pixel", in_table=False),
        MetricInfo("pixel_f1_threshold", "P-F1max at", "pixel", None, in_table=False),
        MetricInfo("aupro", "AUPRO", "pixel", at=AuproAt),
    )

    def __post_init__(self) -> None:
        # Here, so that a run refuses it before it learns anything.
        check_limit("integration_limit", self.integration_limit)

    @property
    def limits(self) -> tuple[float, ...]:  # type: ignore[override]
        """The one."""
        return (self.integration_limit,)

    def result(self, found: PixelCurves, pixels: Pixels) -> MetricResult:
        """See :func:`compute_pixel_metrics`."""
        fpr, pro, _ = found.curve
        return MetricResult(
            values={
                "pixel_auroc": found.metrics.auroc,
                "pixel_ap": found.metrics.ap,
                "pixel_f1_max": found.metrics.f1_max,
                "pixel_f1_threshold": found.metrics.f1_threshold,
                "aupro": found.aupro[self.integration_limit],
            },
            settings={"integration_limit": self.integration_limit},
            curves={"aupro": list(zip(fpr.tolist(), pro.tolist(), strict=True))},
            resample=lambda weights: in_chunks(
                PixelSummary(pixels.masks, pixels.maps, self.integration_limit), weights
            ),
        )
