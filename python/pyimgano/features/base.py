"""What PatchCore asks of a feature extractor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray


class PatchFeatures(Protocol):
    """Images in, one feature vector per patch of a regular grid out."""

    #: Whether :meth:`fit` learns anything; if not, training images are not read twice.
    needs_fit: bool

    def fit(self, images: Iterable[NDArray[np.float32]], *, random_state: int = 0) -> Self:
        """Learn from normal images (float32 (H, W, 3), RGB in [0, 1]) in one pass."""
        ...

    def check_size(self, height: int, width: int) -> None:
        """Refuse a size that no image can have, with an error that says which can."""
        ...

    def extract_batch(self, images: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Features of each image: float32 (h, w, d), d the same for all."""
        ...

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Fitted arrays, by name."""
        ...

    def set_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Restore what :meth:`get_state` gave."""
        ...

    def describe(self) -> dict[str, Any]:
        """Parameters and origin, ready for JSON."""
        ...


def equal_sizes(
    images: Sequence[NDArray[np.float32]], most: int
) -> Iterator[list[NDArray[np.float32]]]:
    """The images in order, in runs of equal shape, at most so many at a time."""
    for _, run in groupby(images, key=lambda image: image.shape):
        same = list(run)
        for start in range(0, len(same), most):
            yield same[start : start + most]
