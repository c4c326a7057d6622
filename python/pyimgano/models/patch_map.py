"""From distances on the patch grid to a map on the source image."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.images.preprocess import LoadedImage, as_size, crop_offset

#: Pixels; more would blur any map to one value, and OpenCV's filters have an end.
LARGEST_SIGMA = 100


class PatchMapper:
    """Bilinear upsampling, Gaussian smoothing, and the way back to the image's own size.

    As in PatchCore (Roth et al., CVPR 2022, section 3.3): up to the size that the features were
    taken at, smoothed there.

    Parameters
    ----------
    resize
        Size that images are brought to, or None for native.
    center_crop
        Centred crop after that, or None. Pixels outside it are never seen by the detector: they
        get the lowest value of the map.
    gaussian_sigma
        Standard deviation of the smoothing in pixels of the features' input; 0 for none.
    """

    def __init__(
        self,
        resize: tuple[int, int] | None,
        center_crop: tuple[int, int] | None,
        gaussian_sigma: float,
    ) -> None:
        self.resize = resize
        self.center_crop = center_crop
        self.gaussian_sigma = gaussian_sigma

    def at_input(
        self, distances: NDArray[np.float32], size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """The map at the features' input size (h, w)."""
        up = cv2.resize(distances, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
        if self.gaussian_sigma > 0:
            up = cv2.GaussianBlur(up, (0, 0), self.gaussian_sigma)
        return np.asarray(up, dtype=np.float32)

    def to_source(self, distances: NDArray[np.float32], loaded: LoadedImage) -> NDArray[np.float32]:
        """The map at the source image's size."""
        pixels = loaded.pixels
        seen = self.at_input(distances, (pixels.shape[0], pixels.shape[1]))
        if self.center_crop is not None:
            seen = self._uncrop(seen, self.resize or loaded.size)
        if seen.shape == loaded.size:
            return seen
        height, width = loaded.size
        return np.asarray(cv2.resize(seen, (width, height), interpolation=cv2.INTER_LINEAR))

    def _uncrop(self, seen: NDArray[np.float32], outer: tuple[int, int]) -> NDArray[np.float32]:
        frame = np.full(outer, seen.min(), dtype=np.float32)
        inner = as_size((seen.shape[0], seen.shape[1])) or outer
        top, left = crop_offset(outer, inner)
        frame[top : top + inner[0], left : left + inner[1]] = seen
        return frame
