"""One image of the set, with its mask: the scene, the defect, the photograph."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .catalogue import CATALOGUE, Category
from .fields import Field, Size, image_rng
from .surface import Exposure, develop, expose, shade
from .textures import Fault

# A pixel belongs to the defect when it changed by more than this (5 grey levels of 255).
CHANGED = 0.02
# A defect is fair when its mean change stands out of the sensor's noise by this many standard
# deviations, and is at least this share of the texture's own contrast around it.
OVER_NOISE = 3.0
OVER_TEXTURE = 0.6
ATTEMPTS = 12


@dataclass(frozen=True)
class Rendered:
    """One image.

    Attributes
    ----------
    image : uint8 (H, W, 3) RGB, or (H, W) for a monochrome camera
    mask : uint8 (H, W)
        255 on the defect, 0 elsewhere.
    flawless : uint8, as image
        The same photograph without the defect, down to the sensor's noise.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    flawless: NDArray[np.uint8]


def image_size_of(category: Category, size: Size, rng: np.random.Generator) -> Size:
    """Rows and columns of one file of a category, for the size asked for."""
    spread = 1 + category.size_spread * rng.uniform(-1, 1, 2)
    height, width = (
        max(32, round(side * share * by))
        for side, share, by in zip(size, category.shape, spread, strict=True)
    )
    return height, width


def render_image(
    name: str, defect: str | None, split: str, index: int, size: Size, seed: int
) -> Rendered:
    """Draw image ``index`` of a split.

    Parameters
    ----------
    name : str
        Category.
    defect : str or None
        None for a good image.
    split : str
        Part of the seed: ``train/good``, ``test/good``, ``test/scratch``, ...
    index, size, seed
        Number within the split, (height, width) asked for, seed of the set.
    """
    category = CATALOGUE[name]
    key = (name, split, index)
    size = image_size_of(category, size, image_rng(seed, *key, "size"))
    exposure = Exposure.draw(category.light, image_rng(seed, *key, "light"))

    def finished(lit: Field) -> NDArray[np.uint8]:
        picture = expose(lit, exposure)
        if category.grey:
            picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32)
        return develop(picture, category.light.noise, image_rng(seed, *key, "noise"))

    surface = category.scene(image_rng(seed, *key, "scene"), size, None)
    clean = shade(surface, exposure.azimuth)
    if defect is None:
        image = finished(clean)
        return Rendered(image, np.zeros(size, np.uint8), image)
    for attempt in range(ATTEMPTS):
        rng = image_rng(seed, *key, "defect", attempt)
        draw = category.defects[defect]
        if draw is None:
            scene = image_rng(seed, *key, "scene")
            flawed = category.scene(scene, size, Fault(defect, rng))
        else:
            flawed = draw(surface, rng, 1 + 0.3 * attempt)
        lit = shade(flawed, exposure.azimuth)
        mask = _mask(clean, lit, 0.015 if draw is None else 0.007)
        if _visible(expose(clean, exposure), expose(lit, exposure), mask, category.light.noise):
            # Below the mask's threshold nothing may change: what is not marked is normal.
            blended = np.where((mask > 0)[..., None], lit, clean)
            return Rendered(finished(blended), mask, finished(clean))
    raise RuntimeError(f"no visible {defect!r} in {ATTEMPTS} attempts on {key} at {size}")


def _mask(clean: Field, lit: Field, gap: float) -> NDArray[np.uint8]:
    """Where the picture changed; gaps of up to twice ``gap`` (share of the side) are closed.

    A structural fault is wide (a thread dives under its neighbours and comes up again), a crack
    is thin and would clot: hence two sizes.
    """
    change = np.abs(np.clip(lit, 0, 1) - np.clip(clean, 0, 1)).max(2)
    mask = (change > CHANGED).astype(np.uint8)
    reach = max(1, round(gap * min(mask.shape)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    padded = cv2.copyMakeBorder(mask, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=0)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)[reach:-reach, reach:-reach]
    return np.ascontiguousarray(closed * 255, dtype=np.uint8)


def _visible(clean: Field, flawed: Field, mask: NDArray[np.uint8], noise: float) -> bool:
    """Whether a careful person could find it: large enough, above noise and texture."""
    marked = mask > 0
    if marked.sum() < max(6, 0.0004 * marked.size):
        return False
    change = np.abs(np.clip(flawed, 0, 1) - np.clip(clean, 0, 1)).max(2)[marked]
    grey = cv2.cvtColor(np.clip(clean, 0, 1), cv2.COLOR_RGB2GRAY)
    detail = grey - cv2.GaussianBlur(grey, (0, 0), 0.02 * min(grey.shape) + 1)
    x, y, wide, high = cv2.boundingRect(mask)
    around = detail[y : y + high, x : x + wide]
    return float(change.mean()) > max(OVER_NOISE * noise, OVER_TEXTURE * float(around.std()))
