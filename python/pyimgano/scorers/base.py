"""What a scorer gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PatchScores:
    """How anomalous an image is, and where.

    Attributes
    ----------
    image
        Score of the image, higher is more anomalous.
    distances
        float32 (h, w), the same of each patch of its grid.
    """

    image: float
    distances: NDArray[np.float32]
