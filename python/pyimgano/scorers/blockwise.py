"""The half of a memory bank that learns from blocks of images, read one by one or in workers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import NotFittedError
from pyimgano.features import PatchGrid
from pyimgano.neighbors import NearestNeighbors
from pyimgano.scorers.base import PatchScores
from pyimgano.scorers.coresets import FINER, Coverage, LocalCoreset, pick_local
from pyimgano.scorers.fit_memory import fit_memory
from pyimgano.scorers.origins import Origins
from pyimgano.scorers.union_bank import LeftOut, UnionBank


class Blockwise(ABC):
    """Learns from what each block of images gives, and has held-out scores computed by blocks.

    First :meth:`reduce` for each block, anywhere; then :meth:`merge` and :meth:`left_out` in one
    place; then :meth:`score_without` for each training image, anywhere.
    """

    coreset_ratio: float
    metric: str
    memory_bank_: NDArray[np.float32]
    origins_: Origins | None
    coverage_: Coverage | None = None
    _index: NearestNeighbors | None = None
    #: Until the training images are scored.
    _union: UnionBank | None = None

    @abstractmethod
    def _prepared(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows as they are compared."""

    @abstractmethod
    def _finished(
        self,
        image: float,
        distances: NDArray[np.float32],
        nearest: NDArray[np.int32] | None = None,
    ) -> PatchScores:
        """Scores from distances, and from the re-weighted one of an image."""

    @abstractmethod
    def _search(self) -> NearestNeighbors:
        """The index of the bank; with it what only the training images' scores need is dropped."""

    @abstractmethod
    def _n_neighbors(self) -> int:
        """Bank rows in the re-weighting."""

    def block_bytes(self, n_images: int, n_patches: int, depth: int) -> int:
        """Memory that picking the local coreset of so many images takes.

        That is that of a coreset, and the images' patches as they were read.
        """
        n_rows, share = n_images * n_patches, min(1.0, FINER * self.coreset_ratio)
        n_copies = 1 if self.metric == "euclidean" else 2  # as read, and as they are compared
        return fit_memory(n_rows, depth, share, on_disk=False) + 4 * depth * n_rows * n_copies

    def reduce(
        self, grids: Sequence[PatchGrid], groups: NDArray[np.int64], seed: Sequence[int]
    ) -> LocalCoreset:
        """The local coreset of a block of images, see :func:`pick_local`; nothing is kept."""
        rows, shapes = [self._prepared(one.rows) for one in grids], [one.shape for one in grids]
        return pick_local(rows, shapes, groups, self.coreset_ratio, seed)

    def merge(
        self,
        parts: Sequence[LocalCoreset],
        random_state: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Pick the bank from the union of local coresets, in the order of their images."""
        self._index = None
        union = UnionBank.of(parts, self.coreset_ratio, random_state, progress)
        self._union, self.coverage_ = union, union.coverage
        self.memory_bank_ = union.rows[union.picks]
        self.origins_ = Origins(union.places[union.picks], np.array(union.shapes, np.int32))

    def left_out(self, groups: NDArray[np.int64]) -> LeftOut:
        """What the images of each group are scored by; the union is dropped."""
        if self._union is None:
            raise NotFittedError(f"{type(self).__name__}: call merge first")
        found = self._union.left_out(groups, self._n_neighbors())
        self._search()
        return found

    def score_without(self, left_out: LeftOut, grid: PatchGrid, group: int) -> PatchScores:
        """Score a training image of a group by a bank that never saw it."""
        found = left_out.score(self._prepared(grid.rows), grid.shape, group)
        return self._finished(found.image, found.distances, found.nearest)
