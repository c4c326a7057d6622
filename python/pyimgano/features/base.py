"""Patches of images, and what gives them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import BackboneError
from pyimgano.utils.foreign import asked


@dataclass(frozen=True, eq=False)
class PatchGrid:
    """The patches of one image.

    Attributes
    ----------
    rows
        float32 (h * w, d): one feature vector per patch, row by row of the grid.
    shape
        (h, w) of the grid.
    parts
        How many features come from each layer of a backbone, in order; none: it has no layers.
    within
        bool (H, W) of a larger grid whose patches at these places the rows are, in its order; the
        grid is then one row of them. None: the patches are the whole grid.
    scored
        bool, of the shape of the whole grid: the patches that count in a score; those elsewhere are
        learnt, and score 0. None: all count.
    """

    rows: NDArray[np.float32]
    shape: tuple[int, int]
    parts: tuple[int, ...] = ()
    within: NDArray[np.bool_] | None = None
    scored: NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, array: NDArray[np.float32]) -> Self:
        """The grid of an array (h, w, d)."""
        height, width, depth = array.shape
        return cls(array.reshape(height * width, depth), (height, width))

    def only(self, places: NDArray[np.bool_]) -> Self:
        """The patches at some places of this grid, bool (h, w), as a grid of one row.

        All of them count if none of those that do is among them.
        """
        if places.all():
            return self
        rows = self.rows[places.ravel()]
        scored = self.scored
        if scored is not None and not scored[places].any():
            scored = None
        return type(self)(rows, (1, len(rows)), self.parts, places, scored)

    @property
    def array(self) -> NDArray[np.float32]:
        """The rows as float32 (h, w, d)."""
        return self.rows.reshape(*self.shape, -1)


@dataclass(frozen=True)
class Spacing:
    """Where the patches of an extractor lie.

    Attributes
    ----------
    patch
        Pixels between neighbouring patches.
    repeats
        Pixels after which the grids of all layers repeat: a part of an image that begins at a
        multiple of it has patches where the whole has some.
    side
        Side of the images where all must be squares of one size; None: they need not.
    """

    patch: int
    repeats: int
    side: int | None = None


class PatchExtractor(Protocol):
    """Images in, one feature vector per patch of a regular grid out."""

    #: Whether :meth:`fit` learns anything; if not, training images are not read twice.
    needs_fit: bool

    @property
    def spacing(self) -> Spacing | None:
        """Where its patches lie; None where that is not known before an image was seen."""
        ...

    def fit(self, images: Iterable[NDArray[np.float32]], *, random_state: int = 0) -> Self:
        """Learn from normal images (float32 (H, W, 3), RGB in [0, 1]) in one pass."""
        ...

    def check_size(self, height: int, width: int) -> None:
        """Refuse a size that no image can have, with an error that says which can."""
        ...

    def extract_batch(self, images: Sequence[NDArray[np.float32]]) -> list[PatchGrid]:
        """The patches of each image, all of one d."""
        ...

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Fitted arrays, by name."""
        ...

    def set_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Restore what :meth:`get_state` gave."""
        ...

    def describe(self) -> dict[str, Any]:
        """Parameters and origin, ready for JSON."""
        ...


def spacing_of(extractor: PatchExtractor) -> Spacing | None:
    """Where its patches lie; None where it does not say, as somebody's own need not."""
    found = getattr(extractor, "spacing", None)
    return found if isinstance(found, Spacing) else None


def extract_patches(
    extractor: PatchExtractor, images: Sequence[NDArray[np.float32]]
) -> list[PatchGrid]:
    """The patches of each image, checked, for the extractor may be anybody's.

    Raises
    ------
    InvalidInputError
        The images cannot be used.
    BackboneError
        The extractor fails, or gives something else than float32 grids, one per image; names it.
    """
    name = f"extractor {type(extractor).__name__}"
    grids = asked(name, extractor.extract_batch, images, error_class=BackboneError)
    if not isinstance(grids, list | tuple) or len(grids) != len(images):
        n = len(grids) if isinstance(grids, list | tuple) else type(grids).__name__
        raise BackboneError(f"{name} gave {n} grids for {len(images)} images")
    for grid in grids:
        if not isinstance(grid, PatchGrid):
            raise BackboneError(f"{name} gave {type(grid).__name__}, not PatchGrid")
        rows, is_pair = np.asarray(grid.rows), np.shape(grid.shape) == (2,)
        n_patches = math.prod(grid.shape) if is_pair else None
        if rows.ndim != 2 or len(rows) != n_patches or rows.dtype != np.float32:
            raise BackboneError(
                f"{name} gave rows {rows.dtype} {rows.shape} for a grid of {grid.shape}: they must"
                " be float32 (h * w, d)"
            )
        # The sum is NaN or infinite if any value is; only then is it worth a second look.
        if not np.isfinite(rows.sum(dtype=np.float64)) and not np.isfinite(rows).all():
            raise BackboneError(f"{name} gave rows that hold NaN or infinity")
    return list(grids)


def equal_sizes(
    images: Sequence[NDArray[np.float32]], most: int
) -> Iterator[list[NDArray[np.float32]]]:
    """The images in order, in runs of equal shape, at most so many at a time."""
    for _, run in groupby(images, key=lambda image: image.shape):
        same = list(run)
        for start in range(0, len(same), most):
            yield same[start : start + most]
