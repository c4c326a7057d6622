"""Mean and covariance of patches, image after image, and their principal axes."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

#: Rows turned to float64 at once.
_BLOCK = 8192
#: Features of which all axes are found as fast as one.
_FEW = 16


class Moments:
    """Count, sum and sum of products of rows, all about one point near them, in float64.

    Parameters
    ----------
    about
        (d,) any point among the rows: far from all of them, their variance would be lost in
        rounding.
    """

    def __init__(self, about: NDArray[np.floating]) -> None:
        self.about = about.astype(np.float64)
        self.n = 0
        self._sum = np.zeros(len(about))
        self._products = np.zeros((len(about), len(about)))

    def add(self, rows: NDArray[np.floating]) -> Self:
        """Count further rows (n, d)."""
        for start in range(0, len(rows), _BLOCK):
            centred = rows[start : start + _BLOCK].astype(np.float64) - self.about
            self._sum += centred.sum(axis=0)
            self._products += centred.T @ centred
        self.n += len(rows)
        return self

    def without(self, part: Moments) -> Moments:
        """The moments of the rows that are not in a part of them, about the same point."""
        rest = Moments(self.about)
        rest.n = self.n - part.n
        rest._sum = self._sum - part._sum
        rest._products = self._products - part._products
        return rest

    @property
    def mean(self) -> NDArray[np.float64]:
        """(d,)."""
        mean: NDArray[np.float64] = self.about + self._sum / self.n
        return mean

    @property
    def covariance(self) -> NDArray[np.float64]:
        """(d, d), divided by n - 1; 0 for a single row."""
        scatter = self._products - np.outer(self._sum, self._sum) / self.n
        covariance: NDArray[np.float64] = scatter / max(self.n - 1, 1)
        return covariance

    def axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Variances (d,), the largest first, and the axes (d, d) along which they are, as columns.

        Each axis points to where its largest entry is positive.
        """
        values, vectors = np.linalg.eigh(self.covariance)
        return np.maximum(values[::-1], 0.0), _pointing(vectors[:, ::-1])

    def first_axis(self) -> NDArray[np.float64]:
        """(d,): the first of :meth:`axes`, without the work for the others."""
        covariance = self.covariance
        if len(covariance) <= _FEW or not covariance.any():
            return self.axes()[1][:, 0]
        from scipy.sparse.linalg import eigsh  # here, for it takes long to import

        # Begins at a fixed vector, or the last bits would be drawn at random.
        _, vectors = eigsh(covariance, k=1, v0=np.ones(len(covariance)))
        found: NDArray[np.float64] = _pointing(vectors)[:, 0]
        return found


def _pointing(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each column, turned to where its largest entry is positive."""
    largest = vectors[np.argmax(np.abs(vectors), axis=0), np.arange(vectors.shape[1])]
    turned: NDArray[np.float64] = vectors * np.where(largest < 0, -1.0, 1.0)
    return turned


def axes_for(variances: NDArray[np.float64], share: float) -> int:
    """The fewest axes that hold a share of the variance; one at least."""
    reached = np.cumsum(variances) >= share * variances.sum()
    return int(np.argmax(reached)) + 1 if reached.any() else len(variances)
