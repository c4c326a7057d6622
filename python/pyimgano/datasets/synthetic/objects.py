"""Turned parts on a support: a gear and a bottle cap, each at any angle. ``(rng, size, fault)``."""

import cv2
import numpy as np

from .fields import Field, Size, coordinates, inside, mix, noise, rgb, rotate, smoothstep
from .surface import Surface
from .textures import Fault

RGB = tuple[float, float, float]

TEETH = 18
# The cap's mark: strokes (x0, y0, x1, y1) in units of its radius.
MARK = (
    (-0.34, 0.28, -0.34, -0.28), (-0.34, -0.28, -0.10, -0.28), (-0.10, -0.28, -0.10, 0.0),
    (-0.10, 0.0, -0.34, 0.0), (0.08, 0.28, 0.22, -0.28), (0.22, -0.28, 0.36, 0.28),
    (0.14, 0.08, 0.30, 0.08),
)  # fmt: skip


def _support(rng: np.random.Generator, size: Size, colour: RGB, shadow: Field) -> Field:
    """The matt sheet the part lies on, darker where the part keeps the light off."""
    tone = 1 + 0.035 * noise(rng, size, 3, 2) + 0.03 * noise(rng, size, 128)
    sheet = tone[..., None] * np.asarray(colour, np.float32)
    return np.asarray(sheet * (1 - 0.55 * shadow)[..., None], np.float32)


def _pose(rng: np.random.Generator, size: Size, shift: float) -> tuple[Field, Field, float, float]:
    """Coordinates of a part that lies slightly off centre, and the angle it lies at."""
    x, y, pixel = coordinates(size)
    dx, dy = rng.uniform(-shift, shift, 2)
    return x - np.float32(dx), y - np.float32(dy), float(rng.uniform(0, 2 * np.pi)), pixel


def _stroke(x: Field, y: Field, x0: float, y0: float, x1: float, y1: float) -> Field:
    """Distance to a line segment."""
    dx, dy = x1 - x0, y1 - y0
    t = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0, 1)
    return np.asarray(np.hypot(x - x0 - t * dx, y - y0 - t * dy), np.float32)


def gear(rng: np.random.Generator, size: Size, fault: Fault | None) -> Surface:
    """A machined steel gear. Fault: ``broken_tooth``."""
    x, y, angle, pixel = _pose(rng, size, 0.03)
    r = np.hypot(x, y)
    u, v = rotate(x, y, angle)
    theta = np.arctan2(v, u)
    turn = (theta / (2 * np.pi) * TEETH) % TEETH
    phase = abs(turn - np.floor(turn) - 0.5) * 2
    root, tip = 0.335, 0.405
    rise = smoothstep(0.68, 0.36, np.asarray(phase, np.float32))
    if fault is not None and fault.name == "broken_tooth":
        which = int(fault.rng.integers(TEETH))
        left = fault.rng.uniform(0.0, 0.45)
        slope = fault.rng.uniform(-0.4, 0.4)
        jag = 0.04 * noise(fault.rng, size, 60)
        stump = left + slope * (turn - which - 0.5) + jag
        rise = np.where(np.floor(turn) == which, np.minimum(rise, np.clip(stump, 0, 1)), rise)
    body = r - (root + (tip - root) * rise)
    bore = np.maximum(0.085 - r, -np.maximum(abs(v) - 0.022, abs(u - 0.085) - 0.028))
    sector = (theta + np.pi / 6) % (np.pi / 3) - np.pi / 6
    spot = 0.048 - np.hypot(r * np.cos(sector) - 0.235, r * np.sin(sector))
    # A crude distance (the teeth's flanks are steep), good enough for a chamfer.
    distance = np.maximum(np.maximum(body * 0.8, bore), spot).astype(np.float32)
    cover = inside(distance, pixel)
    groove = np.exp(-(((r - 0.155) / 0.006) ** 2)) + np.exp(-(((r - 0.312) / 0.005) ** 2))
    # Turning marks: rings, and the two bright fans that a lamp draws on a lathe-turned face.
    radial = noise(rng, (1024, 4), (1024, 1))[:, 0] + noise(rng, (1024, 4), (160, 1))[:, 0]
    rings = radial[np.minimum((r * 1400).astype(np.intp), 1023)]
    fan = np.cos(np.arctan2(y, x) * 2 - rng.normal(-1.2, 0.06))
    tone = 0.50 + 0.085 * fan + 0.022 * rings + 0.01 * noise(rng, size, 40, 2)
    tone = tone * (1 - 0.35 * groove)
    steel = tone[..., None] * rgb(1.0, 1.0, 1.01)
    bevel = 0.012 * smoothstep(0.0, 0.014, -distance)
    height = (bevel - 0.002 * groove) * cover
    shadow = _shadow(cover, 0.012, 0.012)
    albedo = mix(_support(rng, size, (0.16, 0.17, 0.19), shadow), steel, cover)
    return Surface(albedo, height.astype(np.float32), 0.3 * cover, cover)


