"""The training patches of all images in one growing array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError


class FeatureStore:
    """Rows of float32 features, image after image, without ever holding them twice.

    Parameters
    ----------
    n_images
        Images to expect: together with the first one's rows it sizes the first allocation.
    """

    def __init__(self, n_images: int) -> None:
        self._n_images = n_images
        self._buffer = np.empty((0, 0), dtype=np.float32)
        self._ends: list[int] = []

    def append(self, rows: NDArray[np.float32]) -> None:
        """Add the (n, d) patches of the next image."""
        start = self.n_rows
        end = start + len(rows)
        if not self._ends:
            self._buffer = np.empty((len(rows) * self._n_images, rows.shape[1]), dtype=np.float32)
        elif rows.shape[1] != self._buffer.shape[1]:
            raise InvalidInputError(
                f"patches have {rows.shape[1]} features, those before {self._buffer.shape[1]}"
            )
        if end > len(self._buffer):  # images of differing sizes
            ahead = max(end, end * self._n_images // (len(self._ends) + 1))
            self._buffer.resize((ahead, rows.shape[1]), refcheck=False)
        self._buffer[start:end] = rows
        self._ends.append(end)

    @property
    def n_rows(self) -> int:
        """Rows so far."""
        return self._ends[-1] if self._ends else 0

    @property
    def n_images(self) -> int:
        """Images so far."""
        return len(self._ends)

    @property
    def rows(self) -> NDArray[np.float32]:
        """All rows, a view."""
        return self._buffer[: self.n_rows]

    def image(self, index: int) -> NDArray[np.float32]:
        """The rows of one image, a view."""
        start = self._ends[index - 1] if index else 0
        return self._buffer[start : self._ends[index]]

    def image_of_row(self) -> NDArray[np.int64]:
        """int64 (n_rows,): the image that each row comes from."""
        counts = np.diff([0, *self._ends])
        return np.repeat(np.arange(len(counts), dtype=np.int64), counts)
