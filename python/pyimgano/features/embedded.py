"""Patch features that need no neural network, no weights file and no download."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, NotFittedError

_DIRECTIONS = 4


class EmbeddedFeatures:
    """Half-rectified oriented derivatives and colour at several scales, standardised.

    Parameters
    ----------
    stride : int
        Distance of neighbouring patches in pixels.
    levels : int
        Octaves of the image pyramid.
    """

    needs_fit = True

    def __init__(self, *, stride: int = 8, levels: int = 4) -> None:
        self.stride = stride
        self.levels = levels

    @property
    def n_features_out(self) -> int:
        """Length of one patch's feature vector."""
        return self.levels * (4 * _DIRECTIONS + 3) * 2

    def fit(self, images: Iterable[NDArray[np.float32]], *, random_state: int = 0) -> Self:
        """Learn mean and scale of each feature from normal images, (H, W, 3) in [0, 1]."""
        total = np.zeros(self.n_features_out)
        squares = np.zeros(self.n_features_out)
        n = 0
        for image in images:
            rows = self._raw(image).reshape(-1, self.n_features_out).astype(np.float64)
            total += rows.sum(axis=0)
            squares += (rows * rows).sum(axis=0)
            n += len(rows)
        if n == 0:
            raise InvalidInputError("EmbeddedFeatures.fit needs at least one image, got none")
        mean = total / n
        self.mean_ = mean.astype(np.float32)
        self.scale_ = np.sqrt(np.maximum(squares / n - mean * mean, 1e-6)).astype(np.float32)
        return self

    def extract(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Patch features of one image, float32 (h, w, n_features_out)."""
        if not hasattr(self, "mean_"):
            raise NotFittedError("EmbeddedFeatures: call fit before extract")
        features: NDArray[np.float32] = (self._raw(image) - self.mean_) / self.scale_
        return features

    def extract_batch(self, images: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Patch features of each image, float32 (h, w, n_features_out)."""
        return [self.extract(image) for image in images]

    def describe(self) -> dict[str, Any]:
        """Parameters, ready for JSON."""
        return {"backbone": "embedded", "stride": self.stride, "levels": self.levels}

    def get_state(self) -> dict[str, NDArray[np.float32]]:
        """Fitted arrays by name."""
        return {"mean": self.mean_, "scale": self.scale_}

    def set_state(self, state: Mapping[str, NDArray[np.float32]]) -> None:
        """Restore what `get_state` returned."""
        self.mean_ = np.asarray(state["mean"], dtype=np.float32)
        self.scale_ = np.asarray(state["scale"], dtype=np.float32)

    def _raw(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < 8:
            raise InvalidInputError(
                f"image must be (H, W, 3) with H and W of at least 8, got {image.shape}"
            )
        height, width = image.shape[:2]
        grid = (max(1, round(width / self.stride)), max(1, round(height / self.stride)))
        red, green, blue = (np.ascontiguousarray(image[..., c]) for c in range(3))
        planes = [(red + green + blue) / np.float32(3), red - green, (red + green) / 2 - blue]
        maps: list[NDArray[np.float32]] = []
        for level in range(self.levels):
            if level:
                planes = [cv2.pyrDown(plane) for plane in planes]
            for response in _responses(planes):
                pooled = cv2.resize(response, grid, interpolation=cv2.INTER_AREA)
                maps += [pooled, cv2.GaussianBlur(pooled, (0, 0), 1.5)]
        return np.stack(maps, axis=-1)


def _responses(planes: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    smooth = cv2.GaussianBlur(planes[0], (0, 0), 1.0)
    dx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=0.125)
    dy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=0.125)
    dxx = cv2.Sobel(smooth, cv2.CV_32F, 2, 0, scale=0.25)
    dyy = cv2.Sobel(smooth, cv2.CV_32F, 0, 2, scale=0.25)
    dxy = cv2.Sobel(smooth, cv2.CV_32F, 1, 1, scale=0.25)
    out = [smooth, planes[1], planes[2]]
    for k in range(_DIRECTIONS):
        c = np.float32(np.cos(np.pi * k / _DIRECTIONS))
        s = np.float32(np.sin(np.pi * k / _DIRECTIONS))
        for value in (c * dx + s * dy, c * c * dxx + 2 * c * s * dxy + s * s * dyy):
            out += [np.maximum(value, 0), np.maximum(-value, 0)]
    return out
