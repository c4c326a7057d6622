"""Defects that can lie on any surface. Each takes ``(surface, rng, strength)``.

``strength`` is 1 at first; it grows when a draw came out too faint to be fair.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from .fields import Field, Size, coordinates, mix, noise, rotate, smoothstep
from .surface import Surface

Defect = Callable[[Surface, np.random.Generator, float], Surface]
RGB = tuple[float, float, float]
Points = NDArray[np.float64]


def _place(surface: Surface, rng: np.random.Generator, margin: float = 0.06) -> tuple[float, float]:
    """Draw a point (x, y) on the part, away from its edge where there is room."""
    side = min(surface.size)
    part = (surface.foreground > 0.5).astype(np.uint8)
    room = cv2.copyMakeBorder(part, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform(room, cv2.DIST_L2, 3)[1:-1, 1:-1]
    rows, columns = np.nonzero(depth >= min(margin * side, 0.9 * float(depth.max())))
    pick = int(rng.integers(len(rows)))
    height, width = surface.size
    return (columns[pick] - (width - 1) / 2) / side, (rows[pick] - (height - 1) / 2) / side


def _blob(surface: Surface, rng: np.random.Generator, radius: float, rough: float) -> Field:
    """Distance-like field of an irregular blob: 0 at its centre, 1 on its outline."""
    x, y, _ = coordinates(surface.size)
    cx, cy = _place(surface, rng, radius)
    x, y = rotate(x - np.float32(cx), y - np.float32(cy), rng.uniform(0, np.pi))
    stretch = rng.uniform(1.0, 1.6)
    d = np.hypot(x / np.float32(radius * stretch), y / np.float32(radius / stretch))
    angle = np.arctan2(y, x)
    for k in range(2, 6):
        d = d * (1 + np.float32(rough / k * rng.normal()) * np.cos(k * angle + rng.uniform(0, 6)))
    return np.asarray(d, np.float32)


def _strokes(size: Size, lines: list[Points], width: float) -> Field:
    """Antialiased coverage of polylines (points in side units), ``width`` likewise."""
    side, scale = min(size), 3
    canvas = np.zeros((size[0] * scale, size[1] * scale), np.uint8)
    half = np.asarray([(size[1] - 1) / 2, (size[0] - 1) / 2])
    thick = max(1, round(width * side * scale))
    for line in lines:
        points = ((line * side + half + 0.5) * scale * 16).round().astype(np.int32)
        cv2.polylines(canvas, [points[:, None]], False, 255, thick, cv2.LINE_AA, 4)
    small = cv2.resize(canvas, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(small.astype(np.float32) / 255, np.float32)


def _curve(
    rng: np.random.Generator, start: tuple[float, float], length: float, bend: float, n: int = 40
) -> Points:
    """A wandering line of ``length`` centred on ``start``; ``bend`` is in radians overall."""
    heading = rng.uniform(0, 2 * np.pi)
    t = np.linspace(0, 1, n)
    turn = heading + bend * (rng.normal() * t + 0.5 * rng.normal() * np.sin(2 * np.pi * t))
    steps = np.stack([np.cos(turn), np.sin(turn)], 1) * (length / n)
    path = np.cumsum(steps, 0)
    return np.asarray(path - path.mean(0) + start)


def _on_part(surface: Surface, alpha: Field) -> Field:
    return alpha * surface.foreground


def scratch(
    surface: Surface,
    rng: np.random.Generator,
    strength: float,
    *,
    tint: RGB = (0.85, 0.85, 0.86),
    bare: float = 0.22,
    wide: float = 1.0,
) -> Surface:
    """A thin curved groove that lays the lighter material below bare, uneven along its way.

    ``bare`` is the least share of the colour that it takes away; ``wide`` scales its width.
    """
    side = min(surface.size)
    length = rng.uniform(0.18, 0.42)
    line = _curve(rng, _place(surface, rng, 0.12), length, 0.9)
    width = max(wide * rng.uniform(0.004, 0.007), 1.0 / side)
    alpha = _on_part(surface, _strokes(surface.size, [line], width))
    alpha *= (0.75 + 0.25 * np.tanh(noise(rng, surface.size, 18))).astype(np.float32)
    opacity = min(0.95, rng.uniform(bare, bare + 0.35) * strength)
    depth = rng.uniform(0.001, 0.0025) * strength
    return replace(
        surface,
        albedo=mix(surface.albedo, tint, opacity * alpha),
        height=surface.height - np.float32(depth) * alpha,
    )


def dent(
    surface: Surface,
    rng: np.random.Generator,
    strength: float,
    *,
    up: bool | None = None,
    deep: float = 1.0,
) -> Surface:
    """A smooth hollow (or bump), ``deep`` times as deep as is usual: nothing but shading."""
    radius = rng.uniform(0.04, 0.075)
    d = _blob(surface, rng, radius, 0.12)
    rises = bool(rng.integers(2)) if up is None else up
    depth = deep * radius * rng.uniform(0.14, 0.26) * strength * (1 if rises else -1)
    shape = np.exp(-1.6 * d * d) * smoothstep(1.9, 1.3, d)
    return replace(surface, height=surface.height + np.float32(depth) * _on_part(surface, shape))


def stain(
    surface: Surface, rng: np.random.Generator, strength: float, *, tint: RGB = (0.55, 0.42, 0.25)
) -> Surface:
    """A soft discoloured blob with a slightly darker rim, as a dried liquid leaves."""
    radius = rng.uniform(0.05, 0.12)
    d = _blob(surface, rng, radius, 0.25) + 0.10 * noise(rng, surface.size, 14, 2)
    body = smoothstep(1.05, 0.75, d)
    rim = np.exp(-(((d - 0.85) / 0.12) ** 2)) * body
    opacity = min(0.9, rng.uniform(0.25, 0.5) * strength)
    alpha = _on_part(surface, np.minimum(opacity * (body + 0.35 * rim), 0.95))
    # Multiplied, not painted: the texture stays visible through it.
    soaked = surface.albedo * (np.asarray(tint, np.float32) * 0.9)
    return replace(surface, albedo=mix(surface.albedo, soaked, alpha))


def contamination(
    surface: Surface, rng: np.random.Generator, strength: float, *, tint: RGB = (0.12, 0.10, 0.09)
) -> Surface:
    """A few foreign crumbs lying together."""
    albedo, height = surface.albedo, surface.height
    side = min(surface.size)
    x, y, pixel = coordinates(surface.size)
    cx, cy = _place(surface, rng, 0.09)
    for _ in range(int(rng.integers(2, 7))):
        radius = max(rng.uniform(0.006, 0.02) * min(strength, 1.6), 1.2 / side)
        ox, oy = rng.normal(0, 0.035, 2)
        px, py = x - np.float32(cx + ox), y - np.float32(cy + oy)
        d, angle = np.hypot(px, py), np.arctan2(py, px)
        outline = np.ones_like(d)
        for k in range(2, 6):
            outline += np.float32(0.3 / k * rng.normal()) * np.cos(k * angle + rng.uniform(0, 6))
        d = (d / outline).astype(np.float32)
        alpha = _on_part(surface, smoothstep(radius + pixel, max(radius - pixel, 0), d))
        dome = np.sqrt(np.clip(1 - (d / np.float32(radius)) ** 2, 0, 1)) * alpha
        shade_ = rng.uniform(0.7, 1.4)
        albedo = mix(albedo, tuple(min(1.0, c * shade_) for c in tint), 0.93 * alpha)
        height = height + np.float32(0.55 * radius) * dome
    return replace(surface, albedo=albedo, height=height.astype(np.float32))


def fibre(
    surface: Surface, rng: np.random.Generator, strength: float, *, tint: RGB = (0.80, 0.78, 0.72)
) -> Surface:
    """A loose thread or hair lying on the surface."""
    side = min(surface.size)
    line = _curve(rng, _place(surface, rng, 0.12), rng.uniform(0.2, 0.5), 3.0)
    width = max(rng.uniform(0.004, 0.008), 1.0 / side)
    alpha = _on_part(surface, _strokes(surface.size, [line], width))
    return replace(
        surface,
        albedo=mix(surface.albedo, tint, min(0.95, 0.75 * strength) * alpha),
        height=surface.height * (1 - 0.5 * alpha) + np.float32(0.004) * alpha,
    )


def crack(surface: Surface, rng: np.random.Generator, strength: float) -> Surface:
    """A jagged dark line that branches and gets thinner."""
    lines: list[Points] = []

    def grow(start: Points, heading: float, length: float, depth: int) -> None:
        steps = max(3, int(length / 0.014))
        turn = heading + np.cumsum(rng.normal(0, 0.32, steps))
        path = start + np.cumsum(np.stack([np.cos(turn), np.sin(turn)], 1) * 0.014, 0)
        lines.append(np.vstack([start, path]))
        for _ in range(int(rng.integers(1, 3)) if depth else 0):
            at = int(rng.integers(1, steps))
            aside = float(turn[at] + rng.choice([-1, 1]) * rng.uniform(0.5, 1.0))
            grow(path[at], aside, length * rng.uniform(0.3, 0.55), depth - 1)

    heading = rng.uniform(0, 2 * np.pi)
    length = rng.uniform(0.16, 0.34)
    middle = np.asarray(_place(surface, rng, 0.12))
    ray = np.asarray([np.cos(heading), np.sin(heading)])
    grow(middle - ray * length / 2, heading, length, 2)
    side = min(surface.size)
    fine = _strokes(surface.size, lines, max(0.004, 0.9 / side))
    main = _strokes(surface.size, lines[:1], max(0.0065, 1.1 / side))
    alpha = _on_part(surface, np.maximum(0.75 * fine, main))
    opacity = min(0.95, rng.uniform(0.5, 0.85) * strength)
    return replace(
        surface,
        albedo=mix(surface.albedo, surface.albedo * np.float32(0.2), opacity * alpha),
        height=surface.height - np.float32(0.0025 * strength) * alpha,
    )


def hole(
    surface: Surface, rng: np.random.Generator, strength: float, *, ground: RGB = (0.05, 0.05, 0.05)
) -> Surface:
    """A ragged hole through to the dark, with a raised rim."""
    radius = max(rng.uniform(0.018, 0.042), 1.8 / min(surface.size))
    d = _blob(surface, rng, radius, 0.35) + 0.10 * noise(rng, surface.size, 60)
    alpha = _on_part(surface, smoothstep(1.08, 0.88, d))
    rim = _on_part(surface, np.exp(-(((d - 1.2) / 0.18) ** 2)).astype(np.float32))
    return replace(
        surface,
        albedo=mix(mix(surface.albedo, (0.9, 0.9, 0.9), 0.12 * rim), ground, 0.95 * alpha),
        height=(surface.height + np.float32(0.004) * rim) * (1 - alpha),
        gloss=surface.gloss * (1 - alpha),
    )


def worn(surface: Surface, rng: np.random.Generator, strength: float) -> Surface:
    """A rubbed patch: relief flattened, detail and colour washed out."""
    radius = rng.uniform(0.06, 0.11)
    d = _blob(surface, rng, radius, 0.2) + 0.08 * noise(rng, surface.size, 20, 2)
    alpha = _on_part(surface, smoothstep(1.1, 0.6, d) * min(0.95, 0.7 * strength))
    sigma = 0.02 * min(surface.size)
    low = cv2.GaussianBlur(surface.height, (0, 0), sigma)
    colour = cv2.GaussianBlur(surface.albedo, (0, 0), sigma)
    paler = colour + (np.float32(0.75) - colour) * np.float32(min(0.4, 0.10 * strength))
    return replace(
        surface,
        albedo=mix(surface.albedo, paler, alpha),
        height=surface.height + (low - surface.height) * alpha,
    )


def rotated_patch(surface: Surface, rng: np.random.Generator, strength: float) -> Surface:
    """A patch of the surface set in turned by 30 to 90 degrees, its seam slightly sunk."""
    side = min(surface.size)
    height, width = surface.size
    cx, cy = _place(surface, rng, 0.12)
    radius = rng.uniform(0.06, 0.1)
    angle = rng.uniform(np.pi / 6, np.pi / 2)
    centre = cx * side + (width - 1) / 2, cy * side + (height - 1) / 2
    turn = cv2.getRotationMatrix2D(centre, float(np.degrees(angle)), 1.0)

    def turned(field: Field) -> Field:
        border = cv2.BORDER_REFLECT
        return np.asarray(cv2.warpAffine(field, turn, (width, height), borderMode=border))

    x, y, pixel = coordinates(surface.size)
    x, y = rotate(x - np.float32(cx), y - np.float32(cy), angle)
    d = np.maximum(abs(x), abs(y)) - np.float32(radius)
    alpha = smoothstep(pixel, -pixel, d)
    seam = np.exp(-((d / np.float32(max(0.004, pixel))) ** 2)) * min(1.0, 0.35 * strength)
    return replace(
        surface,
        albedo=mix(surface.albedo, turned(surface.albedo), alpha) * (1 - seam)[..., None],
        height=surface.height + (turned(surface.height) - surface.height) * alpha,
    )


def bent(surface: Surface, rng: np.random.Generator, strength: float) -> Surface:
    """The pattern pushed aside: geometry changes, material does not."""
    side = min(surface.size)
    x, y, _ = coordinates(surface.size)
    cx, cy = _place(surface, rng, 0.12)
    radius = rng.uniform(0.05, 0.085)
    d = np.hypot(x - np.float32(cx), y - np.float32(cy)) / np.float32(radius)
    push = np.exp(-d * d) * smoothstep(2.2, 1.6, d.astype(np.float32))
    heading = rng.uniform(0, 2 * np.pi)
    reach = radius * rng.uniform(0.3, 0.5) * min(strength, 1.8) * side
    rows, columns = np.indices(surface.size, dtype=np.float32)
    map_x = columns + np.float32(reach * np.cos(heading)) * push
    map_y = rows + np.float32(reach * np.sin(heading)) * push

    def moved(field: Field) -> Field:
        mode = cv2.BORDER_REFLECT
        return np.asarray(cv2.remap(field, map_x, map_y, cv2.INTER_LINEAR, borderMode=mode))

    return replace(
        surface,
        albedo=moved(surface.albedo),
        height=moved(surface.height),
        gloss=moved(surface.gloss),
    )


def tinted(defect: Callable[..., Surface], **how: object) -> Defect:
    """Fix a defect's keywords, such as its colour, for one material."""
    return partial(defect, **how)
