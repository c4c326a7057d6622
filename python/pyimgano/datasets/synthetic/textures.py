"""Textures that fill the image: woven, brushed, grained. Each is ``(rng, size, fault)``.

A *fault* is a defect that only the pattern itself can have (a broken thread). It is drawn from a
generator of its own, so that the rest of the pattern is the same with and without it.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .fields import Field, Size, cells, coordinates, mix, noise, rgb, rotate, smoothstep
from .surface import Surface

RGB = tuple[float, float, float]


@dataclass(frozen=True)
class Fault:
    """A structural defect: which one, and the numbers to draw it from."""

    name: str
    rng: np.random.Generator


@dataclass(frozen=True)
class Weave:
    """Threads per side, thread width (share of the pitch), twill shift, relief and colours."""

    threads: float
    width: float
    over: int
    relief: float
    warp: RGB
    weft: RGB
    ground: RGB
    wobble: float
    fuzz: float
    gloss: float


FABRIC = Weave(34, 0.98, 1, 0.007, (0.33, 0.43, 0.60), (0.76, 0.74, 0.68), (0.10, 0.11, 0.15),
               0.0022, 0.07, 0.02)  # fmt: skip
MESH = Weave(13, 0.36, 1, 0.012, (0.62,) * 3, (0.58,) * 3, (0.10,) * 3, 0.0016, 0.02, 0.25)


def _wave(along: Field, thread: Field, over: int) -> Field:
    """Elevation in [0, 1] of a thread that goes over and under ``over`` threads at a time."""
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * ((along - 0.5) / over + thread)), np.float32)


def weave(style: Weave, rng: np.random.Generator, size: Size, fault: Fault | None) -> Surface:
    """Interlaced threads. Faults: ``broken_thread`` (a stretch of one thread is gone)."""
    x, y, _ = coordinates(size)
    x, y = rotate(x, y, rng.uniform(-0.04, 0.04))
    shift = rng.random(2)
    x = x + np.float32(style.wobble) * noise(rng, size, 5, 2)
    y = y + np.float32(style.wobble) * noise(rng, size, 5, 2)
    u = (x - x.min()) * np.float32(style.threads) + np.float32(shift[0])
    v = (y - y.min()) * np.float32(style.threads) + np.float32(shift[1])
    i, j = np.floor(u), np.floor(v)
    tint = rng.normal(1, 0.035, (2, int(max(u.max(), v.max())) + 2)).astype(np.float32)
    thick = rng.normal(1, 0.04, tint.shape).astype(np.float32).clip(0.85, 1.1)
    hairs = noise(rng, size, (220, 60)), noise(rng, size, (60, 220))
    gone = np.zeros((2, *size), bool)
    if fault is not None and fault.name == "broken_thread":
        which = int(fault.rng.integers(2))
        across, along = (u, v) if which == 0 else (v, u)
        middle = fault.rng.uniform(0.2, 0.8, 2) * (across.max(), along.max())
        half = fault.rng.uniform(0.06, 0.15) * style.threads
        # The ends fray: they differ from row to row.
        ends = half * (1 + style.fuzz * hairs[which])
        gone[which] = (np.floor(across) == np.floor(middle[0])) & (abs(along - middle[1]) < ends)
    layers = []
    for k, (across, thread, along, phase) in enumerate(((u, i, v, i), (v, j, u, j + 1))):
        radius = 0.5 * style.width * thick[k][thread.astype(np.intp)]
        off = (across - thread - 0.5) / radius
        round_ = np.sqrt(np.clip(1 - off * off, 0, 1))
        lift = 0.25 + 0.75 * _wave(along, phase, style.over)
        height = np.where((abs(off) < 1) & ~gone[k], lift * (0.35 + 0.65 * round_), 0)
        colour = tint[k][thread.astype(np.intp)] * (1 + style.fuzz * hairs[k])
        layers.append((height.astype(np.float32), colour.astype(np.float32)))
    (warp, warp_tint), (weft, weft_tint) = layers
    height = np.maximum(warp, weft)
    top = np.where(
        (warp > weft)[..., None],
        warp_tint[..., None] * np.asarray(style.warp, np.float32),
        weft_tint[..., None] * np.asarray(style.weft, np.float32),
    )
    # Threads lie in the shade of their neighbours where they dive.
    shaded = top * (0.55 + 0.45 * height)[..., None]
    cover = smoothstep(0.0, 0.30, height)
    albedo = mix(np.broadcast_to(np.asarray(style.ground, np.float32), shaded.shape), shaded, cover)
    return Surface(
        albedo, height * np.float32(style.relief), style.gloss * cover, np.ones(size, np.float32)
    )


def fabric(rng: np.random.Generator, size: Size, fault: Fault | None) -> Surface:
    """Two-coloured plain weave."""
    return weave(FABRIC, rng, size, fault)


def mesh(rng: np.random.Generator, size: Size, fault: Fault | None) -> Surface:
    """Wire mesh over a dark ground."""
    return weave(MESH, rng, size, fault)


def brushed_metal(rng: np.random.Generator, size: Size, fault: Fault | None) -> Surface:
    """Brushed steel: fine streaks, a soft band of reflected light."""
    _, y, _ = coordinates(size)
    fine = noise(rng, size, (256, 5))
    medium = noise(rng, size, (110, 2), 2)
    broad = noise(rng, size, (9, 1))
    long = noise(rng, size, (200, 16))
    streaks = 0.50 * fine + 0.45 * medium + 0.18 * broad + 0.3 * long
    angle = np.degrees(rng.uniform(-0.02, 0.02))
    height, width = size
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(angle), 1.03)
    streaks = cv2.warpAffine(streaks, turn, (width, height), borderMode=cv2.BORDER_REFLECT)
    at, spread = rng.uniform(-0.35, 0.35), rng.uniform(0.25, 0.4)
    band = np.exp(-(((y - at) / spread) ** 2))
    tone = 0.53 + 0.045 * streaks + 0.10 * band
    albedo = tone[..., None] * rgb(0.985, 1.0, 1.02)
    relief = np.float32(0.00016) * streaks
    flat = np.ones(size, np.float32)
    return Surface(albedo.astype(np.float32), relief.astype(np.float32), 0.35 * flat, flat)


def wood(rng: np.random.Generator, size: Size, fault: Fault | None) -> Surface:
    """Varnished oak: growth rings cut lengthwise, pores, a few broad waves."""
    x, y, _ = coordinates(size)
    bend = 0.055 * noise(rng, size, (2.2, 0.9), 2) + rng.uniform(-0.05, 0.05) * x
    rings = rng.uniform(13, 16) * (y + bend) + rng.uniform(0, 10)
    rings = rings + 0.22 * noise(rng, size, (30, 2))
    phase = rings - np.floor(rings)
    # Early wood darkens slowly, late wood ends abruptly: the look of a growth ring.
    late = smoothstep(0.15, 0.92, phase) * (1 - smoothstep(0.92, 1.0, phase))
    fibre = noise(rng, size, (180, 7), 1)
    pores = smoothstep(1.1, 2.0, noise(rng, size, (150, 13))) * (0.35 + 0.65 * late)
    broad = noise(rng, size, (3, 1))
    light_, dark = rgb(0.74, 0.56, 0.37), rgb(0.55, 0.36, 0.20)
    albedo = light_ + (dark - light_) * (0.75 * late)[..., None]
    albedo = albedo * (1 + 0.035 * fibre + 0.03 * broad)[..., None]
    albedo = mix(albedo, (0.30, 0.18, 0.09), (0.6 * pores).astype(np.float32))
    height = -0.0007 * pores - 0.0005 * late + 0.0001 * fibre
    flat = np.ones(size, np.float32)
    return Surface(albedo, height.astype(np.float32), 0.15 * flat, flat)


def leather(rng: np.random.Generator, size: Size, fault: Fault | None) -> Surface:
    """Grained leather: irregular pebbles between creases."""
    x, y, _ = coordinates(size)
    x = x + 0.006 * noise(rng, size, 14, 2)
    y = y + 0.006 * noise(rng, size, 14, 2)
    border, value = cells(rng, x, y, 32)
    pebble = smoothstep(0.0, 0.34, border)
    fine = noise(rng, size, 110)
    broad = noise(rng, size, 3, 2)
    height = 0.0050 * pebble * (0.75 + 0.5 * value) + 0.0005 * fine
    tone = 0.72 + 0.28 * pebble
    tone = tone * (1 + 0.05 * (value - 0.5) + 0.03 * broad + 0.02 * fine)
    albedo = tone[..., None] * rgb(0.54, 0.33, 0.21)
    flat = np.ones(size, np.float32)
    return Surface(
        albedo.astype(np.float32), height.astype(np.float32), (0.22 * flat).astype(np.float32), flat
    )
