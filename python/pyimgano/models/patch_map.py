"""From distances on the patch grid to a map of what the network sees."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

#: Pixels; more would blur any map to one value, and OpenCV's filters have an end.
LARGEST_SIGMA = 100
#: Weights below it are rounding errors.
_LEAST_WEIGHT = 1e-6
#: Side of the square of patches that local contrast compares with: most of an image of 256 pixels.
CONTRAST_PATCHES = 23


@dataclass(frozen=True)
class PatchMapper:
    """Bilinear upsampling and Gaussian smoothing.

    As in PatchCore (Roth et al., CVPR 2022, section 3.3): up to the size that the features were
    taken at, smoothed there with a standard deviation in its pixels; 0 for none.
    """

    gaussian_sigma: float
    #: Side of the smoothing's kernel; 0: as large as it must be.
    kernel: int = 0
    #: Share of the mean around each patch that is taken off its distance.
    local_contrast: float = 0.0
    #: Whether the outermost patches lie on the border of the image, not half a patch inside.
    corners: bool = False

    def at_input(
        self, distances: NDArray[np.float32], size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """The map at the features' input size (h, w).

        Patches that are NaN were not scored: they have no weight in the values around them
        (normalised convolution; Knutsson & Westin, CVPR 1993), and the map is 0 beyond the reach of
        all others.
        """
        if self.local_contrast > 0:
            distances = distances - np.float32(self.local_contrast) * _around(distances)
        scored = ~np.isnan(distances)
        if scored.all():
            return self._spread_out(distances, size)
        weights = self._spread_out(scored.astype(np.float32), size)
        sums = self._spread_out(np.where(scored, distances, np.float32(0)), size)
        found = np.zeros_like(sums)
        np.divide(sums, weights, out=found, where=weights > _LEAST_WEIGHT)
        return found

    def _spread_out(
        self, distances: NDArray[np.float32], size: tuple[int, int]
    ) -> NDArray[np.float32]:
        up: NDArray[Any]
        if self.corners:
            down, across = map(_spread, distances.shape, size)
            up = (down @ distances @ across.T).astype(np.float32)
        else:
            up = cv2.resize(distances, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
        if self.gaussian_sigma > 0:
            up = cv2.GaussianBlur(up, (self.kernel, self.kernel), self.gaussian_sigma)
        return np.asarray(up, dtype=np.float32)


def _around(distances: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of what was scored in the square of patches around each.

    The grid is mirrored beyond its border; where nothing was scored it is 0.
    """
    scored = ~np.isnan(distances)
    if scored.all():
        return _square_mean(distances)
    sums = _square_mean(np.where(scored, distances, np.float32(0)))
    weights = _square_mean(scored.astype(np.float32))
    return np.divide(sums, weights, out=np.zeros_like(sums), where=weights > _LEAST_WEIGHT)


def _square_mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    half = CONTRAST_PATCHES // 2
    # Mirrored by hand: OpenCV reflects only once, and grids may be smaller than the square.
    padded = np.pad(values, half, mode="symmetric")
    mean = cv2.blur(padded, (CONTRAST_PATCHES, CONTRAST_PATCHES))
    return np.asarray(mean[half:-half, half:-half], dtype=np.float32)


def _spread(n: int, wanted: int) -> NDArray[np.float64]:
    """float64 (wanted, n): shares of n values in points spread from the first to the last."""
    places = np.linspace(0, n - 1, wanted)
    shares: NDArray[np.float64] = np.maximum(1 - np.abs(places[:, None] - np.arange(n)), 0.0)
    return shares
