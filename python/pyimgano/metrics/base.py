"""What a metric is: facts about its figures, a call, and a result."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pyimgano.statistics.curves import Resample

#: What a metric compares: one score per image, or every pixel of the anomaly maps.
Of: TypeAlias = Literal["image", "pixel"]


@dataclass(frozen=True)
class MetricInfo:
    """Facts about one figure, which tables, CSV, JSON and pages go by.

    Attributes
    ----------
    key : str
        Its name in JSON, in CSV headers and for ``--metrics``: lower-case letters, digits and
        underscores; ``KEY@LIMIT`` for the figure at a limit.
    title : str
        Its heading in tables.
    of : {"image", "pixel"}
        Whether it is computed from image scores or from anomaly maps.
    higher_is_better : bool or None
        None for a figure that is no quality, such as a threshold: it has no mean and no best.
    in_table : bool
        False: only a table that was asked for it has a column; CSV and JSON have it anyway.
    at : callable or None
        Makes the metric of the same figure at another limit, which ``KEY@LIMIT`` asks for; called
        with the limit, and its ``infos`` hold that figure. Must be a function or a class that other
        processes can import.
    """

    key: str
    title: str
    of: Of
    higher_is_better: bool | None = True
    in_table: bool = True
    at: Callable[[float], Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class MetricResult:
    """What a metric found on the test images of one category.

    Attributes
    ----------
    values : mapping of str to float
        One number for each key in the metric's ``infos``; NaN where it is undefined.
    per_image : mapping of str to sequence of float, or None
        For any of those keys one number per test image, in order; NaN where it has none.
    settings : mapping of str to JSON value
        What the figures depend on, such as an integration limit.
    curves : mapping of str to sequence of (float, float)
        Points for a plot, by key.
    resample : callable, or None
        For intervals: gets how often each image counts in each of b resamples, float64 (b, n), and
        gives the figures of the resamples, float64 (b,) by key, NaN where undefined. Called at most
        once, and only where intervals are asked for. A figure that is the mean of its
        ``per_image`` numbers, NaN left out, needs none.
    """

    values: Mapping[str, float]
    per_image: Mapping[str, Sequence[float]] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    resample: Resample | None = None


class ImageMetric(Protocol):
    """Figures of one score per image."""

    @property
    def infos(self) -> tuple[MetricInfo, ...]:
        """The figures, each ``of="image"``."""

    def __call__(
        self, labels: NDArray[np.int64], scores: NDArray[np.float64], threshold: float | None
    ) -> MetricResult:
        """Compare scores with labels.

        Parameters
        ----------
        labels : ndarray
            int64 (n,): 0 normal, 1 anomalous.
        scores : ndarray
            float64 (n,), higher is more anomalous.
        threshold : float or None
            The detector's own: it calls an image with a score above it anomalous. May be infinite.
        """


class PixelMetric(Protocol):
    """Figures of anomaly maps."""

    @property
    def infos(self) -> tuple[MetricInfo, ...]:
        """The figures, each ``of="pixel"``."""

    def __call__(
        self,
        masks: Sequence[NDArray[np.uint8]],
        maps: Sequence[NDArray[np.float32]],
        threshold: float | None,
    ) -> MetricResult:
        """Compare anomaly maps with masks.

        Parameters
        ----------
        masks : sequence of n ndarrays
            uint8 (H, W), sizes may differ; any value but 0 is a defect. Not to be written to.
        maps : sequence of n ndarrays
            float32 (H, W), each of its mask's shape. Not to be written to.
        threshold : float or None
            The detector's own level of the maps, in their unit: its pixel threshold, else the level
            of its regions; None where it has neither.
        """


Metric: TypeAlias = ImageMetric | PixelMetric
