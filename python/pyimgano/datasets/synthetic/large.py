"""Large photographs with small defects: 12 megapixels, defects of 10 to 320 pixels.

Other than in the rest of this folder, lengths are pixels here: a camera with more of them shows
more of a part, and a defect of 20 pixels stays one.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pyimgano.datasets.synthetic.fields import Field, Size, image_rng, noise, smoothstep
from pyimgano.datasets.synthetic.generate import _mask_path, _write, _writing
from pyimgano.errors import DatasetError

#: A texture, and an object on a support.
LARGE_CATEGORIES = ("cast", "plate")
#: Sides of defects in pixels.
DEFECT_SIZES = (10, 20, 40, 80, 160, 320)
#: How much darker or brighter than its surroundings a defect is, of 255.
STRENGTHS = {"faint": 28, "medium": 60, "strong": 120}
_NOISE = 2.0
#: Distance of the plate's edge from the image's, of its holes, and their radius, in pixels.
_MARGIN, _PITCH, _RADIUS = 160, 620, 90


def generate_large(
    root: str | os.PathLike[str],
    *,
    categories: Sequence[str] | None = None,
    n_train: int = 16,
    n_test_good: int = 8,
    n_test_defect: int = 4,
    sizes: Sequence[int] = DEFECT_SIZES,
    strengths: Sequence[str] = tuple(STRENGTHS),
    image_size: int | Size = (3000, 4000),
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:
    """Write large images with small defects in the MVTec AD layout.

    An image depends on the seed, its category, its split and its number only. What is there
    already is written again.

    Parameters
    ----------
    root : path
        ``<root>/<category>/{train/good,test/good,test/<strength>_<px>,ground_truth/...}``.
    categories : sequence of str, optional
        Some of :data:`LARGE_CATEGORIES`; all by default.
    n_train, n_test_good, n_test_defect : int
        Good images for training and for testing; images for each size and strength.
    sizes, strengths : sequence of int, of str
        Sides of the defects in pixels; some of :data:`STRENGTHS`.
    image_size : int or (int, int)
        Side, or height and width, at least three times the largest defect.
    seed : int
        Of everything that is drawn.
    progress : callable
        Called with the images that are written and that will be.

    Returns
    -------
    list of str
        The categories.

    Raises
    ------
    DatasetError
        No such category or strength, or a defect does not fit into the image.
    OutputError
        A file cannot be written; names it.
    """
    categories = LARGE_CATEGORIES if categories is None else categories
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    for what, names, known in (
        ("category", categories, LARGE_CATEGORIES),
        ("strength", strengths, tuple(STRENGTHS)),
    ):
        if unknown := [name for name in names if name not in known]:
            raise DatasetError(f"unknown {what} {unknown[0]!r}; known are {', '.join(known)}")
    for side in sizes:
        _check_side(side, size)
    splits: list[tuple[str, int, int, int]] = [
        ("train/good", n_train, 0, 0),
        ("test/good", n_test_good, 0, 0),
        *(
            (f"test/{one}_{side:03d}", n_test_defect, side, STRENGTHS[one])
            for one in strengths
            for side in sizes
        ),
    ]
    total, done = len(categories) * sum(split[1] for split in splits), 0
    for category in categories:
        for split, count, side, strength in splits:
            for index in range(count):
                image, mask = large_image(
                    category, split, index, size, seed, side=side, strength=strength
                )
                path = f"{split}/{index:03d}.png"
                folder = Path(root) / category
                with _writing(folder):
                    _write(folder / path, image)
                    if side:
                        _write(folder / _mask_path(path), mask)
                done += 1
                progress(done, total)
    return list(categories)


def large_image(
    category: str,
    split: str,
    index: int,
    size: Size,
    seed: int,
    *,
    side: int = 0,
    strength: int = 0,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One image, uint8 (H, W, 3), and its mask, uint8 (H, W), 255 on the defect.

    ``side`` is that of the defect in pixels, 0 for none; ``strength`` the share of 255 by which it
    is darker or brighter than what is around it. The other parameters are those of the set and the
    image's place in it.

    Raises
    ------
    DatasetError
        The defect does not fit into the image, or its side is negative.
    """
    _check_side(side, size)
    key = (category, split, index)
    rng = image_rng(seed, *key, "scene")
    grey, part = _cast(rng, size) if category == "cast" else _plate(rng, size)
    grey *= np.float32(1 + rng.uniform(-0.03, 0.03))
    mask = np.zeros(size, np.uint8)
    if side:
        _damage(image_rng(seed, *key, "defect"), grey, part, mask, side, strength)
    picture = np.empty((*size, 3), np.uint8)
    sensor = image_rng(seed, *key, "noise")
    for channel, tint in enumerate((1.0, 0.98, 0.94)):
        shot = sensor.standard_normal(size, dtype=np.float32) * np.float32(_NOISE)
        picture[..., channel] = np.clip(grey * np.float32(tint) + shot + 0.5, 0, 255)
    return picture, mask


