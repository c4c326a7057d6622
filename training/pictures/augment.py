"""One random view of a picture: place, scale, turn, light, colour, blur, noise, collage."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.pictures.picture import Pixels
from training.pictures.store import Store

Floats = NDArray[np.float32]
Rng = np.random.Generator
MOST_ENLARGED = 0.45


def _scale(rng: Rng, shape: tuple[int, ...], size: int) -> float:
    """Source pixels per output pixel: often 1 (nothing lost), else from enlarged to the whole."""
    if rng.random() < 0.3:
        return 1.0
    whole = max(1.3, min(shape[:2]) / size)
    return float(np.exp(rng.uniform(np.log(MOST_ENLARGED), np.log(whole))))


def view(rng: Rng, levels: list[Pixels], size: int) -> Pixels:
    """A square of a picture, turned and flipped, mirrored where it leaves the picture."""
    scale = _scale(rng, levels[0].shape, size)
    level = min(len(levels) - 1, max(0, int(np.floor(np.log2(scale) + 0.25))))
    pixels = levels[level]
    scale *= pixels.shape[0] / levels[0].shape[0]
    turn = rng.integers(4) * np.pi / 2 if rng.random() < 0.5 else rng.uniform(0, 2 * np.pi)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    if rng.random() < 0.3:
        matrix = matrix @ (np.eye(2) + rng.normal(0, 0.12, (2, 2)))
    if rng.random() < 0.5:
        matrix[:, 0] *= -1
    height, width = pixels.shape[:2]
    reach = np.abs(matrix).sum(1) * size / 2
    room = np.maximum(np.array([width, height]) / 2 - reach, 0.1 * np.array([width, height]))
    centre = np.array([width - 1, height - 1]) / 2 + rng.uniform(-1, 1, 2) * room
    affine = np.column_stack([matrix, centre - matrix @ np.full(2, (size - 1) / 2)])
    if np.allclose(matrix, np.rint(matrix)):
        affine = np.rint(affine)  # whole pixels are copied, not mixed
    cubic = rng.random() < 0.5
    border, colour = cv2.BORDER_REFLECT_101, [0, 0, 0]
    if rng.random() < 0.07:
        border, colour = cv2.BORDER_CONSTANT, rng.integers(0, 256, 3).tolist()
    flags = (cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        pixels, affine, (size, size), flags=flags, borderMode=border, borderValue=colour
    ).astype(np.uint8)


def collage(rng: Rng, below: Pixels, above: Pixels) -> Pixels:
    """Part of one view on another: a box, an ellipse or a band, with a hard or soft edge."""
    size = below.shape[0]
    mask = np.zeros((size, size), np.uint8)
    centre = tuple(int(v) for v in rng.integers(0, size, 2))
    axes = tuple(int(v) for v in rng.integers(size // 10, size // 2, 2))
    if rng.random() < 0.5:
        cv2.ellipse(mask, centre, axes, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA)
    else:
        box = cv2.boxPoints((centre, (2 * axes[0], axes[1]), rng.uniform(0, 180)))
        cv2.fillPoly(mask, [np.rint(box).astype(np.int32)], 255, cv2.LINE_AA)
    if rng.random() < 0.4:
        mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.6, 8)).astype(np.uint8)
    share = mask[..., None].astype(np.float32) / 255 * rng.choice([1.0, rng.uniform(0.3, 1)])
    mixed: Pixels = np.rint(below + share * (above.astype(np.float32) - below)).astype(np.uint8)
    return mixed


def _light(rng: Rng, image: Floats) -> Floats:
    """Gain, offset, contrast and gamma of a whole image, and a slope across it."""
    image = image * np.float32(np.exp(rng.normal(0, 0.3)))
    if rng.random() < 0.4:
        mean = image.mean()
        image = (
            (image - mean) * np.float32(np.exp(rng.normal(-0.1, 0.4)))
            + mean
            + np.float32(rng.normal(0, 0.1))
        )
    if rng.random() < 0.2:
        image = np.clip(image, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.35)))
    if rng.random() < 0.15:
        size = image.shape[0]
        y, x = np.mgrid[:size, :size].astype(np.float32) / size - 0.5
        a, b = rng.normal(0, 0.4, 2)
        image = image * np.clip(1 + a * x + b * y, 0.2, 2)[..., None].astype(np.float32)
    return image


def _colour(rng: Rng, image: Floats) -> Floats:
    """Grey, tinted, mixed channels, or the negative."""
    chance = rng.random()
    if chance < 0.3:
        grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
        image = np.repeat(grey[..., None], 3, axis=2)
        if chance < 0.08:
            image = image * rng.uniform(0.6, 1.3, 3).astype(np.float32)
    elif chance < 0.6:
        mix = np.eye(3) + rng.normal(0, 0.12, (3, 3))
        image = image @ (mix / mix.sum(0)).astype(np.float32)
        image = image * np.exp(rng.normal(0, 0.1, 3)).astype(np.float32)
    return 1 - image if rng.random() < 0.04 else image


def _optics(rng: Rng, image: Floats) -> Floats:
    """Out of focus or sharpened, then sensor noise."""
    chance = rng.random()
    if chance < 0.12:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 2.0)).astype(np.float32)
    elif chance < 0.25:
        soft = cv2.GaussianBlur(image, (0, 0), 1.0).astype(np.float32)
        image = image + np.float32(rng.uniform(0.3, 1.5)) * (image - soft)
    if rng.random() < 0.2:
        level = np.float32(np.exp(rng.uniform(np.log(0.003), np.log(0.06))))
        shape = image.shape if rng.random() < 0.5 else (*image.shape[:2], 1)
        image = image + level * rng.standard_normal(shape, np.float32)
    return image


def picture_for(rng: Rng, store: Store, kinds: dict[str, list[int]], size: int) -> Pixels:
    """A training picture (size, size, 3), the same for the same state of ``rng``."""
    pixels = view(rng, store.levels(store.draw(rng, kinds)), size)
    if rng.random() < 0.3:
        pixels = collage(rng, pixels, view(rng, store.levels(store.draw(rng, kinds)), size))
    image: Floats = pixels.astype(np.float32) / np.float32(255)
    image = _optics(rng, _light(rng, _colour(rng, image)))
    pixels = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    return _compressed(rng, pixels) if rng.random() < 0.1 else pixels


def _compressed(rng: Rng, pixels: Pixels) -> Pixels:
    """As a JPEG file gives it back."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 96))]
    decoded = cv2.imdecode(cv2.imencode(".jpg", pixels, quality)[1], cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded.astype(np.uint8)
