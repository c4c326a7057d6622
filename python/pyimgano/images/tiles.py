"""Overlapping tiles of an image, and which part of the image each of them answers for."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

from pyimgano.utils.parameters import Choice, Count, Either, ListOf, Unfit

#: Sides of tiles; a file's must not make a network take more.
_LEAST, _MOST = 16, 2**13
#: Overlap in pixels where none is said; of small tiles it is a quarter.
_OVERLAP = 128


class _Tile(ListOf):
    """(size, overlap); an option takes ``512:128``."""

    @property
    def several(self) -> bool:
        """Whether its option takes several words: it takes one."""
        return False

    def _accept(self, value: Any) -> Any:
        return tuple(super()._accept(value))

    def _wanted(self) -> str:
        return "(size, overlap) in pixels"

    def _typed(self) -> str:
        return "SIZE:OVERLAP in pixels"

    def _parse(self, word: str) -> Any:
        try:
            size, overlap = (int(part) for part in word.split(":"))
        except ValueError:
            raise Unfit(word, self.typed) from None
        return size, overlap


TILES = Either(
    Choice("auto"),
    Count(_LEAST, _MOST),
    _Tile(Count(0, _MOST), 2, 2),
    none="the whole image at once",
    metavar="SIZE",
    help="cut images into overlapping tiles of SIZE pixels, after they are brought to their size;"
    " auto: of a size that suits the network",
)
TILE_OVERLAP = Count(
    0,
    _MOST,
    none="128, for small tiles a quarter",
    metavar="N",
    help="pixels that neighbouring tiles share, at least",
)
SMALLEST_DEFECT = Count(
    1,
    2**15 - 1,
    none="--image-size decides",
    metavar="PX",
    help="side in pixels of the smallest defect to be found, in the image as it was taken: chooses"
    " the size that images are brought to in place of image_size, keeps their aspect, and cuts them"
    " into tiles",
)


def default_overlap(tile: int) -> int:
    """Pixels that neighbouring tiles have in common where nobody says how many."""
    return min(_OVERLAP, tile // 4)


@dataclass(frozen=True)
class Window:
    """What one tile covers along one side of an image, in whichever unit that is measured.

    Attributes
    ----------
    start, stop
        First and end of the tile.
    first, last
        First and end of the part that is taken from it.
    """

    start: int
    stop: int
    first: int
    last: int

    def times(self, unit: int) -> Self:
        """The same in a unit that is so many times smaller."""
        return type(self)(*(unit * n for n in (self.start, self.stop, self.first, self.last)))

    def over(self, unit: int) -> Self:
        """The same in a unit that is so many times larger, and all are whole multiples of."""
        return type(self)(*(n // unit for n in (self.start, self.stop, self.first, self.last)))


def cut(length: int, tile: int, overlap: int) -> list[Window]:
    """Tiles along one side: the fewest that overlap by at least ``overlap``, evenly spread.

    What two tiles have in common is halved: each place is taken from the tile in which it lies
    most central, as in SuperADD (2026). A side that is no longer than a tile is one tile.

    Parameters
    ----------
    length, tile, overlap
        Of the side, of a tile, and of what neighbours have in common: all in one unit, with an
        overlap below the tile.
    """
    tile = min(tile, length)
    steps = -(-(length - tile) // (tile - overlap)) if length > tile else 0
    starts = [i * (length - tile) // max(1, steps) for i in range(steps + 1)]
    inner = [after + -(-(before + tile - after) // 2) for before, after in pairwise(starts)]
    ends = zip([0, *inner], [*inner, length], strict=True)
    return [
        Window(start, start + tile, first, last)
        for start, (first, last) in zip(starts, ends, strict=True)
    ]
