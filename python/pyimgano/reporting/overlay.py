"""Heat maps drawn on their images, and the size at which both are shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.images.geometry import resize_image
from pyimgano.postprocess import RegionRule

WHITE = (255, 255, 255)
GREEN = (90, 230, 90)
#: A panel has at most so many pixels, and no side longer than this.
MOST_PIXELS, LONGEST_SIDE = 768 * 768, 2048
#: Whole pixels of smaller images become squares, as large as fit into this.
_ENLARGED_SIDE = 512


def panel_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width at which an image of this shape is shown: a fraction or a whole multiple."""
    height, width = shape[:2]
    factor = min(1.0, LONGEST_SIDE / max(height, width), math.sqrt(MOST_PIXELS / (height * width)))
    if factor < 1.0:
        return max(1, round(height * factor)), max(1, round(width * factor))
    times = max(1, _ENLARGED_SIDE // max(height, width))
    return height * times, width * times


def thumbnail_size(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    """Height and width with the longer one at most ``side``."""
    height, width = shape[:2]
    factor = min(1.0, side / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def fit_image(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """An image at a size of :func:`panel_size`: averaged if it shrinks, never blurred if not."""
    times = size[0] // image.shape[0]
    if times > 1:
        return image.repeat(times, axis=0).repeat(times, axis=1)
    return resize_image(image, size)


def fit_mask(mask: NDArray[Any], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A mask, 0 or 255, that keeps even its thinnest part: any of its pixels marks the small one.

    ``size`` is smaller, the same, or one of :func:`panel_size`.
    """
    times = size[0] // mask.shape[0]
    if times > 1:
        return fit_image(np.where(mask, np.uint8(255), np.uint8(0)), size)
    share = cv2.resize(
        (mask != 0).astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_AREA
    )
    return np.where(share > 0, np.uint8(255), np.uint8(0))


@dataclass(frozen=True)
class MapScale:
    """How map values become colours, the same for all images of a detector."""

    floor: float  #: No colour at or below it.
    #: Highest value that normal images are expected to reach: half of the colour scale.
    threshold: float

    @classmethod
    def around(cls, level: float, threshold: float) -> MapScale:
        """Colour starts half-way between normal surface (``level``) and the threshold."""
        if not math.isfinite(threshold):
            threshold = 2 * level if level > 0 else 1.0
        least = max(1e-12, 1e-6 * abs(level))  # else no colours lie between floor and threshold
        return cls((level + threshold) / 2, max(threshold, level + least))

    @classmethod
    def of(cls, detector: Any) -> MapScale:
        """The scale of a fitted detector, as far as it knows the level of its maps."""
        rule = RegionRule.of(detector)
        return cls.around(rule.map_level or 0.0, rule.map_threshold)

    def unit(self, anomaly_map: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Map values in [0, 1): 0 at the floor, 1/2 at the threshold, never quite 1.

        A gross defect lies far above the threshold; a linear scale would show it as one flat patch.
        """
        excess = np.maximum(anomaly_map - self.floor, 0.0)
        return np.asarray(excess / (excess + (self.threshold - self.floor)), dtype=np.float32)

    def value(self, unit: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """The map values that :meth:`unit` brings to [0, 1)."""
        excess = unit / (1.0 - unit) * (self.threshold - self.floor)
        return np.asarray(self.floor + excess, dtype=np.float32)


def to_rgb8(image: NDArray[Any], bit_depth: int | None = None) -> NDArray[np.uint8]:
    """Any supported image as uint8 (H, W, 3) for display."""
    if image.dtype == np.uint16:
        top = float(2 ** (bit_depth or 16) - 1)
        image = np.minimum(image.astype(np.float32) * (255.0 / top), 255.0).astype(np.uint8)
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    return np.ascontiguousarray(image, dtype=np.uint8)


def heat_overlay(
    image: NDArray[np.uint8],
    anomaly_map: NDArray[np.float32],
    scale: MapScale,
    marked: NDArray[Any] | None = None,
) -> NDArray[np.uint8]:
    """Blend a heat map (H, W) into an RGB image, uint8 (H, W, 3); normal surface keeps its look.

    The pixels ``marked`` are outlined in white.
    """
    colours, alpha = _heat(anomaly_map, scale)
    hot = alpha > 0  # seldom much of an image
    part = alpha[hot][:, None]
    blended = image.copy()
    blended[hot] = (image[hot] * (1.0 - part) + colours[hot] * part).astype(np.uint8)
    return blended if marked is None else outline(blended, marked, WHITE)


def heat_layer(
    anomaly_map: NDArray[np.float32], scale: MapScale, marked: NDArray[Any] | None = None
) -> NDArray[np.uint8]:
    """The heat map as a layer to lay over its image: uint8 (H, W, 4), RGBA.

    With the same colours, transparency and contour as :func:`heat_overlay`.
    """
    colours, alpha = _heat(anomaly_map, scale)
    layer = np.dstack([colours, 255.0 * alpha]).astype(np.uint8)
    return layer if marked is None else outline(layer, marked, (*WHITE, 255))


def _heat(
    anomaly_map: NDArray[np.float32], scale: MapScale
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Colours (H, W, 3) and opacity (H, W)."""
    unit = scale.unit(anomaly_map)
    colours = cv2.applyColorMap((unit * 255).astype(np.uint8), cv2.COLORMAP_TURBO)
    rgb = cv2.cvtColor(colours, cv2.COLOR_BGR2RGB).astype(np.float32)
    return rgb, np.minimum(1.5 * unit, 0.75).astype(np.float32)


def outline(
    image: NDArray[np.uint8], mask: NDArray[Any], colour: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Draw the outlines of a mask into an RGB or RGBA picture."""
    outlines, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    thick = max(1, round(math.sqrt(mask.size) / 320))
    return np.asarray(cv2.drawContours(image, outlines, -1, colour, thick))
