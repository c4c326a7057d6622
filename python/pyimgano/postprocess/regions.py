"""Where the defects of one image are: the connected regions of its anomaly map above a level."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano import kernels
from pyimgano.errors import InvalidInputError

#: Regions of one image that are described by default.
DEFAULT_LIMIT = 20


@dataclass(frozen=True)
class Region:
    """One connected region of an anomaly map, in pixels of the map, which are those of the image.

    Attributes
    ----------
    x, y, width, height
        Its box, which covers columns ``x`` to ``x + width - 1``.
    area, score
        Pixels of the region itself, and the highest value of the map in it.
    peak_x, peak_y
        Where that is; of equal values the first in reading order.
    """

    x: int
    y: int
    width: int
    height: int
    area: int
    score: float
    peak_x: int
    peak_y: int

    def to_json(self) -> dict[str, Any]:
        """``box`` is [x, y, width, height] as in COCO, ``peak`` is [x, y]."""
        return {
            "box": [self.x, self.y, self.width, self.height],
            "area": self.area,
            "score": self.score,
            "peak": [self.peak_x, self.peak_y],
        }


@dataclass(frozen=True)
class Regions:
    """The regions of one image, the highest score first: at most as many as were asked for."""

    found: tuple[Region, ...]
    total: int  #: How many there are.

    def __iter__(self) -> Iterator[Region]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def to_json(self) -> list[dict[str, Any]]:
        """The found regions as plain data."""
        return [region.to_json() for region in self.found]


def find_regions(
    anomaly_map: NDArray[np.float32],
    level: float,
    *,
    min_area: int = 1,
    limit: int = DEFAULT_LIMIT,
) -> Regions:
    """The 8-connected regions in which a map exceeds a level.

    Parameters
    ----------
    anomaly_map
        float32 (H, W), finite.
    level
        A pixel counts where ``anomaly_map > level``, compared in float32. Infinity: there are no
        regions. :class:`~pyimgano.postprocess.RegionRule` gives those that go with the decision on
        an image.
    min_area
        Regions of fewer pixels are left out, of the total too.
    limit
        Describe only so many, those with the highest scores.

    Returns
    -------
    Regions
        By falling score; of equal scores the larger region first, then reading order.

    Raises
    ------
    InvalidInputError, InvalidTypeError
        ``level`` is NaN, ``min_area`` or ``limit`` negative, or the map is not float32 (H, W).

    Examples
    --------
    >>> import numpy as np
    >>> steps = np.array([[0, 3, 0, 0], [0, 2, 0, 5]], dtype=np.float32)
    >>> [region.to_json()["box"] for region in find_regions(steps, 1.0)]
    [[3, 1, 1, 1], [1, 0, 1, 2]]
    """
    if math.isnan(level):
        raise InvalidInputError("level must be a number, got nan")
    for name, value in (("min_area", min_area), ("limit", limit)):
        if value < 0:
            raise InvalidInputError(f"{name} must be 0 or more, got {value}")
    labels, count = kernels.label_components(anomaly_map > level)
    if count == 0:
        return Regions((), 0)
    stats = kernels.component_stats(labels, anomaly_map)
    kept = np.flatnonzero(stats["area"] >= min_area)
    order = kept[np.lexsort((-stats["area"][kept], -stats["max"][kept]))]
    chosen = [_describe(anomaly_map, labels, int(i), stats[i]) for i in order[:limit]]
    return Regions(tuple(chosen), len(kept))


def _describe(
    anomaly_map: NDArray[np.float32], labels: NDArray[np.int32], index: int, stats: Any
) -> Region:
    x, y, width, height = (int(v) for v in stats["box"])
    box = np.s_[y : y + height, x : x + width]
    inside = np.where(labels[box] == index + 1, anomaly_map[box], -np.inf)
    peak_y, peak_x = np.unravel_index(int(np.argmax(inside)), inside.shape)
    return Region(
        x=x,
        y=y,
        width=width,
        height=height,
        area=int(stats["area"]),
        score=float(stats["max"]),
        peak_x=x + int(peak_x),
        peak_y=y + int(peak_y),
    )
