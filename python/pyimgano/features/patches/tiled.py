"""Patches of large images: tile by tile, joined to one grid for the whole image."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import BackboneError, InvalidInputError
from pyimgano.features.base import PatchExtractor, PatchGrid, extract_patches, spacing_of
from pyimgano.images.pixels import as_floats
from pyimgano.images.tiles import Window, cut, default_overlap

#: Side of a tile where nobody says which: larger ones waste less on overlap, and need more memory.
_AUTO = 1024
#: Pixels per pass, in one tile or several: more are no faster, and take more memory.
_PIXELS = 1024**2


class TiledPatches:
    """Another extractor's patches, of overlapping tiles in place of the whole image.

    Each patch comes from the tile in which it lies most central. Tiles begin where the grid of the
    whole image has a patch, so that a network whose features depend on no more of the image than
    half the overlap gives the same as for the whole.

    Parameters
    ----------
    patches
        What gives the patches of a tile.
    tile
        Side of a tile in pixels, or ``"auto"``: 1024, or what the network takes. It is brought
        down to a multiple of what its grids repeat after.
    overlap
        Pixels that neighbouring tiles have in common at least, brought up to such a multiple; None:
        128, and a quarter of a tile of fewer than 512 pixels.
    batch_size
        Tiles per pass, of which there are never more than a megapixel has.
    bit_depth
        Bits used in 16-bit images; None: all 16.

    Raises
    ------
    InvalidInputError
        The extractor takes no tiles of that size, the overlap is no smaller than the tile, or it is
        not known where the grids of tiles meet; says what to change.
    """

    def __init__(
        self,
        patches: PatchExtractor,
        *,
        tile: int | str = "auto",
        overlap: int | None = None,
        batch_size: int = 8,
        bit_depth: int | None = None,
    ) -> None:
        self.patches = patches
        self.needs_fit = patches.needs_fit
        self.bit_depth = bit_depth
        spacing = spacing_of(patches)
        if spacing is None:
            raise InvalidInputError(
                "tiles need a network whose layers have a known stride, the same for any size"
            )
        self.spacing = replace(spacing, side=None)
        step = spacing.repeats
        wanted = (spacing.side or _AUTO) if isinstance(tile, str) else tile
        self.tile = wanted // step * step
        if not self.tile:
            raise InvalidInputError(f"tiles must be of at least {step} pixels, got {wanted}")
        patches.check_size(self.tile, self.tile)
        self.batch_size = max(1, min(batch_size, _PIXELS // self.tile**2))
        least = default_overlap(self.tile) if overlap is None else overlap
        self.overlap = -(-least // step) * step
        if self.overlap >= self.tile:
            raise InvalidInputError(
                f"tile_overlap must be smaller than the tiles by {step} pixels at least, got"
                f" {least} for tiles of {self.tile} pixels"
            )

    def fit(self, images: Iterable[NDArray[Any]], *, random_state: int = 0) -> Self:
        """Have the extractor learn from the tiles of all images."""
        tiles = (
            self._pixels(image, where) for image in images for where in self._tiles(image.shape)
        )
        self.patches.fit(tiles, random_state=random_state)
        return self

    def check_size(self, height: int, width: int) -> None:
        """Refuse images that do not consist of whole steps, or are too small for the network."""
        step = self.spacing.repeats
        if height % step or width % step:
            raise InvalidInputError(
                f"tiles need an image of multiples of {step} pixels, got {height} x"
                f' {width}: set image_size, or resize_mode="fit"'
            )
        self.patches.check_size(min(height, self.tile), min(width, self.tile))

    def extract_batch(self, images: Sequence[NDArray[Any]]) -> list[PatchGrid]:
        """One grid per image, for all of it.

        Images are float32 (H, W, 3), RGB in [0, 1], or uint8 or uint16, (H, W) or (H, W, 3): these
        are brought to the former tile by tile.
        """
        return [self._extract(image) for image in images]

    def get_state(self) -> dict[str, NDArray[Any]]:
        """What the extractor of the tiles has learnt."""
        return self.patches.get_state()

    def set_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Restore what :meth:`get_state` gave."""
        self.patches.set_state(state)

    def describe(self) -> dict[str, Any]:
        """The extractor of the tiles."""
        return self.patches.describe()

    def n_tiles(self, height: int, width: int) -> int:
        """How many tiles an image of that size has."""
        return len(self._tiles((height, width)))

    def _extract(self, image: NDArray[Any]) -> PatchGrid:
        height, width = image.shape[:2]
        self.check_size(height, width)
        tiles, unit = self._tiles(image.shape), self.spacing.patch
        whole = np.empty((0, 0, 0), np.float32)
        parts: tuple[int, ...] = ()
        for start in range(0, len(tiles), self.batch_size):
            batch = tiles[start : start + self.batch_size]
            grids = extract_patches(self.patches, [self._pixels(image, where) for where in batch])
            if not start:
                shape = (height // unit, width // unit, grids[0].rows.shape[1])
                whole, parts = np.empty(shape, np.float32), grids[0].parts
            for grid, where in zip(grids, batch, strict=True):
                down, across = (window.over(unit) for window in where)
                self._check(grid, down, across, whole.shape[2])
                part = grid.array[
                    down.first - down.start : down.last - down.start,
                    across.first - across.start : across.last - across.start,
                ]
                whole[down.first : down.last, across.first : across.last] = part
        return PatchGrid(whole.reshape(-1, whole.shape[2]), whole.shape[:2], parts)

    def _tiles(self, shape: Sequence[int]) -> list[tuple[Window, Window]]:
        """Where the tiles of an image of that shape lie, down and across."""
        step = self.spacing.repeats
        sides = [cut(side // step, self.tile // step, self.overlap // step) for side in shape[:2]]
        return [(down.times(step), across.times(step)) for down, across in product(*sides)]

    def _pixels(self, image: NDArray[Any], where: tuple[Window, Window]) -> NDArray[np.float32]:
        down, across = where
        part = image[down.start : down.stop, across.start : across.stop]
        return as_floats(part, self.bit_depth)

    def _check(self, grid: PatchGrid, down: Window, across: Window, depth: int) -> None:
        """Refuse a grid that those of neighbouring tiles do not meet."""
        wanted = (down.stop - down.start, across.stop - across.start)
        if grid.shape != wanted or grid.rows.shape[1] != depth:
            raise BackboneError(
                f"{self.describe().get('backbone')} gives {grid.shape[0]} x {grid.shape[1]} patches"
                f" of {grid.rows.shape[1]} features for a tile, where {wanted[0]} x {wanted[1]} of"
                f" {depth} are needed to join them"
            )
