"""Single defects of an image, each with the area at which it counts as found."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import DatasetError


@dataclass(frozen=True, slots=True)
class Saturation:
    """How much of a kind of defect has to be found, for all of it to count as found.

    Parameters
    ----------
    threshold
        An area in pixels; or, with ``relative``, a share of the defect's own area.
    relative
        Which of the two.
    name
        What the image set calls the kind of defect.

    Raises
    ------
    DatasetError
        A threshold that is not above 0 and finite, or a share above 1.

    References
    ----------
    P. Bergmann et al., "Beyond Dents and Scratches: Logical Constraints in Unsupervised Anomaly
    Detection and Localization", International Journal of Computer Vision 130, 2022, section 4.
    """

    threshold: float
    relative: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        highest = 1.0 if self.relative else math.inf
        if not (0.0 < self.threshold <= highest and math.isfinite(self.threshold)):
            what = "a share above 0, at most 1" if self.relative else "a number of pixels above 0"
            of = f" of {self.name!r}" if self.name else ""
            raise DatasetError(f"saturation threshold{of} must be {what}, got {self.threshold}")

    def pixels(self, area: int) -> int:
        """The saturation of a defect of ``area`` pixels: 1 to ``area``, fractions cut off."""
        limit = self.threshold * area if self.relative else self.threshold
        return max(1, min(int(limit), area))


@dataclass(frozen=True)
class DefectMask:
    """One defect of an image.

    Attributes
    ----------
    pixels
        uint8 (H, W), 1 where the defect is.
    saturation
        From how many found pixels on the whole defect counts as found, 1 to its area.
    """

    pixels: NDArray[np.uint8]
    saturation: int


def union_of(defects: Iterable[DefectMask], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The mask, uint8 (H, W) with 0 and 1, of an image of that size: what is in any defect."""
    whole = np.zeros(size, dtype=np.uint8)
    for one in defects:
        whole |= one.pixels
    return whole
