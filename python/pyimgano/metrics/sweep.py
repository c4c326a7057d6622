"""Metrics that share one sweep over the pixels."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyimgano import kernels
from pyimgano.errors import InvalidInputError
from pyimgano.kernels import DefectPixels, PixelCurves
from pyimgano.metrics.base import MetricInfo, MetricResult

#: Enough for a plot.
CURVE_POINTS = 200


class Pixels(NamedTuple):
    """What was swept."""

    masks: Sequence[NDArray[np.uint8]]
    maps: Sequence[NDArray[Any]]
    threshold: float | None  #: The detector's own level of raw maps.


class Swept(ABC):
    """A metric that takes its figures from a sweep, alone or together with others.

    Attributes
    ----------
    limits
        False-positive rates up to which it needs the areas under overlap.
    low_rates
        The two false-positive rates between which it needs AUPIMO.
    counts_flagged, takes_defects
        Whether it needs what the threshold flags of each image, and the single defects.
    """

    limits: tuple[float, ...] = ()
    low_rates: tuple[float, float] | None = None
    counts_flagged: bool = False
    takes_defects: bool = False

    @property
    @abstractmethod
    def infos(self) -> tuple[MetricInfo, ...]:
        """The figures, each ``of="pixel"``."""

    @abstractmethod
    def result(self, found: PixelCurves, pixels: Pixels) -> MetricResult:
        """The figures of a sweep."""

    def __call__(
        self,
        masks: Sequence[NDArray[np.uint8]],
        maps: Sequence[NDArray[Any]],
        threshold: float | None = None,
    ) -> MetricResult:
        """See :class:`~pyimgano.metrics.PixelMetric`."""
        return Together((self,))(masks, maps, threshold)


@dataclass(frozen=True)
class Together:
    """Several metrics, one sweep; ``defects`` are the single ones, for those that count them."""

    metrics: tuple[Swept, ...]
    defects: Sequence[DefectPixels] = ()

    @property
    def infos(self) -> tuple[MetricInfo, ...]:
        """Those of all."""
        return tuple(info for one in self.metrics for info in one.infos)

    @property
    def takes_defects(self) -> bool:
        """Whether one of them does."""
        return any(one.takes_defects for one in self.metrics)

    def __call__(
        self,
        masks: Sequence[NDArray[np.uint8]],
        maps: Sequence[NDArray[Any]],
        threshold: float | None = None,
    ) -> MetricResult:
        """See :class:`~pyimgano.metrics.PixelMetric`."""
        found = kernels.pixel_curves(
            masks,
            maps,
            limits=list(dict.fromkeys(limit for one in self.metrics for limit in one.limits)),
            defects=self.defects,
            low_rates=next((one.low_rates for one in self.metrics if one.low_rates), None),
            threshold=threshold if any(one.counts_flagged for one in self.metrics) else None,
            max_points=CURVE_POINTS,
        )
        pixels = Pixels(masks, maps, threshold)
        results = [one.result(found, pixels) for one in self.metrics]
        return MetricResult(
            values={key: value for one in results for key, value in one.values.items()},
            per_image={
                key: numbers for one in results for key, numbers in (one.per_image or {}).items()
            },
            settings={name: value for one in results for name, value in one.settings.items()},
            curves={key: points for one in results for key, points in one.curves.items()},
            resample=lambda weights: {
                key: figures
                for one in results
                if one.resample is not None
                for key, figures in one.resample(weights).items()
            },
        )


def check_limit(name: str, limit: float) -> None:
    """Refuse what is no false-positive rate to integrate up to."""
    if not 0.0 < limit <= 1.0:
        raise InvalidInputError(f"{name} must be above 0 and at most 1, got {limit}")