def _shadow(cover: Field, offset: float, softness: float) -> Field:
    """Soft shadow of a part, thrown to the lower right."""
    side = min(cover.shape)
    shift = np.asarray([[1, 0, offset * side], [0, 1, offset * side]], np.float32)
    moved = cv2.warpAffine(cover, shift, (cover.shape[1], cover.shape[0]))
    return np.asarray(cv2.GaussianBlur(moved, (0, 0), max(softness * side, 0.5)), np.float32)


def cap(rng: np.random.Generator, size: Size, fault: Fault | None) -> Surface:
    """A moulded bottle cap with a printed mark. Faults: ``misprint``, ``missing_print``."""
    x, y, angle, pixel = _pose(rng, size, 0.03)
    radius = 0.39
    r = np.hypot(x, y)
    u, v = rotate(x, y, angle)
    theta = np.arctan2(v, u)
    ribs = 0.5 + 0.5 * np.cos(theta * 72)
    distance = (r - np.float32(radius) + 0.007 * ribs).astype(np.float32)
    cover = inside(distance, pixel)
    skirt = smoothstep(0.335, 0.350, r)
    ridge = np.exp(-(((r - 0.29) / 0.008) ** 2))
    height = 0.016 * smoothstep(0.0, 0.05, -distance) + 0.006 * skirt * (1 - ribs) + 0.004 * ridge
    height = height + 0.0002 * noise(rng, size, 60, 2) * cover
    ink = _mark(u, v, radius, pixel, fault, size)
    tone = (1 + 0.015 * noise(rng, size, 6, 2)) * (1 - 0.3 * skirt * ribs)
    plastic = tone[..., None] * rgb(0.10, 0.33, 0.60)
    plastic = mix(plastic, (0.90, 0.90, 0.86), 0.92 * ink)
    shadow = _shadow(cover, 0.018, 0.018)
    albedo = mix(_support(rng, size, (0.58, 0.57, 0.55), shadow), plastic, cover)
    return Surface(albedo, (height * cover).astype(np.float32), 0.55 * cover, cover)


def _mark(
    u: Field, v: Field, radius: float, pixel: float, fault: Fault | None, size: Size
) -> Field:
    """Coverage of the ink: letters, and a ring of dashes around them."""
    a, b = u / np.float32(radius), v / np.float32(radius)
    name = fault.name if fault is not None else ""
    if fault is not None and name == "misprint":
        push = fault.rng.uniform(0.04, 0.09)
        towards = fault.rng.uniform(0, 2 * np.pi)
        a = a + np.float32(push * np.cos(towards))
        b = b + np.float32(push * np.sin(towards))
    d = np.full(u.shape, 9, np.float32)
    for stroke in MARK:
        d = np.minimum(d, _stroke(a, b, *stroke))
    letters = inside((d - 0.045) * np.float32(radius), pixel)
    a, b = u / np.float32(radius), v / np.float32(radius)
    r, turn = np.hypot(a, b), (np.arctan2(b, a) / (2 * np.pi) * 24) % 1
    dashes = inside((abs(r - 0.58) - 0.025).astype(np.float32) * np.float32(radius), pixel)
    gap = np.abs(turn - 0.5) * np.float32(2 * np.pi * 0.58 * radius / 24) - 0.012
    ink = np.maximum(letters, dashes * (1 - inside(gap.astype(np.float32), pixel)))
    if fault is not None and name == "missing_print":
        # Ink that did not take: the mark is eaten away in a ragged area that hits a stroke.
        x0, y0, x1, y1 = MARK[int(fault.rng.integers(len(MARK)))]
        t = fault.rng.uniform(0.2, 0.8)
        d = np.hypot(a - (x0 + t * (x1 - x0)), b - (y0 + t * (y1 - y0)))
        d = d / fault.rng.uniform(0.14, 0.24) + 0.18 * noise(fault.rng, size, 30, 2)
        ink = ink * smoothstep(0.8, 1.05, d.astype(np.float32))
    return np.asarray(ink, np.float32)
