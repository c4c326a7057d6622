"""The picture of one prediction: image, heat map and what strikes most, with words and a legend."""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.postprocess import Region, RegionRule, find_regions
from pyimgano.reporting.lettering import band, legend
from pyimgano.reporting.overlay import (
    GREEN,
    LONGEST_SIDE,
    WHITE,
    MapScale,
    fit_image,
    fit_mask,
    heat_overlay,
    outline,
    panel_size,
    to_rgb8,
)
from pyimgano.types import Prediction

_BLUE = (40, 120, 255)
_GAP, _FRAME = 4, 3
#: So wide is a picture at least: its legend fits.
_LEAST_WIDTH = 440
#: The part shown at full resolution is a square of this side, or as large where an image is narrow.
_CROP_SIDE = 384


def panel(
    image: NDArray[Any],
    prediction: Prediction,
    scale: MapScale,
    *,
    rule: RegionRule,
    caption: str,
    mask: NDArray[np.uint8] | None = None,
    bit_depth: int | None = None,
) -> NDArray[np.uint8]:
    """Image and heat map beside each other, or one above the other if they are wide.

    Defect regions are outlined in white on the heat map, a known mask in green on the image. Of an
    image that is shown smaller than it is, a third panel has the pixels around the peak of the
    strongest region as they are, and a blue frame shows where.

    The image is uint8 or uint16, (H, W) or (H, W, 3), RGB, map and mask are (H, W); the result is
    uint8 (h, w, 3), RGB. A map that is missing, or holds NaN or infinity, is an InvalidInputError.
    """
    values, level = rule.cut(prediction)
    size = panel_size(image.shape)
    left = to_rgb8(fit_image(image, size), bit_depth).copy()  # it is drawn on
    shown = rule.applied(_map(prediction))
    heat = np.asarray(fit_image(shown, size), dtype=np.float32)
    marked = fit_mask(values > level, size) if prediction.label else None
    right = heat_overlay(left, heat, scale, marked)
    outlines = {"region": WHITE} if prediction.label else {}
    if mask is not None and mask.any():
        outline(left, fit_mask(mask, size), GREEN)
        outlines["true defect"] = GREEN
    panels = [left, right]
    if size[0] < image.shape[0] or size[1] < image.shape[1]:
        for region in find_regions(values, level, limit=1):
            box = crop_box(image.shape, region)
            panels.append(_framed(to_rgb8(image[box], bit_depth)))
            _mark(left, box, image.shape)
            outlines["full resolution"] = _BLUE
    body = _arranged(panels)
    marks = _marks(prediction, shown, scale, rule, level)
    width = body.shape[1]
    return np.vstack([band(caption, width), body, legend(width, scale, marks, outlines)])


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

    The caption tells verdict and score, the name, and how the image is unlike the good photos.
    """
    first = f"{prediction.verdict}  score {prediction.score:.3f}, threshold {threshold:.3f}"
    caption = "\n".join((first, name, *prediction.warnings))
    return panel(image, prediction, scale, rule=rule, caption=caption, bit_depth=bit_depth)


def crop_box(shape: tuple[int, ...], region: Region) -> tuple[slice, slice]:
    """Rows and columns around the peak of a region, inside the image."""
    pixels = _CROP_SIDE * _CROP_SIDE
    height = min(shape[0], _CROP_SIDE)
    width = min(shape[1], LONGEST_SIDE, pixels // height)
    height = min(shape[0], LONGEST_SIDE, pixels // width)
    top = max(0, min(region.peak_y - height // 2, shape[0] - height))
    left = max(0, min(region.peak_x - width // 2, shape[1] - width))
    return slice(top, top + height), slice(left, left + width)


def _map(prediction: Prediction) -> NDArray[np.float32]:
    assert prediction.anomaly_map is not None
    return prediction.anomaly_map


def _marks(
    prediction: Prediction,
    shown: NDArray[np.float32],
    scale: MapScale,
    rule: RegionRule,
    level: float,
) -> list[tuple[str, float]]:
    """The values that the colour bar names."""
    marks = [("floor", scale.floor), ("highest", float(shown.max()))]
    if prediction.label:
        marks.append(("regions above", level))
    elif math.isfinite(rule.map_threshold):
        marks.append(("map threshold", rule.map_threshold))
    return marks


def _framed(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    edges = (_FRAME,) * 4
    framed = cv2.copyMakeBorder(picture, *edges, cv2.BORDER_CONSTANT, value=_BLUE)
    return np.asarray(framed, dtype=np.uint8)


def _mark(shown: NDArray[np.uint8], box: tuple[slice, slice], shape: tuple[int, ...]) -> None:
    """Frame the place of a crop on the smaller image."""
    (y, bottom), (x, right) = (
        (round(part.start * ratio), round(part.stop * ratio) - 1)
        for part, ratio in zip(
            box, (shown.shape[0] / shape[0], shown.shape[1] / shape[1]), strict=True
        )
    )
    cv2.rectangle(shown, (x, y), (right, bottom), _BLUE, 2)


def _arranged(panels: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Panels on white: in a row, or in a column if they are wide."""
    height, width = panels[0].shape[:2]
    column = width > 2 * height
    across = max(p.shape[1] if column else p.shape[0] for p in panels)
    pieces: list[NDArray[np.uint8]] = []
    for number, one in enumerate(panels):
        gap = _GAP if number else 0
        before, missing = (gap, 0), (0, across - one.shape[1 if column else 0])
        edges = (before, missing) if column else (missing, before)
        pieces.append(np.pad(one, (*edges, (0, 0)), constant_values=255))
    body = np.concatenate(pieces, axis=0 if column else 1)
    lacking = max(0, _LEAST_WIDTH - body.shape[1])
    return np.pad(body, ((0, 0), (0, lacking), (0, 0)), constant_values=255)
