"""PatchCore's memory bank: nearest distances per patch and the re-weighted image score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pyimgano.kernels import greedy_coreset
from pyimgano.models.knn_index import create_knn_index


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
        Name for :func:`~pyimgano.models.knn_index.create_knn_index`.
    """

    def __init__(
        self, rows: NDArray[np.float32], *, n_neighbors: int = 9, knn_backend: str = "auto"
    ) -> None:
        self.rows = rows
        self.n_neighbors = n_neighbors
        self._index = create_knn_index(knn_backend).fit(rows)

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
        score = self._reweight(patches[worst], float(nearest[worst]), int(indices[worst, 0]))
        return score, nearest

    def _reweight(self, patch: NDArray[np.float32], distance: float, match: int) -> float:
        """Equation 7 of Roth et al. (CVPR 2022): far from a rare bank row counts for more.

        The neighbourhood is that of the matched bank row, itself included. A bank of one row has
        no neighbourhood, and the weight would be 0 for everything.
        """
        k = min(self.n_neighbors, len(self.rows))
        if k <= 1:
            return distance
        _, indices = self._index.kneighbors(self.rows[match : match + 1], k)
        near = indices[0]
        if match not in near:  # more than k rows equal to it
            near[-1] = match
        offsets = self.rows[near].astype(np.float64) - patch.astype(np.float64)
        to_near = np.sqrt(np.einsum("ij,ij->i", offsets, offsets))
        # Softmax relative to the largest exponent, which would overflow otherwise.
        exponents = np.exp(to_near - to_near.max())
        share = float(exponents[near == match][0] / exponents.sum())
        return (1.0 - share) * distance
