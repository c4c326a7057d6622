"""One light for all images: grey mean and deviation of each are brought to those of good ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.images.pixels import as_floats, white_of
from pyimgano.utils.parameters import Choice

LIGHT = Choice(
    "match",
    none="as taken",
    help="match: bring each image's mean and deviation of grey to those of the good images",
)
#: One step of 8 bits: a smaller deviation is what rounding leaves, and is not stretched further.
_LEAST = 1 / 255
#: Rows that are measured at once: a large image needs no second one in memory.
_ROWS = 256


@dataclass(frozen=True)
class Light:
    """Mean and standard deviation of the grey values of an image, of those in [0, 1]."""

    mean: float
    deviation: float

    @classmethod
    def of(
        cls,
        pixels: NDArray[Any],
        bit_depth: int | None = None,
        counted: NDArray[np.bool_] | None = None,
    ) -> Self:
        """The light of an image, in float64.

        Parameters
        ----------
        pixels
            float32 in [0, 1], uint8 or uint16, (h, w) or (h, w, 3).
        bit_depth
            Bits used in 16-bit images; None: all 16.
        counted
            bool (h, w): the pixels that count, one at least; None: all.
        """
        n, total, squares = 0, 0.0, 0.0
        for start in range(0, len(pixels), _ROWS):
            rows = slice(start, start + _ROWS)
            grey: NDArray[Any] = np.asarray(
                cv2.cvtColor(as_floats(pixels[rows], bit_depth), cv2.COLOR_RGB2GRAY)
            )
            if counted is not None:
                grey = grey[counted[rows]]
            n += grey.size
            total += float(grey.sum(dtype=np.float64))
            squares += float(np.square(grey, dtype=np.float64).sum())
        mean = total / n
        return cls(mean, float(np.sqrt(max(0.0, squares / n - mean**2))))

    @classmethod
    def typical(cls, lights: Sequence["Light"]) -> Self:
        """Medians of the means and of the deviations.

        Images without contrast have no light to match: an InvalidInputError.
        """
        mean, deviation = np.median([(one.mean, one.deviation) for one in lights], axis=0).tolist()
        if deviation < _LEAST:
            raise InvalidInputError(
                'light="match" needs training images with contrast: their grey values deviate by'
                f" {255 * deviation:.2g} of 255, less than one step of 8 bits; leave it out"
            )
        return cls(mean, deviation)

    def matched(
        self, pixels: NDArray[Any], own: "Light", bit_depth: int | None = None
    ) -> NDArray[Any]:
        """A copy of an image in this light: one gain and one offset for all pixels and channels.

        The number type stays; what comes out below black or above white is cut off there.

        Parameters
        ----------
        pixels
            float32 in [0, 1], uint8 or uint16, (h, w) or (h, w, 3).
        own
            The light that it is in.
        bit_depth
            Bits used in 16-bit images; None: all 16.
        """
        if pixels.dtype == np.float32:
            return self._moved(pixels, own)
        white = white_of(pixels, bit_depth)
        values = np.arange(np.iinfo(pixels.dtype).max + 1, dtype=np.float32) / np.float32(white)
        table = np.rint(self._moved(values, own) * white).astype(pixels.dtype)
        return np.asarray(table[pixels])

    def _moved(self, values: NDArray[np.float32], own: "Light") -> NDArray[np.float32]:
        moved = values - np.float32(own.mean)
        moved *= np.float32(self.deviation / max(own.deviation, _LEAST))
        moved += np.float32(self.mean)
        return np.clip(moved, 0, 1, out=moved)

    def to_state(self) -> dict[str, NDArray[Any]]:
        """Both figures for a file."""
        return {"light": np.array([self.mean, self.deviation], dtype=np.float64)}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        """The light of :meth:`to_state`; figures that no image has are an InvalidInputError."""
        known = state["light"]
        fits = known.shape == (2,) and known.dtype == np.float64
        if not fits or not (0 <= known[0] <= 1 and _LEAST <= known[1] <= 1):
            raise InvalidInputError(f"{known.tolist()!r:.80} is no mean and deviation of grey")
        return cls(*known.tolist())
