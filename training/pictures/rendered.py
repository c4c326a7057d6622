"""Rendered pictures: sharp edges, repeated parts and shading that few free photos have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.pictures.picture import Picture, Pixels

SIZE = 256
Floats = NDArray[np.float32]
Rng = np.random.Generator


def _floats(values: NDArray[Any]) -> Floats:
    return np.asarray(values, dtype=np.float32)


def fractal(rng: Rng, slope: float | None = None) -> Floats:
    """Noise with a spectrum of 1 / f**slope, scaled to [0, 1]."""
    slope = rng.uniform(0.6, 2.2) if slope is None else slope
    fy, fx = np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None]
    stretch = np.exp(rng.normal(0, 0.7))
    radius = np.hypot(fy * stretch, fx / stretch)
    radius[0, 0] = 1
    spectrum = np.fft.rfft2(rng.standard_normal((SIZE, SIZE))) / radius**slope
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, s=(SIZE, SIZE))
    low, high = np.percentile(noise, (0.5, 99.5))
    return _floats(np.clip((noise - low) / (high - low + 1e-9), 0, 1))


def waves(rng: Rng) -> Floats:
    """A grating in [0, 1]: sine, square, saw or spikes, straight or bent."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32) / SIZE
    angle, count = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(3), np.log(70)))
    phase = (np.cos(angle) * x + np.sin(angle) * y) * count
    if rng.random() < 0.5:
        phase = phase + fractal(rng, 2.2) * rng.uniform(0, 0.15) * count
    turn = phase % 1
    forms: tuple[Callable[[], Floats], ...] = (
        lambda: 0.5 + 0.5 * np.sin(2 * np.pi * phase),
        lambda: np.clip((np.abs(turn - 0.5) - rng.uniform(0.1, 0.4)) * SIZE / count + 0.5, 0, 1),
        lambda: turn,
        lambda: np.abs(2 * turn - 1) ** rng.uniform(0.5, 4),
    )
    return forms[rng.integers(len(forms))]().astype(np.float32)


def colours(rng: Rng, field: Floats) -> Floats:
    """A field in [0, 1] between two colours, often close to each other or grey."""
    first = rng.random(3)
    second = (
        np.clip(first + rng.normal(0, rng.choice([0.1, 0.4])), 0, 1)
        if rng.random() < 0.6
        else rng.random(3)
    )
    if rng.random() < 0.4:
        first, second = np.full(3, first.mean()), np.full(3, second.mean())
    return (first + field[..., None] * (second - first)).astype(np.float32)


def surface(rng: Rng) -> Floats:
    """A plain, noisy or striped surface."""
    kind = rng.random()
    if kind < 0.25:
        return np.broadcast_to(rng.random(3).astype(np.float32), (SIZE, SIZE, 3)).copy()
    return colours(rng, fractal(rng) if kind < 0.65 else waves(rng))


def _outline(rng: Rng, radius: float) -> NDArray[np.int32]:
    """A convex or star-like polygon, or a rounded one, about a random centre, in 1/16 px."""
    corners = int(rng.integers(3, 9)) if rng.random() < 0.6 else 40
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False) + rng.uniform(0, 2 * np.pi)
    reach = radius * (
        1 + rng.uniform(0, 0.5) * rng.standard_normal(corners).clip(-1, 1) * (corners < 40)
    )
    aspect = np.exp(rng.normal(0, 0.5))
    turn, centre = rng.uniform(0, np.pi), rng.uniform(-0.1, 1.1, 2) * SIZE
    points = np.stack([np.cos(angle) * reach * aspect, np.sin(angle) * reach / aspect], 1)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corner_points: NDArray[np.int32] = np.rint((points @ rotation.T + centre) * 16).astype(np.int32)
    return corner_points


def _mask(outline: NDArray[np.int32]) -> Floats:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillPoly(mask, [outline], 255, cv2.LINE_AA, 4)
    return _floats(mask) / np.float32(255)


def leaves(rng: Rng) -> Floats:
    """Dead leaves: surfaces that cover each other, sizes by a power law."""
    image = surface(rng)
    stock = [surface(rng) for _ in range(4)]
    for _ in range(int(rng.integers(8, 60))):
        radius = min(4 / rng.uniform(0.02, 1), 90)
        mask = _mask(_outline(rng, radius))[..., None]
        leaf = np.roll(stock[rng.integers(4)], tuple(rng.integers(0, SIZE, 2)), (0, 1))
        image += mask * (leaf * rng.uniform(0.5, 1.3) - image)
    return _floats(image)


