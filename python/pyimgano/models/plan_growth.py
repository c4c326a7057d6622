"""How the time of learning and of scoring grows with the patches learnt from, by samples."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from pyimgano.features import PatchGrid
from pyimgano.scorers.checked import CheckedScorer

T = TypeVar("T")
#: Seconds after which a sample is large enough to reckon from. Of 16 photos of 12 megapixels, which
#: took 89 s, a sample of one second promised 39 s, one of three 57 s.
_ENOUGH = 3.0


@dataclass(frozen=True)
class Growth:
    """Seconds by number of patches: those of the largest sample, times a power of the ratio.

    Attributes
    ----------
    n, seconds
        Patches of the largest sample, and its seconds.
    power
        Of the ratio of patches.
    """

    n: int
    seconds: float
    power: float

    @classmethod
    def through(cls, points: Sequence[tuple[int, float]], least: float, most: float) -> "Growth":
        """The power between the last two of (patches, seconds), no less and no more than given."""
        n, seconds = points[-1]
        power = least
        if len(points) > 1:
            before, shorter = points[-2]
            power = math.log(seconds / shorter) / math.log(n / before)
        return cls(n, seconds, min(max(power, least), most))

    def at(self, n: int) -> float:
        """Seconds for so many patches."""
        return self.seconds * float((n / self.n) ** self.power)


def measure_growth(
    new_scorer: Callable[[], CheckedScorer], grids: Iterator[PatchGrid]
) -> tuple[Growth, Growth]:
    """Seconds of learning from n patches, and of scoring one after that.

    Samples double, from the quarters of one grid to as many grids as there are, until learning
    from one takes seconds. Coreset and search do not grow in proportion to anything that is known
    beforehand: both leave out what bounds on distances show to be needless.

    Parameters
    ----------
    new_scorer
        Gives one that has learnt nothing.
    grids
        Of different images; no more are taken than needed.
    """
    first = next(grids)
    if first.shape[0] < 2:
        return Growth(1, 0.0, 1), Growth(1, 0.0, 0)
    learning, scoring = [], []
    for sample in _samples(first, grids):
        n, scorer = sum(len(grid.rows) for grid in sample), new_scorer()
        seconds, _ = timed(partial(_learn, scorer, sample))
        learning.append((n, seconds))
        seconds, _ = timed(partial(scorer.score, sample[:1]))
        scoring.append((n, seconds / len(sample[0].rows)))
        if learning[-1][1] >= _ENOUGH:
            break
    # Learning reads each patch, and a coreset or held-out search at most compares all with all.
    return Growth.through(learning, 1, 2), Growth.through(scoring, 0, 1)


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
