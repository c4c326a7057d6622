"""One picture on its way into the store."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """RGB pixels (height, width, 3) with a name, and the kind whose share it is drawn with."""

    name: str
    kind: str
    pixels: Pixels
    licence: str
