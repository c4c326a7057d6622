"""What lower bounds spare a search, counted."""

from dataclasses import dataclass
from typing import Any

from pyimgano.errors import InvalidTypeError


@dataclass
class SearchStats:
    """Counters of a search for neighbours, or of the selection of a coreset.

    They count pairs: of a query and a row, or of a pick and a row. Given as ``stats=``, each call
    is added to what is there already. `candidates` is the sum of all others but `probed`. The
    candidates of a coreset are, for each pick, those of its batch, and once the batch is full all
    rows.

    Attributes
    ----------
    candidates : int
        Pairs in all: a search without lower bounds computes the distance of each.
    excluded : int
        Left by the bounds, but of the query's own group.
    by_ball : int
        Pruned with a whole block of rows, by the ball or box around it.
    by_projection : int
        Pruned by a lower bound from their projections on the principal axes.
    by_row : int
        Pruned by a lower bound from the rows, quantised or in float32.
    refined : int
        Settled by the float64 distance of the rows.
    probed : int
        Distances computed for the first radius of a query, whatever became of these pairs later.

    Examples
    --------
    >>> import numpy as np
    >>> from pyimgano.kernels import KnnIndex, SearchStats
    >>> rows = np.arange(40, dtype=np.float32).reshape(20, 2)
    >>> stats = SearchStats()
    >>> distances, _ = KnnIndex(rows).query(rows[:3], stats=stats)
    >>> stats.candidates, stats.pruned + stats.refined
    (60, 60)
    """

    candidates: int = 0
    excluded: int = 0
    by_ball: int = 0
    by_projection: int = 0
    by_row: int = 0
    refined: int = 0
    probed: int = 0

    @property
    def pruned(self) -> int:
        """Pairs that a lower bound ruled out."""
        return self.by_ball + self.by_projection + self.by_row

    @property
    def share_pruned(self) -> float:
        """`pruned` over `candidates`; 0 without any."""
        return self.pruned / self.candidates if self.candidates else 0.0


def counters(stats: SearchStats | None) -> tuple[dict[str, Any], ...]:
    """The last argument of a kernel that counts; none where nobody asks for it.

    Raises
    ------
    InvalidTypeError
        (a TypeError) `stats` is something else.
    """
    if stats is None:
        return ()
    if not isinstance(stats, SearchStats):
        raise InvalidTypeError(f"stats must be a SearchStats, got {type(stats).__name__}")
    return (vars(stats),)
