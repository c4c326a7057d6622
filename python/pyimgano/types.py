"""Types that several parts of the package share."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: A path, or an RGB / grey array (H, W) or (H, W, 3) of uint8 or uint16.
ImageInput: TypeAlias = str | os.PathLike[str] | NDArray[Any]
#: S for (S, S), (height, width), or None for an image's own size.
ImageSize: TypeAlias = int | tuple[int, int] | None


def verdict_of(label: int) -> str:
    """What people are told of an image: ``"defect"`` for 1, ``"ok"`` for 0."""
    return "defect" if label else "ok"


@dataclass(frozen=True)
class Prediction:
    """What a detector says of one image.

    Attributes
    ----------
    path
        The file; None for an array.
    score
        Continuous, higher is more anomalous.
    label
        1 where ``score > threshold_``, else 0.
    anomaly_map
        float32 (H, W) at the image's own size, higher is more anomalous; None where the detector
        has no map or none was asked for.
    warnings
        In words where the image itself is unlike the good photos: light, contrast, sharpness,
        colour, size. They change neither score nor label.
    nearest
        int32 (h, w, 2): for each patch of the detector's grid the patch of a good photo that it was
        compared with, as the numbers of the training image and of its patch; None where a detector
        does not compare with single patches. See ``detector.nearest_good``.
    mask
        uint8 (H, W) at the image's own size: 255 where the map, after the post-processing that is
        attached, exceeds the detector's pixel threshold, else 0, whatever the label is. None where
        the detector has none or no map was asked for.
    health
        ``brightness``, ``contrast`` and ``sharpness`` of the image, see
        :class:`~pyimgano.images.health.ImageHealth`; None where they are not measured.
    """

    path: str | None
    score: float
    label: int
    anomaly_map: NDArray[np.float32] | None
    warnings: tuple[str, ...] = ()
    nearest: NDArray[np.int32] | None = None
    mask: NDArray[np.uint8] | None = None
    health: Mapping[str, float | None] | None = None

    @property
    def verdict(self) -> str:
        """``"defect"`` or ``"ok"``: the label in words."""
        return verdict_of(self.label)


@dataclass(frozen=True)
class Unreadable:
    """A file or folder without a result, and why.

    Attributes
    ----------
    left_out
        It was met in a folder and is counted among what was left out.
    """

    path: str
    reason: str
    left_out: bool = False
