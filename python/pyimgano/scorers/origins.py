"""Which place of which training image the rows of a memory bank come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError


@dataclass(frozen=True, eq=False)
class Origins:
    """The training patches that became a memory bank.

    Attributes
    ----------
    rows
        int32 (m, 2): for each row of the bank the number of the training image, in the order in
        which they were added, and that of the patch in its grid, row by row.
    grids
        int32 (n, 2): the grid (h, w) of each of these images.
    """

    rows: NDArray[np.int32]
    grids: NDArray[np.int32]

    def __post_init__(self) -> None:
        for array in (self.rows, self.grids):
            if array.ndim != 2 or array.shape[1] != 2 or array.dtype != np.int32:
                raise InvalidInputError("origins are int32 (m, 2), and grids int32 (n, 2)")
        images, patches = self.rows.T
        known = len(self.grids) and (self.grids > 0).all() and (self.rows >= 0).all()
        if not known or images.max(initial=0) >= len(self.grids):
            raise InvalidInputError("origins name images that are not known")
        if (patches >= self.grids.astype(np.int64).prod(axis=1)[images]).any():
            raise InvalidInputError("origins name patches that are beyond their grid")

    @classmethod
    def of(cls, numbers: NDArray[np.int64], shapes: Sequence[tuple[int, int]]) -> Origins:
        """Of a bank of some of the patches, numbered through all images of these grids."""
        return cls(places_of(numbers, shapes), np.array(shapes, dtype=np.int32))


def places_of(numbers: NDArray[np.int64], shapes: Sequence[tuple[int, int]]) -> NDArray[np.int32]:
    """int32 (..., 2), image and patch in it, of patches numbered through images of these grids."""
    ends = np.cumsum([height * width for height, width in shapes])
    image = np.searchsorted(ends, numbers, side="right")
    patch = numbers - np.concatenate([[0], ends])[image]
    return np.stack([image, patch], axis=-1).astype(np.int32)
