"""A fit by blocks of images, each of which gives a local coreset, wherever it is read.

Images are read twice: for the local coresets, from whose union the bank is picked, and for their
held-out scores. Blocks are cut by the order of the images alone, so that what is learnt does not
depend on who reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError
from pyimgano.features import PatchGrid
from pyimgano.images.references import References
from pyimgano.images.twins import group_twins
from pyimgano.models.collect import Collected
from pyimgano.models.training_reader import Batch, Known, TrainingReader, Unusable, batches_of
from pyimgano.scorers.base import PatchScores
from pyimgano.scorers.checked import CheckedScorer
from pyimgano.scorers.coresets import LocalCoreset
from pyimgano.scorers.fit_memory import refuse_beyond
from pyimgano.scorers.memory_bank import MemoryBankScorer
from pyimgano.scorers.union_bank import LeftOut
from pyimgano.types import ImageInput
from pyimgano.utils.progress import track
from pyimgano.utils.timing import StageTimer
from pyimgano.utils.workers import in_order


class BlockFit:
    """The fit of a scorer that learns from ``block`` images at a time.

    It stands in the place of the scorer where a detector learns: :meth:`collect`, :meth:`finish`,
    :meth:`held_out`.
    """

    def __init__(
        self,
        reader: TrainingReader,
        images: Sequence[ImageInput],
        scorer: MemoryBankScorer,
        *,
        block: int,
        random_state: int,
        batch_size: int,
        n_jobs: int | None,
        skip_bad: bool,
        verbose: bool,
        timer: StageTimer,
    ) -> None:
        self.reader, self.images, self.scorer, self.block = reader, images, scorer, block
        self.random_state, self.batch_size, self.n_jobs = random_state, batch_size, n_jobs
        self.skip_bad, self.verbose, self.timer = skip_bad, verbose, timer
        self.parts: list[LocalCoreset] = []
        self.kept: list[int] = []

    def collect(self) -> Collected:
        """Have the local coresets picked; what is known of the images, as :func:`collect` tells."""
        found, n_images = Collected(), len(self.images)
        work = LocalPick(self.reader, self.scorer, self.random_state, self.batch_size)
        blocks = list(enumerate(batches_of(self.images, self.block)))
        with track(n_images, "reading training images", self.verbose) as advance:
            for one in in_order(work, blocks, self.n_jobs, what="fit"):
                self.timer.add(one.seconds)
                found.errors |= one.errors
                for number, known in one.known.items():
                    found.add(number, known)
                found.n_whole += one.n_whole
                if one.part is not None:
                    self._check_memory(one.part)
                    self.parts.append(one.part)
                advance(self.block)
        found.check(n_images, skip_bad=self.skip_bad)
        self.kept = found.kept
        return found

    def finish(self, random_state: int, progress: Callable[[int, int], None]) -> None:
        """Pick the bank from the union."""
        self.scorer.merge(self.parts, random_state, progress)
        self.parts = []

    def held_out(self, groups: NDArray[np.int64] | None = None) -> list[PatchScores]:
        """Score each training image, and again each of its copies, without its picture."""
        n_each = 1 + self.reader.references.n_copies
        n = len(self.kept) * n_each
        groups = np.arange(n) if groups is None else groups
        reader = replace(self.reader, references=References("plain", 0))
        work = ScoresWithout(reader, self.scorer, self.scorer.left_out(groups), self.batch_size)
        numbered = ((i, int(groups[n_each * at])) for at, i in enumerate(self.kept))
        blocks = iter(lambda: list(islice(numbered, self.block)), [])
        items = ([((i, self.images[i]), group) for i, group in block] for block in blocks)
        found: list[PatchScores] = []
        for scores in in_order(work, items, self.n_jobs, what="fit"):
            found += [one for one in scores for _ in range(n_each)]
        return found

    def _check_memory(self, part: LocalCoreset) -> None:
        """Judged by the first block: NotEnoughMemoryError where the union will not fit."""
        if self.parts:
            return
        n_images, depth = len(self.images), part.rows.shape[1]
        height, width = part.shapes[0]
        total = n_images * (1 + self.reader.references.n_copies)
        needed = self.scorer.fit_bytes(total, height * width, (depth,))
        what = f"local coresets of {n_images:,} images of {height} x {width} x {depth} features"
        ways = ["a smaller coreset_ratio", "a smaller image_size", "fewer images"]
        refuse_beyond(needed, what, ways)


@dataclass(frozen=True, eq=False)
class PickedBlock:
    """What a block of images gave."""

    part: LocalCoreset | None  #: None: no image of it can be used.
    known: dict[int, Known]  #: Of the images that are used, by number.
    errors: dict[int, ImageReadError]  #: Why the others cannot be.
    n_whole: int  #: How many have no patches that stand out as foreground.
    seconds: dict[str, float]


@dataclass(frozen=True)
class LocalPick:
    """Reads a block and picks its local coreset."""

    reader: TrainingReader
    scorer: MemoryBankScorer
    random_state: int
    batch_size: int

    def __call__(self, numbered: tuple[int, Batch]) -> PickedBlock:
        """Of a block with its number."""
        number, block = numbered
        timer, n_whole = StageTimer(), 0
        known: dict[int, Known] = {}
        errors: dict[int, ImageReadError] = {}
        grids: list[PatchGrid] = []
        for start in range(0, len(block), self.batch_size):
            for one in self.reader.take(block[start : start + self.batch_size], timer):
                if isinstance(one, Unusable):
                    errors[one.number] = one.error
                    continue
                if not known:
                    self._check_memory(one.grid, len(block) * (1 + self.reader.references.n_copies))
                known[one.number] = one.known
                grids += [one.grid, *one.copies]
                n_whole += one.grid.scored is None
        part = None
        if known:
            looks = list(known.values())
            small = np.array([look.thumbnail for look in looks])
            alike = group_twins([look.digest for look in looks], small)
            n_each = len(grids) // len(looks)
            groups = np.repeat(alike * n_each, n_each)
            with timer.stage("learn"):
                part = self.scorer.reduce(grids, groups, (self.random_state, number))
        return PickedBlock(part, known, errors, n_whole, timer.seconds)

    def _check_memory(self, grid: PatchGrid, n_images: int) -> None:
        """Judged by the first image: NotEnoughMemoryError where the block will not fit."""
        (height, width), depth = grid.shape, grid.rows.shape[1]
        needed = self.scorer.block_bytes(n_images, len(grid.rows), depth)
        what = f"a block of {n_images:,} images of {height} x {width} x {depth} features"
        refuse_beyond(needed, what, ["a smaller coreset_block", "a smaller image_size"])


@dataclass(frozen=True)
class ScoresWithout:
    """Reads images again and scores each by a bank that never saw its picture."""

    reader: TrainingReader
    scorer: MemoryBankScorer
    left_out: LeftOut
    batch_size: int

    def __call__(self, block: Sequence[tuple[tuple[int, ImageInput], int]]) -> list[PatchScores]:
        """Of images with the groups of their pictures."""
        found: list[PatchScores] = []
        for start in range(0, len(block), self.batch_size):
            batch = block[start : start + self.batch_size]
            groups = {number: group for (number, _), group in batch}
            for one in self.reader.take([image for image, _ in batch], StageTimer()):
                if isinstance(one, Unusable):  # it could be used before
                    raise one.error
                score = self.scorer.score_without(self.left_out, one.grid, groups[one.number])
                found += CheckedScorer(self.scorer).checked([score], [one.grid])
        return found
