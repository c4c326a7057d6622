"""Scalar fields that everything else is drawn with: coordinates, noise, cells, soft edges.

Lengths are in units of the image's short side, so a picture looks the same at any size.
"""

import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Size = tuple[int, int]


def image_rng(seed: int, *key: str | int) -> np.random.Generator:
    """Return the generator that belongs to one key, whatever else is drawn.

    Parameters
    ----------
    seed : int
        The set's seed.
    *key : str or int
        What the numbers are for, such as category, split, index and purpose.
    """
    # crc32, because Python's own hash of a string differs from process to process.
    words = [zlib.crc32(str(part).encode()) for part in key]
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))


def coordinates(size: Size) -> tuple[Field, Field, float]:
    """Return x, y (both (H, W), zero at the centre) and the width of a pixel."""
    height, width = size
    pixel = 1.0 / min(size)
    xs = ((np.arange(width) - (width - 1) / 2) * pixel).astype(np.float32)
    ys = ((np.arange(height) - (height - 1) / 2) * pixel).astype(np.float32)
    x, y = np.meshgrid(xs, ys)
    return x, y, pixel


def rotate(x: Field, y: Field, angle: float) -> tuple[Field, Field]:
    """Turn coordinates by ``angle`` radians."""
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return c * x + s * y, c * y - s * x


def smoothstep(low: float, high: float, value: Field) -> Field:
    """Rise smoothly from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def inside(distance: Field, pixel: float) -> Field:
    """Antialiased coverage of the region where a signed distance is negative."""
    return np.asarray(np.clip(0.5 - distance / np.float32(pixel), 0, 1), dtype=np.float32)


def rgb(red: float, green: float, blue: float) -> Field:
    """One colour as an array that broadcasts over an image."""
    return np.asarray((red, green, blue), np.float32)


def mix(a: Field, b: Field | tuple[float, ...], alpha: Field) -> Field:
    """Blend (H, W, 3) ``a`` towards ``b`` (an image or one colour) by (H, W) ``alpha``."""
    target = np.asarray(b, dtype=np.float32)
    return np.asarray(a + (target - a) * alpha[..., None], dtype=np.float32)


def noise(
    rng: np.random.Generator, size: Size, cells: float | tuple[float, float], octaves: int = 1
) -> Field:
    """Smooth random field with mean about 0 and standard deviation about 1.

    Parameters
    ----------
    cells : float or (float, float)
        Cells per short side; two numbers (down, across) make streaks.
    octaves : int
        Each further octave has twice the frequency and half the amplitude.
    """
    height, width = size
    down, across = cells if isinstance(cells, tuple) else (cells, cells)
    short = min(size)
    total = np.zeros(size, np.float32)
    for octave in range(octaves):
        rows = max(2, min(height, round(down * 2**octave * height / short) + 1))
        columns = max(2, min(width, round(across * 2**octave * width / short) + 1))
        knots = rng.standard_normal((rows, columns), dtype=np.float32)
        layer = cv2.resize(knots, (width, height), interpolation=cv2.INTER_CUBIC)
        total += np.float32(0.5**octave) * layer
    # Interpolated knots have less variance than the knots; 0.7 is near enough for all uses.
    norm = 0.7 * np.sqrt(sum(0.25**octave for octave in range(octaves)))
    return np.asarray(total / np.float32(norm), dtype=np.float32)


def cells(rng: np.random.Generator, x: Field, y: Field, per_side: float) -> tuple[Field, Field]:
    """Random cells (jittered grid): distance to the border, and one value in [0, 1) per cell.

    Both in cell units; the border distance is the second nearest seed's less the nearest's.
    """
    u, v = x * np.float32(per_side), y * np.float32(per_side)
    u, v = u - u.min() + 1, v - v.min() + 1
    columns, rows = int(u.max()) + 3, int(v.max()) + 3
    seeds = rng.random((rows, columns, 3), dtype=np.float32)
    seeds[..., :2] = 0.12 + 0.76 * seeds[..., :2]
    iu, iv = u.astype(np.intp), v.astype(np.intp)
    nearest = np.full(x.shape, 9, np.float32)
    second = nearest.copy()
    value = np.zeros_like(nearest)
    for dv in (-1, 0, 1):
        for du in (-1, 0, 1):
            seed = seeds[iv + dv, iu + du]
            d = np.hypot(seed[..., 0] + (iu + du) - u, seed[..., 1] + (iv + dv) - v)
            d = d.astype(np.float32)
            closer = d < nearest
            second = np.where(closer, nearest, np.minimum(second, d))
            value = np.where(closer, seed[..., 2], value)
            nearest = np.where(closer, d, nearest)
    return second - nearest, value