def drawing(rng: Rng) -> Floats:
    """Lines, rings, rows of marks and letters on a surface."""
    image = np.ascontiguousarray(np.clip(surface(rng), 0, 1) * 255).astype(np.uint8)
    for _ in range(int(rng.integers(2, 14))):
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        thick, kind = int(rng.integers(1, 5)), rng.random()
        a, b = (tuple(int(v) for v in rng.integers(0, SIZE, 2)) for _ in range(2))
        if kind < 0.3:
            cv2.line(image, a, b, colour, thick, cv2.LINE_AA)
        elif kind < 0.5:
            cv2.circle(image, a, int(rng.integers(3, 70)), colour, thick, cv2.LINE_AA)
        elif kind < 0.75:
            text = "".join(chr(c) for c in rng.integers(33, 127, int(rng.integers(1, 9))))
            cv2.putText(
                image,
                text,
                a,
                int(rng.integers(0, 8)),
                rng.uniform(0.3, 2),
                colour,
                thick,
                cv2.LINE_AA,
            )
        else:
            pitch, size = int(rng.integers(6, 40)), int(rng.integers(1, 8))
            for x in range(a[0], min(SIZE, a[0] + pitch * 8), pitch):
                for y in range(a[1], min(SIZE, a[1] + pitch * int(rng.integers(1, 8))), pitch):
                    cv2.circle(image, (x, y), size, colour, -1, cv2.LINE_AA)
    return _floats(image) / np.float32(255)


def _heights(rng: Rng) -> Floats:
    """A relief: noise, ribs, crossed ribs, or domes."""
    kind = rng.random()
    if kind < 0.3:
        return _floats(fractal(rng) * rng.uniform(2, 20))
    if kind < 0.55:
        return _floats(waves(rng) * rng.uniform(0.5, 5))
    if kind < 0.75:
        return _floats(np.maximum(waves(rng), waves(rng)) * rng.uniform(0.5, 5))
    relief = np.zeros((SIZE, SIZE), np.float32)
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    for _ in range(int(rng.integers(3, 20))):
        radius, cy, cx = rng.uniform(8, 60), *rng.uniform(0, SIZE, 2)
        dome = np.sqrt(np.maximum(radius**2 - (y - cy) ** 2 - (x - cx) ** 2, 0))
        relief = np.maximum(relief, dome * rng.uniform(0.3, 1))
    return _floats(relief)


def shaded(rng: Rng) -> Floats:
    """A relief under one light, dull or shiny; half of them cut out before a plain ground."""
    dy, dx = np.gradient(_heights(rng))
    normal = np.stack([-dx, -dy, np.ones_like(dx)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    light = np.array([*rng.normal(0, 0.7, 2), 1.0])
    light /= np.linalg.norm(light)
    lambert = np.clip(normal @ light, 0, 1)
    shine = lambert ** rng.uniform(8, 60) * rng.uniform(0, 0.8)
    image = (surface(rng) * (rng.uniform(0, 0.5) + lambert[..., None]) + shine[..., None]).astype(
        np.float32
    )
    if rng.random() < 0.5:
        mask = cv2.GaussianBlur(_mask(_outline(rng, rng.uniform(40, 120))), (0, 0), 0.7)[..., None]
        ground = np.float32(rng.random()) + 0.05 * fractal(rng)[..., None]
        image = ground + mask * (image - ground)
    return _floats(image)


def rod(rng: Rng) -> Floats:
    """Turned parts: a shaded bar with ribs or a winding, on a plain ground."""
    ground = np.float32(rng.random()) + rng.uniform(0, 0.1) * fractal(rng)
    image = np.broadcast_to(ground[..., None], (SIZE, SIZE, 3)).astype(np.float32)
    for _ in range(int(rng.integers(1, 4))):
        angle, (cy, cx) = rng.uniform(0, np.pi), rng.uniform(0.2, 0.8, 2) * SIZE
        y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
        along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
        across = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
        radius, pitch = rng.uniform(8, 45), rng.uniform(3, 24)
        turn = ((along + across * rng.uniform(-0.4, 0.4)) / pitch) % 1
        rib = np.abs(2 * turn - 1) ** rng.uniform(0.5, 2)
        edge = radius * (1 - rng.uniform(0, 0.2) * rib)
        half = rng.uniform(20, 150)
        inside = np.clip(np.minimum(edge - np.abs(across), half - np.abs(along)) + 0.5, 0, 1)
        round_off = np.sqrt(np.clip(1 - (across / edge) ** 2, 0, 1))
        bright = rng.uniform(0.2, 0.9) * round_off * (1 - rng.uniform(0.1, 0.7) * rib)
        bright = bright + rng.uniform(0, 0.5) * np.exp(
            -((((across / edge) - rng.uniform(-0.6, 0.6)) / 0.12) ** 2)
        )
        tint = 1 + rng.normal(0, 0.06, 3)
        image = image + inside[..., None] * (bright[..., None] * tint - image)
    return image.astype(np.float32)


KINDS: tuple[Callable[[Rng], Floats], ...] = (surface, leaves, leaves, drawing, shaded, shaded, rod)


def render(rng: Rng) -> Pixels:
    """One picture, 256 x 256 RGB."""
    image = KINDS[rng.integers(len(KINDS))](rng)
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def rendered_pictures(count: int, seed: int) -> Iterator[Picture]:
    """``count`` pictures; picture i of a seed is always the same."""
    for index in range(count):
        pixels = render(np.random.default_rng((seed, index)))
        yield Picture(f"rendered/{seed}/{index:05d}", "rendered", pixels, "rendered")
