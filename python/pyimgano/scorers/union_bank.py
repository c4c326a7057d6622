"""A memory bank picked from the local coresets of blocks of images, and what it scores without."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.kernels import KnnIndex
from pyimgano.scorers.base import PatchScores
from pyimgano.scorers.coresets import Coverage, LocalCoreset, picked
from pyimgano.scorers.held_out import holes_of, repair, score_without, search


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What scores a training image by the bank as it would be without its picture.

    Attributes
    ----------
    index, picks
        The bank with the groups of its rows, and their numbers 0 to m - 1.
    rows
        float32 (m + f, d), those of the bank and those that fill holes.
    places
        int32 (m + f, 2), image and patch of each.
    further
        For each group the numbers of the rows that fill the holes it leaves.
    n_neighbors
        Rows in the re-weighting of an image's score.
    """

    index: KnnIndex
    picks: NDArray[np.int64]
    rows: NDArray[np.float32]
    places: NDArray[np.int32]
    further: Mapping[int, NDArray[np.int64]]
    n_neighbors: int

    def score(
        self, patches: NDArray[np.float32], shape: tuple[int, int], group: int
    ) -> PatchScores:
        """Score the patches of an image of that group, float32 (h * w, d)."""
        distances, nearest = search(self.index, patches, np.full(len(patches), group), None)
        bank = (self.index, self.picks, self.rows)
        further = self.further[group]
        image = score_without(patches, distances, nearest, further, bank, group, self.n_neighbors)
        compared = self.places[nearest].reshape(*shape, 2)
        return PatchScores(image, distances.reshape(shape), compared)


@dataclass(frozen=True, eq=False)
class UnionBank:
    """Local coresets of all images, and the bank that was picked from them.

    Attributes
    ----------
    rows, places
        float32 (n, d) and int32 (n, 2), the union of the local coresets, by image and patch.
    spare, spare_places, spare_for
        The same of rows that stand in where an image is left out, and the first image of its
        picture.
    picks
        int64 (m,), sorted: the rows that are the bank.
    shapes
        Grids (h, w) of all images.
    coverage
        How near every patch is to a row of the bank.
    """

    rows: NDArray[np.float32]
    places: NDArray[np.int32]
    spare: NDArray[np.float32]
    spare_places: NDArray[np.int32]
    spare_for: NDArray[np.int64]
    picks: NDArray[np.int64]
    shapes: Sequence[tuple[int, int]]
    coverage: Coverage

    @classmethod
    def of(
        cls,
        parts: Iterable[LocalCoreset],
        ratio: float,
        random_state: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> Self:
        """Pick a bank of ``ratio`` of all patches from what the blocks gave, in their order."""
        parts = list(parts)
        first = np.cumsum([0, *(len(part.shapes) for part in parts)])
        shapes = [shape for part in parts for shape in part.shapes]
        rows = np.concatenate([part.rows for part in parts])
        size = max(1, int(sum(h * w for h, w in shapes) * ratio))
        picks = picked(rows, min(size, len(rows)), random_state, progress)
        nobody = np.full(len(rows), -1, dtype=np.int64)
        bank = KnnIndex(rows[picks], groups=np.zeros(len(picks), dtype=np.int64))
        union = float(search(bank, rows, nobody, None)[0].max())

        def places(name: str) -> NDArray[np.int32]:
            pairs = zip(parts, first, strict=False)
            found = [getattr(part, name) + np.array([n, 0]) for part, n in pairs]
            return np.concatenate(found).astype(np.int32)

        spare_for = [part.spare_for + n for part, n in zip(parts, first, strict=False)]
        return cls(
            rows,
            places("places"),
            np.concatenate([part.spare for part in parts]),
            places("spare_places"),
            np.concatenate(spare_for),
            picks,
            shapes,
            Coverage(max(part.radius for part in parts), union),
        )

    def left_out(self, groups: NDArray[np.int64], n_neighbors: int) -> LeftOut:
        """What each picture is scored by: the bank without it, its holes filled on both levels.

        Rows that its images alone covered in their blocks are among the spare ones. Of these, and
        of the union, the farthest are added until all others are within the union's radius again,
        as :func:`~pyimgano.scorers.held_out.score_held_out` does with all patches.

        ``groups`` is int64 (n,), for each image the first one that shows the same picture.
        """
        own, spare_for = groups[self.places[:, 0]], groups[self.spare_for]
        bank, bank_groups = self.rows[self.picks], own[self.picks]
        index = KnnIndex(bank, groups=bank_groups)
        holes = holes_of(self.rows, own, index, self.picks)
        # Its own twin may be among what stands in for an image.
        apart = groups[self.spare_places[:, 0]] != spare_for
        to_spare, _ = search(index, self.spare, spare_for, None)
        every = np.concatenate([self.rows, self.spare])
        patches = repair(
            every,
            np.concatenate([holes.covered_by, spare_for]),
            np.concatenate([holes.without, np.where(apart, to_spare, np.float32(0))]),
            holes.radius,
            len(groups),
        )
        used = np.unique(np.concatenate([self.picks[:0], *patches]))
        m = len(self.picks)
        places = np.concatenate([self.places, self.spare_places])
        return LeftOut(
            index,
            np.arange(m, dtype=np.int64),
            np.concatenate([bank, every[used]]),
            np.concatenate([places[self.picks], places[used]]),
            {g: m + np.searchsorted(used, patches[g]) for g in np.unique(groups).tolist()},
            n_neighbors,
        )
