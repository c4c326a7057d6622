"""A small scorer, as somebody else may write one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.extend import (
    Number,
    Parameter,
    PatchGrid,
    PatchScores,
)


class MeanPatch:
    """Distances to the mean patch of the good images; an image has a high quantile of them."""

    kind: ClassVar[str] = "mean_patch"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"quantile": Number(0, 1)}

    def __init__(self, quantile: float = 1.0) -> None:
        self.quantile = quantile

    def begin(self, n_images: int, first: PatchGrid) -> None:
        """Start anew."""
        self.grids: list[PatchGrid] = []

    def add(self, grid: PatchGrid) -> None:
        """Keep an image's patches."""
        self.grids.append(grid)

    def finish(self, random_state: int, progress: Any) -> None:
        """Take the mean of all patches."""
        self.mean = np.mean([grid.rows.mean(axis=0) for grid in self.grids], axis=0)

    def score(self, grids: Sequence[PatchGrid]) -> list[PatchScores]:
        """Score images against the mean."""
        return [self._score(grid, self.mean) for grid in grids]

    def held_out(self, groups: NDArray[np.int64] | None = None) -> list[PatchScores]:
        """Score training images against the mean of the others."""
        numbers = np.arange(len(self.grids)) if groups is None else groups
        means = np.stack([grid.rows.mean(axis=0) for grid in self.grids])
        scores = [
            self._score(grid, means[numbers != number].mean(axis=0))
            for grid, number in zip(self.grids, numbers, strict=True)
        ]
        self.grids = []
        return scores

    def _score(self, grid: PatchGrid, mean: NDArray[np.floating]) -> PatchScores:
        distances = np.linalg.norm(grid.rows - mean, axis=1).astype(np.float32)
        image = float(np.quantile(distances, self.quantile))
        return PatchScores(image, distances.reshape(grid.shape))

    def to_state(self) -> dict[str, NDArray[Any]]:
        """What files hold."""
        return {"mean": self.mean}

    @classmethod
    def from_state(cls, parameters: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> Self:
        """From what they hold."""
        scorer = cls(**parameters)
        scorer.mean = state["mean"]
        return scorer
