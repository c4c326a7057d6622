"""How image files are to be read for a detector."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.images.limits import MAX_PIXELS
from pyimgano.images.reading import read_image


@dataclass(frozen=True)
class Reading:
    """The limits that whoever reads a file for a detector must keep to."""

    max_pixels: int = MAX_PIXELS  #: Larger files are refused.
    bit_depth: int | None = None  #: Bits used in 16-bit files; None: all 16.

    @classmethod
    def of(cls, detector: Any) -> Self:
        """What a detector reads by: as it was fitted, whatever was set since."""
        fitted = getattr(detector, "_params_at_fit", None)
        extractor = getattr(detector, "features_", None)

        def find(name: str, default: Any) -> Any:
            if fitted is not None and name in fitted:
                return fitted[name]
            return getattr(detector, name, getattr(extractor, name, default))

        return cls(find("max_pixels", MAX_PIXELS), find("bit_depth", None))

    def read(self, path: str) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """The pixels of a file, see :func:`~pyimgano.images.reading.read_image`."""
        return read_image(path, max_pixels=self.max_pixels, bit_depth=self.bit_depth)