def _check_side(side: int, size: Size) -> None:
    if side < 0:
        raise DatasetError(f"a defect cannot have {side} pixels: give 0 for none")
    if 3 * side > min(size):
        height, width = size
        raise DatasetError(
            f"a defect of {side} pixels needs an image of {3 * side} at least, got {height} x"
            f" {width}"
        )


def _cast(rng: np.random.Generator, size: Size) -> tuple[Field, Field]:
    """A cast surface: grain of 6 to 50 pixels and slow shading, a part of which is everywhere."""
    short = min(size)
    grey = 128 + 7 * noise(rng, size, short / 50, octaves=4) + 5 * noise(rng, size, 3)
    return np.asarray(grey, np.float32), np.ones(size, np.float32)


def _plate(rng: np.random.Generator, size: Size) -> tuple[Field, Field]:
    """A brushed plate with drilled holes on a dark support, not always in quite the same place."""
    short, (height, width) = min(size), size
    brushed = 150 + 5 * noise(rng, size, (short / 6, short / 400), octaves=2)
    support = 45 + 3 * noise(rng, size, short / 30, octaves=2)
    x = np.arange(width, dtype=np.float32) - np.float32(rng.uniform(-20, 20))
    y = np.arange(height, dtype=np.float32)[:, None] - np.float32(rng.uniform(-20, 20))
    edge = np.minimum(
        np.minimum(x, width - 1 - x) - _MARGIN, np.minimum(y, height - 1 - y) - _MARGIN
    )
    u = (x - _MARGIN) % _PITCH - _PITCH / 2
    v = (y - _MARGIN) % _PITCH - _PITCH / 2
    from_hole = np.sqrt(u * u + v * v) - _RADIUS
    distance = np.minimum(edge, from_hole)
    part = smoothstep(-1.5, 1.5, distance)
    chamfer = 35 * smoothstep(0, 4, distance) * (1 - smoothstep(8, 14, distance))
    grey = support + (brushed + chamfer - support) * part
    return np.asarray(grey, np.float32), smoothstep(14, 30, distance)


def _damage(
    rng: np.random.Generator,
    grey: Field,
    part: Field,
    mask: NDArray[np.uint8],
    side: int,
    strength: int,
) -> None:
    """Draw one defect of about ``side`` pixels on the part, into image and mask."""
    height, width = grey.shape
    best, here = -1.0, (slice(0), slice(0))
    for _ in range(200):  # a plate has few places for large ones
        top, left = (
            int(rng.integers(side, max(side + 1, length - 2 * side))) for length in (height, width)
        )
        place = slice(top, top + side), slice(left, left + side)
        if (free := float(part[place].mean())) > best:
            best, here = free, place
        if free > 0.99:
            break
    across = (np.arange(side, dtype=np.float32) - (side - 1) / 2) / np.float32(side / 2)
    radius = np.hypot(across, across[:, None])
    rough = noise(rng, (side, side), 3) * np.float32(0.1)
    cover = 1 - smoothstep(0.86, 1.0, radius + np.abs(rough))
    sign = np.float32(rng.choice((-1.0, 1.0)))
    cover *= part[here]
    grey[here] += sign * np.float32(strength) * cover
    mask[here] = np.where(cover > 0.5, 255, 0)
