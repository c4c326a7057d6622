"""Heat maps drawn on their images."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import OutputError
from pyimgano.postprocess import RegionRule
from pyimgano.reporting.files import write_bytes
from pyimgano.types import Prediction
from pyimgano.utils.preprocess import resize_image

_WHITE = (255, 255, 255)
_GREEN = (90, 230, 90)
_BAND = 22


@dataclass(frozen=True)
class MapScale:
    """How map values become colours, the same for all images of a detector.

    Attributes
    ----------
    floor
        No colour at or below it.
    threshold
        Highest value that normal images are expected to reach: half of the colour scale.
    """

    floor: float
    threshold: float

    @classmethod
    def around(cls, level: float, threshold: float) -> MapScale:
        """Colour starts half-way between normal surface (``level``) and the threshold."""
        if not math.isfinite(threshold):
            threshold = 2 * level if level > 0 else 1.0
        return cls((level + threshold) / 2, max(threshold, level + 1e-12))

    @classmethod
    def of(cls, detector: Any) -> MapScale:
        """The scale of a fitted detector, as far as it knows the level of its maps."""
        return cls.around(
            getattr(detector, "map_level_", 0.0), getattr(detector, "map_threshold_", math.inf)
        )

    def unit(self, anomaly_map: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map values in [0, 1): 0 at the floor, 1/2 at the threshold, never quite 1.

        A gross defect lies far above the threshold; a linear scale would show it as one flat patch.
        """
        excess = np.maximum(anomaly_map - self.floor, 0.0) / (self.threshold - self.floor)
        return np.asarray(excess / (1.0 + excess), dtype=np.float32)


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
    """Blend a heat map into an RGB image; normal surface keeps its look.

    Parameters
    ----------
    image
        uint8 (H, W, 3), RGB.
    anomaly_map
        float32 (H, W).
    scale
        Colour scale.
    marked
        The pixels of the defect regions, (H, W), to be outlined in white; None: no regions.

    Returns
    -------
    ndarray
        uint8 (H, W, 3), RGB.
    """
    colours, alpha = _heat(anomaly_map, scale)
    alpha = alpha[..., None]
    blended = (image * (1.0 - alpha) + colours * alpha).astype(np.uint8)
    return blended if marked is None else _contour(blended, marked, _WHITE)


def heat_layer(
    anomaly_map: NDArray[np.float32], scale: MapScale, marked: NDArray[Any] | None = None
) -> NDArray[np.uint8]:
    """The heat map as a layer to lay over its image: uint8 (H, W, 4), RGBA.

    With the same colours, transparency and contour as :func:`heat_overlay`.
    """
    colours, alpha = _heat(anomaly_map, scale)
    layer = np.dstack([colours, 255.0 * alpha]).astype(np.uint8)
    return layer if marked is None else _contour(layer, marked, (*_WHITE, 255))


def _heat(
    anomaly_map: NDArray[np.float32], scale: MapScale
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Colours (H, W, 3) and opacity (H, W)."""
    unit = scale.unit(anomaly_map)
    colours = cv2.applyColorMap((unit * 255).astype(np.uint8), cv2.COLORMAP_TURBO)
    rgb = cv2.cvtColor(colours, cv2.COLOR_BGR2RGB).astype(np.float32)
    return rgb, np.minimum(1.5 * unit, 0.75).astype(np.float32)


def _contour(
    image: NDArray[np.uint8], mask: NDArray[Any], colour: tuple[int, ...]
) -> NDArray[np.uint8]:
    outlines, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    thick = max(1, round(max(image.shape[:2]) / 320))
    return np.asarray(cv2.drawContours(image, outlines, -1, colour, thick))


def panel(
    image: NDArray[np.uint8],
    anomaly_map: NDArray[np.float32],
    scale: MapScale,
    *,
    caption: str,
    marked: NDArray[Any] | None = None,
    mask: NDArray[np.uint8] | None = None,
    height: int = 320,
) -> NDArray[np.uint8]:
    """Image and heat map side by side under a caption of one or more lines.

    Defect regions are outlined in white on the heat map, a known mask in green on the image.

    Returns
    -------
    ndarray
        uint8 (height + caption, w, 3), RGB.
    """
    left, right = image.copy(), heat_overlay(image, anomaly_map, scale, marked)
    if mask is not None and mask.any():
        left = _contour(left, mask, _GREEN)
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    pair = [resize_image(side, (height, width)) for side in (left, right)]
    gap = np.full((height, 4, 3), 255, dtype=np.uint8)
    body = np.hstack([pair[0], gap, pair[1]])
    return np.vstack([*(_band(line, body.shape[1]) for line in caption.split("\n")), body])


def _band(line: str, width: int) -> NDArray[np.uint8]:
    """A line of text, as large as it fits."""
    band = np.full((_BAND, width, 3), 255, dtype=np.uint8)
    text = line.encode("ascii", "replace").decode()
    size = 0.42
    while size > 0.2 and cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0] > (
        width - 8
    ):
        size -= 0.02
    cv2.putText(band, text, (4, 15), cv2.FONT_HERSHEY_SIMPLEX, size, (20, 20, 20), 1, cv2.LINE_AA)
    return band


def verdict_panel(
    image: NDArray[Any],
    prediction: Prediction,
    scale: MapScale,
    *,
    rule: RegionRule,
    name: str,
    threshold: float,
    bit_depth: int | None = None,
) -> NDArray[np.uint8]:
    """The panel of one prediction, which has a map.

    The caption tells name, verdict and score, and in further lines how the image is unlike the good
    photos.
    """
    assert prediction.anomaly_map is not None
    line = f"{name}  {prediction.verdict}  score {prediction.score:.3f} / {threshold:.3f}"
    return panel(
        to_rgb8(image, bit_depth),
        prediction.anomaly_map,
        scale,
        caption="\n".join((line, *prediction.warnings)),
        marked=rule.marked(prediction),
    )


def encode(suffix: str, picture: NDArray[np.uint8], *, quality: int | None = None) -> bytes:
    """A grey, RGB or RGBA picture as the bytes of an image file."""
    if picture.ndim == 3:
        swap = cv2.COLOR_RGB2BGR if picture.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
        picture = np.asarray(cv2.cvtColor(picture, swap), dtype=np.uint8)
    options = [] if quality is None else [cv2.IMWRITE_WEBP_QUALITY, quality]
    ok, data = cv2.imencode(suffix, picture, options)
    if not ok:
        raise OutputError(f"cannot encode a picture of shape {picture.shape} as {suffix}")
    return bytes(data.tobytes())


def write_png(path: str | os.PathLike[str], rgb: NDArray[np.uint8]) -> None:
    """Write an RGB picture; the file name may hold any character."""
    write_bytes(path, encode(".png", rgb))
