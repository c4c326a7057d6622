"""The fixed part of the filter bank: filter responses of one image, averaged over cells.

Sources of the ideas: half-rectified oriented derivatives pooled over cells, Lowe (2004), section 6,
and Tola et al. (2010), DAISY, section 3; second derivatives steered to any direction from three
basis filters, Freeman and Adelson (1991), section II; the pyramid, Burt and Adelson (1983).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

DIRECTIONS = 4
#: Oriented channels of one level: first and second derivative, both signs.
ORIENTED = 4 * DIRECTIONS
#: All channels of one level: oriented, brightness, red-green, yellow-blue.
PER_LEVEL = ORIENTED + 3
#: Lighting statistics of an image: log contrast, brightness, red-green, yellow-blue, and the slope
#: of brightness to the right and downwards, as a share of its mean from the middle to the edge.
N_LIGHT = 6

_CONTRAST_LEVEL = 1
_LEVEL_OF_BRIGHTNESS = 2
_TINY_CONTRAST = 1e-3
_TINY_BRIGHTNESS = 0.02
_LEAST_RAMP = 0.2
# Added to the brightness that colour differences are divided by.
_DARK = 0.3

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Cells:
    """Responses of one image."""

    values: Array  #: float32 (h, w, levels, `PER_LEVEL`): responses averaged over cells.
    #: float64 (`N_LIGHT`,): what one number per image says about its lighting.
    light: NDArray[np.float64]


def cells(image: Array, *, stride: int, levels: int, sigma: float) -> Cells:
    """Filter responses of a float32 (H, W, 3) image, RGB in [0, 1], averaged over a grid of cells.

    ``stride`` is the cell size in pixels; the grid is (round(H / stride), round(W / stride)), at
    least 1 x 1. ``levels`` are octaves of the pyramid, ``sigma`` is the smoothing before the finest
    derivatives, in pixels.
    """
    height, width = image.shape[:2]
    grid = (max(1, round(width / stride)), max(1, round(height / stride)))
    values = np.empty((grid[1], grid[0], levels, PER_LEVEL), dtype=np.float32)
    planes = _planes(image)
    log_contrast = 0.0
    light = np.zeros(N_LIGHT)
    for level in range(levels):
        if level:
            planes = [np.asarray(cv2.pyrDown(plane), dtype=np.float32) for plane in planes]
        smooth = _blur(planes[0], 1.0 if level else sigma)
        dx, dy = _sobel(smooth, 1, 0), _sobel(smooth, 0, 1)
        if level == min(_CONTRAST_LEVEL, levels - 1):
            # Not cv2.magnitude: its last bits depend on where the arrays lie in memory.
            contrast = float(np.mean(np.sqrt(dx * dx + dy * dy), dtype=np.float64))
            log_contrast = float(np.log(contrast + _TINY_CONTRAST))
        if level == min(_LEVEL_OF_BRIGHTNESS, levels - 1):
            light[1] = float(np.median(planes[0]))
            light[2:4] = [float(np.mean(plane, dtype=np.float64)) for plane in planes[1:]]
            light[4:] = _slopes(planes[0])
        channels = [*_oriented(smooth, dx, dy), smooth, planes[1], planes[2]]
        for index, channel in enumerate(channels):
            values[:, :, level, index] = _average(channel, grid)
    light[0] = log_contrast
    return Cells(values, light)


def blur_grid(values: Array, sigma: float) -> Array:
    """Gaussian average over neighbouring cells of (h, w, c), mirrored at the borders."""
    blurred = cv2.GaussianBlur(np.ascontiguousarray(values), (0, 0), sigma)
    return np.asarray(blurred, dtype=np.float32).reshape(values.shape)


def ramp(shape: tuple[int, int], slopes: NDArray[np.float64]) -> Array:
    """Relative brightness (h, w) of a grid under light that changes by ``slopes`` (x, y)."""
    y, x = _positions(shape[0]), _positions(shape[1])
    field = 1.0 + slopes[0] * x[None, :] + slopes[1] * y[:, None]
    return np.asarray(np.maximum(field, _LEAST_RAMP), dtype=np.float32)


def _positions(n: int) -> NDArray[np.float64]:
    """Centres of n cells between -1 and 1."""
    return (2 * np.arange(n) + 1) / n - 1


def _slopes(plane: Array) -> tuple[float, float]:
    """Least-squares slopes of a plane along x and y, as shares of its mean."""
    y, x = _positions(plane.shape[0]), _positions(plane.shape[1])
    mean = float(plane.mean(dtype=np.float64)) + _TINY_BRIGHTNESS
    columns, rows = plane.mean(axis=0, dtype=np.float64), plane.mean(axis=1, dtype=np.float64)
    along_x = float(columns @ x) / max(float(x @ x), 1e-9)
    along_y = float(rows @ y) / max(float(y @ y), 1e-9)
    return along_x / mean, along_y / mean


def _planes(image: Array) -> list[Array]:
    red, green, blue = cv2.split(image)
    brightness = (red + green + blue) * np.float32(1 / 3)
    share = np.float32(1) / (brightness + np.float32(_DARK))
    return [brightness, (red - green) * share, ((red + green) * np.float32(0.5) - blue) * share]


def _oriented(smooth: Array, dx: Array, dy: Array) -> list[Array]:
    dxx, dyy, dxy = _sobel(smooth, 2, 0), _sobel(smooth, 0, 2), _sobel(smooth, 1, 1)
    first: list[Array] = []
    second: list[Array] = []
    for k in range(DIRECTIONS):
        c = np.float32(np.cos(np.pi * k / DIRECTIONS))
        s = np.float32(np.sin(np.pi * k / DIRECTIONS))
        first.append(dx * c + dy * s)
        second.append(dxx * (c * c) + dxy * (2 * c * s) + dyy * (s * s))
    out: list[Array] = []
    for value in (*first, *second):
        out += [np.maximum(value, np.float32(0)), np.maximum(-value, np.float32(0))]
    return out


def _sobel(plane: Array, dx: int, dy: int) -> Array:
    # The 3 x 3 kernels' gains are 8 for one derivative and 4 for two.
    scale = 0.125 if dx + dy == 1 else 0.25
    return np.asarray(cv2.Sobel(plane, cv2.CV_32F, dx, dy, ksize=3, scale=scale), dtype=np.float32)


def _blur(plane: Array, sigma: float) -> Array:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), dtype=np.float32)


def _average(plane: Array, grid: tuple[int, int]) -> Array:
    finer = plane.shape[0] >= grid[1] and plane.shape[1] >= grid[0]
    how = cv2.INTER_AREA if finer else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane, grid, interpolation=how), dtype=np.float32)
