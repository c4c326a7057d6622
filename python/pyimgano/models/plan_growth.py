"""How the time of learning and of scoring grows with the patches learnt from, by samples."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from pyimgano.features import PatchGrid
from pyimgano.scorers.checked import CheckedScorer

T = TypeVar("T")
#: Seconds after which a sample is large enough to reckon from.
_ENOUGH = 3.0
#: Samples that a line is drawn through: in smaller ones what each call costs outweighs the rest.
_SAMPLES_USED = 3


@dataclass(frozen=True)
class Growth:
    """Seconds for one patch by the number of patches learnt from: a line.

    A part of the work is done once for each patch, and a part for each pair of it with what is kept
    of the others: a memory bank is a share of all patches, so that their number grows as they do.

    Attributes
    ----------
    base, slope
        Seconds for a patch, and those that each patch learnt from adds; neither is negative.
    """

    base: float
    slope: float

    @classmethod
    def through(cls, points: Sequence[tuple[int, float]]) -> "Growth":
        """The line near the last (patches learnt from, seconds for one), by relative distance."""
        n, seconds = np.array(points[-_SAMPLES_USED:], np.float64).T
        if len(n) == 1 or not seconds.all():
            return cls(float(seconds[-1]), 0.0)
        weights = 1 / seconds
        lines = np.stack([weights, n * weights], axis=1)
        (base, slope), *_ = np.linalg.lstsq(lines, np.ones(len(n)), rcond=None)
        if base < 0 or slope < 0:  # the nearest line through zero, or without a slope
            kept = lines[:, int(slope > 0)]
            share = float(kept.sum() / (kept @ kept))
            return cls(0.0, share) if slope > 0 else cls(share, 0.0)
        return cls(float(base), float(slope))

    def at(self, n: int) -> float:
        """Seconds for a patch where so many are learnt from."""
        return self.base + self.slope * n


def measure_growth(
    new_scorer: Callable[[], CheckedScorer], grids: Iterator[PatchGrid]
) -> tuple[Growth, Growth]:
    """Seconds of learning from one of n patches, and of scoring one after that.

    Samples double, from the quarters of one grid to as many grids as there are, until learning
    from one takes seconds. How many pairs coreset and search leave out, because bounds on their
    distances show them to be needless, only the patches themselves can tell.

    Parameters
    ----------
    new_scorer
        Gives one that has learnt nothing.
    grids
        Of different images; no more are taken than needed.
    """
    first = next(grids)
    if first.shape[0] < 2:
        return Growth(0.0, 0.0), Growth(0.0, 0.0)
    learning, scoring = [], []
    for sample in _samples(first, grids):
        n, scorer = sum(len(grid.rows) for grid in sample), new_scorer()
        seconds, _ = timed(partial(_learn, scorer, sample))
        learning.append((n, seconds / n))
        is_enough = seconds >= _ENOUGH
        seconds, _ = timed(partial(scorer.score, sample[:1]))
        scoring.append((n, seconds / len(sample[0].rows)))
        if is_enough:
            break
    return Growth.through(learning), Growth.through(scoring)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds that work takes, and what it gives."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def _samples(first: PatchGrid, grids: Iterator[PatchGrid]) -> Iterator[list[PatchGrid]]:
    """Parts of a grid standing for images, then whole ones: 2, 4, 8 and so on."""
    rows, width = first.shape
    for part in sorted({max(1, rows // 4), max(1, rows // 2)}):
        n = part * width
        yield [
            PatchGrid(first.rows[i * n : (i + 1) * n], (part, width), first.parts) for i in range(2)
        ]
    sample = [first]
    for grid in grids:
        sample.append(grid)
        if len(sample) & (len(sample) - 1) == 0:
            yield sample


def _learn(scorer: CheckedScorer, sample: Sequence[PatchGrid]) -> None:
    scorer.begin(len(sample), sample[0])
    for grid in sample:
        scorer.add(grid)
    scorer.finish(0, lambda done, total: None)
    scorer.held_out()
