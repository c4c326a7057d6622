"""How much of the lighting's change from image to image is nuisance, learned from good images."""

from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

#: Standard deviations of the lighting statistics that the content of an image alone explains:
#: log contrast, brightness, red-green, yellow-blue, slope of brightness along x and y.
CONTENT_SPREAD = np.array([0.10, 0.05, 0.02, 0.02, 0.08, 0.08])
_LEAST_SPREAD = np.full(6, 0.02)
_REACH = 2.5


class Lighting:
    """Shrinks each image's lighting towards the mean of the training images.

    What varies among the normal images beyond what their content explains is lighting, and is
    removed: the share ``1 - content variance / variance`` (the positive-part rule of James and
    Stein, 1961), so that nothing changes for a set with steady light, where a brighter or flatter
    image may well be a defect. A later image whose remaining deviation lies outside the range of
    the training images is taken back into it.
    """

    def fit(self, light: NDArray[np.float64]) -> Self:
        """Learn from (n, 6) statistics."""
        self.mean_ = light.mean(axis=0)
        variance = light.var(axis=0)
        content = CONTENT_SPREAD**2
        self.shrink_ = np.maximum(0.0, 1.0 - content / np.maximum(variance, content))
        kept = np.sqrt(variance) * (1.0 - self.shrink_)
        self.reach_ = _REACH * np.maximum(kept, _LEAST_SPREAD)
        if len(light) == 1:  # one image says nothing about the range
            self.reach_ = _REACH * CONTENT_SPREAD
        return self

    def removable(self, light: NDArray[np.float64]) -> NDArray[np.float64]:
        """Part of an image's deviation from the mean that is to be taken out."""
        deviation = light - self.mean_
        kept = np.clip(deviation * (1.0 - self.shrink_), -self.reach_, self.reach_)
        return np.asarray(deviation - kept, dtype=np.float64)

    def get_state(self) -> dict[str, NDArray[np.float64]]:
        """Fitted arrays by name."""
        return {"mean": self.mean_, "shrink": self.shrink_, "reach": self.reach_}

    def set_state(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """Restore what `get_state` returned."""
        self.mean_, self.shrink_, self.reach_ = (
            np.asarray(state[name], dtype=np.float64) for name in ("mean", "shrink", "reach")
        )
