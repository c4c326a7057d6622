"""Changed copies of good images, so that a detector knows them turned, or in other light."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.images.preprocess import ImagePreprocessor
from pyimgano.types import ImageInput
from pyimgano.utils.parameters import Choice, Count, Either, Worded

#: Eight rotations with the image itself, as AnomalyDINO has them; brightness as SuperADD.
_ROTATIONS, _SMALL_ROTATION, _BRIGHTNESS = 8, 10, 0.2
REFERENCES = Either(
    Choice("plain", "rotations", "small_rotations", "brightness"),
    Worded("rotations", Count(2, 360)),
    Worded("small_rotations", Count(1, 45)),
    metavar="KIND",
    help="copies of the good images to learn from beside them: plain (none), rotations,"
    " rotations:N, small_rotations (by up to 10 degrees either way), small_rotations:DEGREES or"
    " brightness",
)


@dataclass(frozen=True)
class References:
    """The copies that each training image has.

    Attributes
    ----------
    kind
        A value of the parameter ``references``.
    random_state
        Seed of what is drawn for each image.
    """

    kind: str | Sequence[Any]
    random_state: int

    @property
    def n_copies(self) -> int:
        """Copies of each image, without the image itself."""
        return len(self.turns())

    def copies(
        self, image: ImageInput, number: int, preprocessor: ImagePreprocessor
    ) -> Iterator[NDArray[np.float32]]:
        """The copies of the image of that number, one by one, as the preprocessor brings them.

        Rotations turn the image as it was read about its centre, on the same canvas, with
        mirrored borders, in the light of the image. Brightness is a factor from 0.8 to 1.2, drawn
        for each image, on what the preprocessor gives.
        """
        if not self.n_copies:
            return
        _, array = preprocessor.read(image)
        if self.kind == "brightness":
            rng = np.random.default_rng([self.random_state, number])
            factor = np.float32(rng.uniform(1 - _BRIGHTNESS, 1 + _BRIGHTNESS))
            yield np.minimum(preprocessor.pixels(array) * factor, np.float32(1))
            return
        for degrees in self.turns():
            yield preprocessor.pixels(rotated(array, degrees), light_of=array)

    def turns(self) -> list[float]:
        """By how many degrees each copy is turned, counterclockwise."""
        given: Sequence[Any] = (self.kind,) if isinstance(self.kind, str) else self.kind
        kind, value = given[0], int(given[1]) if len(given) > 1 else None
        if kind == "rotations":
            n = value or _ROTATIONS
            return [360.0 * i / n for i in range(1, n)]
        if kind == "small_rotations":
            most = value or _SMALL_ROTATION
            return [most * share for share in (-1.0, -0.5, 0.5, 1.0)]
        return [0.0] if kind == "brightness" else []


def rotated(
    array: NDArray[Any],
    degrees: float,
    *,
    border: int = cv2.BORDER_REFLECT_101,
    method: int = cv2.INTER_LINEAR,
) -> NDArray[Any]:
    """Turned counterclockwise about the centre of its pixels; border and method are OpenCV's."""
    height, width = array.shape[:2]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    found = cv2.warpAffine(array, turn, (width, height), flags=method, borderMode=border)
    return np.asarray(found)
