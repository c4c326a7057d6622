"""Which patches of an image show the part, told by the first principal axis of its own patches."""

from collections.abc import Iterable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.features.base import PatchGrid
from pyimgano.features.patches.moments import Moments
from pyimgano.images.region_auto import LEAST_SEPARATION, otsu
from pyimgano.utils.parameters import Choice, Either, Number

#: The part covers more than this share of the middle of the image; the middle begins at that share
#: of each side. Both are AnomalyDINO's.
_LEAST_CENTRAL, _BORDER = 0.35, 0.2
#: Side of the square that closes the mask and widens it, in patches.
_SIDE = 3
FOREGROUND = Either(
    Choice("auto"),
    Number(0, 1e6, open_low=True),
    none="every patch is scored",
    metavar="LEVEL",
    help="leave patches of the ground that a part lies on at 0, told by the first principal axis"
    " of the image's own patches: auto, or what lies above LEVEL on it (10 suits DINOv2)",
)


def marked(grids: Iterable[PatchGrid], how: str | float | None) -> list[PatchGrid]:
    """The same patches, of which those that show the part count; None: all do."""
    return [one if how is None else replace(one, scored=foreground_of(one, how)) for one in grids]


def foreground_of(grid: PatchGrid, how: str | float) -> NDArray[np.bool_] | None:
    """The patches that show the part, bool (h, w); None where no patch, or nothing, stands out.

    As in AnomalyDINO (Damm et al., WACV 2025): the patches' coordinates on their first principal
    axis are compared with a level. If those above it cover too little of the middle of the image,
    the other end of the axis is the part. The mask is dilated and closed.

    Parameters
    ----------
    grid
        The patches of the whole image.
    how
        The level, in the units of the features; ``"auto"``: the one that splits the coordinates in
        two classes (Otsu, 1979), None unless these are far apart.
    """
    if len(grid.rows) == 1:
        return None
    moments = Moments(grid.rows[0]).add(grid.rows)
    axis = moments.first_axis()
    along = (grid.rows @ axis.astype(np.float32)).astype(np.float64) - moments.mean @ axis
    if isinstance(how, str):
        level, separation = otsu(along)
        if separation < LEAST_SEPARATION:
            return None
        above, below = along > level, along <= level
    else:
        above, below = along > how, -along > how
    found = above.reshape(grid.shape)
    if _middle(found).mean() <= _LEAST_CENTRAL:
        found = below.reshape(grid.shape)
    square = np.ones((_SIDE, _SIDE), np.uint8)
    wide = cv2.dilate(found.astype(np.uint8), square)
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, square).astype(np.bool_)
    return closed if closed.any() else None


def _middle(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    down, across = (slice(int(n * _BORDER), max(1, int(n * (1 - _BORDER)))) for n in mask.shape)
    return mask[down, across]
