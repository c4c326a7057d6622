"""Patches on the axes along which those of the training images vary most."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.features.base import PatchExtractor, PatchGrid, extract_patches
from pyimgano.features.patches.moments import Moments, axes_for
from pyimgano.utils.parameters import Choice, Count, Either

#: What ``"auto"`` takes: axes for this share of the variance, at most so many.
_SHARE, _MOST = 0.99, 128
PROJECTION = Either(
    Choice("auto"),
    Count(1, 4096),
    none="all features",
    metavar="N",
    help="principal axes of the training patches that are kept: N, or auto (for 99 % of the"
    " variance, at most 128)",
)


@dataclass(frozen=True, eq=False)
class Projection:
    """Principal axes, centred and not whitened.

    Attributes
    ----------
    mean, axes
        float32 (d,) and (d, k), the axes as columns.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.axes.ndim != 2 or self.mean.shape != self.axes.shape[:1]:
            raise InvalidInputError(
                f"projection: axes {self.axes.shape} and mean {self.mean.shape} do not go together"
            )

    @classmethod
    def fit(cls, grids: Iterable[PatchGrid], n: int | str) -> Self:
        """The first ``n`` axes of all patches, or ``"auto"``; no more than there are features."""
        moments: Moments | None = None
        for grid in grids:
            moments = Moments(grid.rows[0]) if moments is None else moments
            moments.add(grid.rows)
        if moments is None:
            raise InvalidInputError("projection: no image can be used")
        variances, axes = moments.axes()
        n_axes = min(axes_for(variances, _SHARE), _MOST) if isinstance(n, str) else n
        return cls(moments.mean.astype(np.float32), axes[:, :n_axes].astype(np.float32))

    def apply(self, grid: PatchGrid) -> PatchGrid:
        """The same patches on the axes; they are of no layer any more."""
        if grid.rows.shape[1] != len(self.mean):
            raise InvalidInputError(
                f"projection: patches have {grid.rows.shape[1]} features, those of the training"
                f" images {len(self.mean)}"
            )
        rows = (grid.rows - self.mean) @ self.axes
        return replace(grid, rows=np.asarray(rows, np.float32), parts=())


def projected(
    extractor: PatchExtractor,
    images: Sequence[NDArray[np.float32]],
    projection: Projection | None,
) -> list[PatchGrid]:
    """The patches of each image, checked, on the axes of a projection if there is one."""
    grids = extract_patches(extractor, images)
    return grids if projection is None else [projection.apply(grid) for grid in grids]
