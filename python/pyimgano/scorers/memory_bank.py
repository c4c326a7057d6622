"""PatchCore's memory bank: nearest distances per patch and the re-weighted image score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.kernels import greedy_coreset
from pyimgano.neighbors import NearestNeighbors, create_neighbors


def select_coreset(
    rows: NDArray[np.float32],
    ratio: float,
    *,
    random_state: int,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.int64]:
    """Row numbers of a greedy coreset of ``ratio`` of the rows, one row at least.

    The numbers are sorted: the order of the picks means nothing to a search, and neighbouring rows
    of an image stay together in memory.
    """
    size = max(1, int(len(rows) * ratio))
    if size == len(rows):
        return np.arange(size, dtype=np.int64)
    return np.sort(greedy_coreset(rows, size, random_state=random_state, progress=progress))


class MemoryBank:
    """Patch features of normal images, searched exactly.

    Parameters
    ----------
    rows
        float32 (n, d) patch features.
    n_neighbors
        Bank rows that the re-weighting looks at.
    knn_backend
        As for :func:`~pyimgano.neighbors.create_neighbors`.
    """

    def __init__(
        self,
        rows: NDArray[np.float32],
        *,
        n_neighbors: int = 9,
        knn_backend: str | NearestNeighbors = "auto",
    ) -> None:
        self.rows = rows
        self.n_neighbors = n_neighbors
        self.knn_backend = knn_backend
        self._index = create_neighbors(knn_backend).fit(rows)

    def __getstate__(self) -> dict[str, Any]:
        """Without the index, which is made anew of the rows where a copy arrives."""
        return {name: value for name, value in vars(self).items() if name != "_index"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._index = create_neighbors(self.knn_backend).fit(self.rows)

    def score(self, patches: NDArray[np.float32]) -> tuple[float, NDArray[np.float32]]:
        """Score one image.

        Parameters
        ----------
        patches
            float32 (m, d), all patches of the image.

        Returns
        -------
        tuple
            The re-weighted image score and the distance of each patch to its nearest bank row,
            float32 (m,), Euclidean.
        """
        distances, indices = self._index.kneighbors(patches, 1)
        nearest = distances[:, 0]
        worst = int(np.argmax(nearest))
        match = int(indices[worst, 0])
        near = self._neighbourhood(match)
        distance = float(nearest[worst])
        return reweight(patches[worst], distance, self.rows[near], near == match), nearest

    def _neighbourhood(self, match: int) -> NDArray[np.int64]:
        """The bank rows nearest to one of them, itself included."""
        k = min(self.n_neighbors, len(self.rows))
        _, indices = self._index.kneighbors(self.rows[match : match + 1], k)
        near: NDArray[np.int64] = indices[0]
        if match not in near:  # more than k rows are equal to it
            near[-1] = match
        return near


def reweight(
    patch: NDArray[np.float32],
    distance: float,
    neighbours: NDArray[np.float32],
    is_match: NDArray[np.bool_],
) -> float:
    """Equation 7 of Roth et al. (CVPR 2022): an image's score counts less in a dense neighbourhood.

    Parameters
    ----------
    patch
        float32 (d,), the patch that is farthest from the bank.
    distance
        Its distance to the matched (nearest) bank row.
    neighbours
        float32 (k, d), the bank rows nearest to the matched row, itself included.
    is_match
        bool (k,), which of them is the matched row.

    Returns
    -------
    float
        ``distance`` times one minus the softmax share of the matched row, in float64; with no
        other neighbour ``distance`` itself, for the weight would be 0 for every image.
    """
    if len(neighbours) <= 1:
        return distance
    offsets = neighbours.astype(np.float64) - patch.astype(np.float64)
    to_near = np.sqrt(np.einsum("ij,ij->i", offsets, offsets))
    # Relative to the largest exponent, which would overflow otherwise.
    exponents = np.exp(to_near - to_near.max())
    return float((1.0 - exponents[is_match][0] / exponents.sum()) * distance)
