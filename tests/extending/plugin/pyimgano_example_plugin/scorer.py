"""A detector of its own: how many standard deviations a patch is from the mean of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.extend import (
    Number,
    Parameter,
    PatchDetector,
    PatchGrid,
    PatchScores,
    register_model,
    register_scorer,
)


class Deviation:
    """Root mean square of a patch's features, each less its mean, over its standard deviation.

    Parameters
    ----------
    floor : float
        Share of the mean standard deviation that none is taken to be below.
    """

    kind: ClassVar[str] = "deviation"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "floor": Number(0, 1, help="least standard deviation, as a share of the mean one"),
    }

    def __init__(self, floor: float = 0.1) -> None:
        self.floor = floor

    def begin(self, n_images: int, first: PatchGrid) -> None:
        self._images: list[tuple[PatchGrid, NDArray[np.float64]]] = []

    def add(self, grid: PatchGrid) -> None:
        rows = grid.rows.astype(np.float64)
        sums = [np.full(rows.shape[1], float(len(rows))), rows.sum(axis=0), (rows**2).sum(axis=0)]
        self._images.append((grid, np.stack(sums)))

    def finish(self, random_state: int, progress: Callable[[int, int], None]) -> None:
        self.sums_ = np.sum([sums for _, sums in self._images], axis=0)

    def held_out(self, groups: NDArray[np.int64] | None = None) -> list[PatchScores]:
        numbers = range(len(self._images)) if groups is None else groups.tolist()
        own: dict[int, NDArray[np.float64]] = {}
        for group, (_, sums) in zip(numbers, self._images, strict=True):
            own[group] = own.get(group, 0.0) + sums
        found = [
            self._score(grid, self.sums_ - own[group])
            for group, (grid, _) in zip(numbers, self._images, strict=True)
        ]
        self._images = []
        return found

    def score(self, grids: Sequence[PatchGrid]) -> list[PatchScores]:
        return [self._score(grid, self.sums_) for grid in grids]

    def _score(self, grid: PatchGrid, sums: NDArray[np.float64]) -> PatchScores:
        mean, square = sums[1] / sums[0], sums[2] / sums[0]
        deviation = np.sqrt(np.maximum(square - mean**2, 0))
        deviation = np.maximum(deviation, self.floor * deviation.mean() + 1e-12)
        distances = np.sqrt((((grid.rows - mean) / deviation) ** 2).mean(axis=1))
        distances = distances.astype(np.float32).reshape(grid.shape)
        return PatchScores(float(distances.max()), distances)

    def to_state(self) -> Mapping[str, NDArray[Any]]:
        return {"sums": self.sums_}

    @classmethod
    def from_state(cls, parameters: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> Self:
        scorer = cls(**parameters)
        scorer.sums_ = state["sums"]
        if scorer.sums_.ndim != 2 or len(scorer.sums_) != 3 or not (scorer.sums_[0] > 0).all():
            raise ValueError(f"sums have shape {scorer.sums_.shape}, not (3, d), or count nothing")
        return scorer


def build(**parameters: Any) -> PatchDetector:
    """A detector on any backbone."""
    return PatchDetector(scorer=Deviation(), **parameters)


def register() -> None:
    register_scorer(Deviation, summary="standard deviations from the mean patch")
    register_model("deviation", build, summary="Standard deviations from the mean patch")
