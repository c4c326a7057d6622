"""Single defects as the sweep takes them."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from pyimgano.datasets.defects import DefectMask
from pyimgano.kernels import DefectPixels


def defect_pixels(
    image: int,
    defects: Iterable[DefectMask],
    laid_out: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
) -> list[DefectPixels]:
    """The defects of an image by their pixels, once a mask is ``laid_out`` as the map is.

    A saturation shrinks with its defect; a defect of which no pixel is left is left out.
    """
    found = []
    for one in defects:
        pixels = np.flatnonzero(laid_out(one.pixels)).astype(np.int64)
        if len(pixels):
            share = len(pixels) / np.count_nonzero(one.pixels)
            saturation = max(1, min(round(one.saturation * share), len(pixels)))
            found.append(DefectPixels(image, pixels, saturation))
    return found
