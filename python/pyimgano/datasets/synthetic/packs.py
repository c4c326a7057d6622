"""Assembled parts: a blister pack of capsules and a circuit board. ``(rng, size, fault)``."""

import cv2
import numpy as np
from numpy.typing import NDArray

from .drawing import Drawing
from .fields import Field, Size, coordinates, inside, mix, noise, rgb, rotate, smoothstep
from .surface import Surface
from .textures import RGB, Fault

ROWS, COLUMNS = 3, 4


def blister(rng: np.random.Generator, size: Size, fault: Fault | None) -> Surface:
    """Two-coloured capsules behind clear domes on embossed foil.

    Faults: ``missing_capsule``, ``broken_capsule``, ``wrong_colour``.
    """
    x, y, pixel = coordinates(size)
    tilt = rng.uniform(-0.03, 0.03)
    dx, dy = rng.uniform(-0.02, 0.02, 2)
    x, y = rotate(x - np.float32(dx), y - np.float32(dy), tilt)
    wide, high = size[1] * pixel, size[0] * pixel
    pitch_x, pitch_y = 0.90 * wide / COLUMNS, 0.90 * high / ROWS
    column = np.clip(np.floor(x / pitch_x + COLUMNS / 2), 0, COLUMNS - 1).astype(np.intp)
    row = np.clip(np.floor(y / pitch_y + ROWS / 2), 0, ROWS - 1).astype(np.intp)
    u = (x - (column - (COLUMNS - 1) / 2) * pitch_x).astype(np.float32)
    v = (y - (row - (ROWS - 1) / 2) * pitch_y).astype(np.float32)
    kind = np.zeros((ROWS, COLUMNS), np.intp)
    shift = rng.normal(0, 0.006, (*kind.shape, 2)).astype(np.float32)
    lean = rng.normal(0, 0.06, kind.shape).astype(np.float32)
    flip = rng.integers(0, 2, kind.shape)
    if fault is not None:
        at = int(fault.rng.integers(ROWS)), int(fault.rng.integers(COLUMNS))
        kind[at] = {"missing_capsule": 1, "broken_capsule": 2, "wrong_colour": 3}[fault.name]
    kinds = kind[row, column]
    unit = min(pitch_x, pitch_y)
    # Foil: a lattice of pressed dots, slightly crumpled.
    lattice = np.cos(2 * np.pi * 44 * x) * np.cos(2 * np.pi * 44 * y)
    foil_height = 0.0011 * lattice + 0.0032 * noise(rng, size, 8, 2)
    foil = (0.64 + 0.02 * noise(rng, size, 5, 2))[..., None] * rgb(0.98, 0.99, 1.0)
    # Dome: a stadium around each capsule.
    reach = np.hypot(np.maximum(abs(u) - 0.17 * unit, 0), v)
    dome = (reach - 0.36 * unit).astype(np.float32)
    clear = inside(dome, pixel)
    well = mix(foil * np.float32(0.80), (0.70, 0.72, 0.74), 0.25 * clear)
    albedo = mix(foil, well, clear)
    # Capsule, free to move a little in its dome.
    s, c = np.sin(lean[row, column]), np.cos(lean[row, column])
    pu, pv = u - shift[row, column, 0], v - shift[row, column, 1]
    pu, pv = c * pu + s * pv, c * pv - s * pu
    half = 0.19 * unit
    body = (np.hypot(np.maximum(abs(pu) - half, 0), pv) - 0.215 * unit).astype(np.float32)
    if fault is not None and fault.name == "broken_capsule":
        edge = fault.rng.uniform(-0.1, 0.2) * unit + 0.006 * noise(fault.rng, size, 30, 2)
        lost = np.sign(fault.rng.uniform(-1, 1)) * pu - edge + 0.4 * pv
        body = np.where(kinds == 2, np.maximum(body, lost), body).astype(np.float32)
    present = inside(body, pixel) * (kinds != 1)
    end = np.where(flip[row, column] == 0, pu, -pu)
    colour = _halves(end, pixel, odd=kinds == 3)
    cast = smoothstep(0.02, -0.03, body) * (kinds != 1)
    albedo = mix(albedo, np.asarray(albedo * np.float32(0.55)), 0.6 * cast)
    albedo = mix(albedo, colour, present)
    round_ = np.sqrt(np.clip(-body / np.float32(0.215 * unit), 0, 1))
    height = foil_height * (1 - clear) + 0.05 * unit * smoothstep(0, 0.09, -dome / unit)
    height = height + 0.16 * unit * round_ * present
    # The outline of the card, with the table around it.
    card = np.maximum(abs(x) - 0.475 * wide, abs(y) - 0.475 * high).astype(np.float32)
    cover = inside(card, pixel)
    table = (0.30 + 0.012 * noise(rng, size, 100))[..., None] * rgb(0.95, 1.0, 1.05)
    albedo = mix(table.astype(np.float32), albedo, cover)
    # Clear plastic throws a highlight from the upper left shoulder of every dome.
    shoulder = smoothstep(0.35, 0.9, ((-u - v) / np.hypot(u, v).clip(1e-4) / 1.414))
    glint = 0.65 * (np.exp(-(((reach - 0.28 * unit) / (0.035 * unit)) ** 2)) * shoulder)
    albedo = mix(albedo, (0.97, 0.97, 0.97), glint.astype(np.float32))
    gloss = (0.25 + 0.25 * present) * cover
    return Surface(albedo, (height * cover).astype(np.float32), gloss.astype(np.float32), cover)


def _halves(end: Field, pixel: float, *, odd: NDArray[np.bool_]) -> Field:
    """Colours of capsules: red, cream where ``end`` is positive, orange there where ``odd``."""
    red, cream = rgb(0.74, 0.16, 0.13), rgb(0.88, 0.84, 0.74)
    colour = red + (cream - red) * inside(end, pixel)[..., None]
    return np.where((odd & (end > 0))[..., None], (0.8, 0.5, 0.1), colour).astype(np.float32)


# Board: x, y, kind, quarter turns, in board units (the board spans -1..1).
PARTS: tuple[tuple[float, float, str, int], ...] = (
    (-0.18, -0.12, "processor", 0),
    (0.56, 0.50, "memory", 0), (0.56, -0.10, "memory", 0),
    (-0.70, 0.62, "can", 0), (-0.32, 0.66, "can", 0),
    (-0.78, -0.10, "resistor", 1), (-0.78, 0.16, "resistor", 1), (-0.62, 0.30, "resistor", 0),
    (0.18, 0.40, "resistor", 1), (0.18, 0.66, "resistor", 1), (0.26, -0.42, "resistor", 0),
    (-0.62, -0.44, "capacitor", 0), (-0.14, 0.38, "capacitor", 0), (0.82, 0.18, "capacitor", 0),
    (0.50, 0.20, "capacitor", 0), (0.50, -0.42, "capacitor", 0),
    (0.06, 0.82, "diode", 0), (0.66, 0.84, "diode", 0),
    (0.0, -0.80, "header", 0),
)  # fmt: skip
# Traces: polylines between parts, at 45 and 90 degrees as a router lays them.
TRACES: tuple[tuple[tuple[float, float], ...], ...] = (
    ((-0.46, -0.24), (-0.60, -0.24), (-0.70, -0.16), (-0.78, -0.16)),
    ((-0.46, -0.04), (-0.66, -0.04), (-0.78, 0.08)), ((-0.46, 0.06), (-0.56, 0.16), (-0.56, 0.30)),
    ((0.10, -0.22), (0.24, -0.22), (0.34, -0.12), (0.40, -0.12)),
    ((0.10, -0.12), (0.20, -0.12), (0.30, 0.44), (0.40, 0.44)),
    ((0.10, 0.02), (0.18, 0.10), (0.18, 0.34)), ((-0.28, 0.18), (-0.28, 0.30), (-0.20, 0.38)),
    ((-0.08, 0.18), (-0.08, 0.38)), ((0.0, 0.18), (0.10, 0.28), (0.10, 0.74), (0.02, 0.82)),
    ((-0.40, -0.42), (-0.40, -0.72)), ((-0.30, -0.42), (-0.24, -0.50), (-0.24, -0.72)),
    ((-0.08, -0.42), (-0.08, -0.72)), ((0.04, -0.42), (0.08, -0.46), (0.08, -0.72)),
    ((0.20, -0.42), (0.24, -0.50), (0.24, -0.72)), ((0.32, -0.42), (0.44, -0.54), (0.44, -0.72)),
    ((-0.56, -0.44), (-0.50, -0.50), (-0.50, -0.72)), ((0.72, -0.10), (0.84, 0.02), (0.84, 0.18)),
    ((0.72, 0.50), (0.80, 0.42), (0.80, 0.24)), ((-0.40, 0.66), (-0.60, 0.66)),
    ((-0.20, 0.66), (0.12, 0.66)), ((0.62, 0.66), (0.62, 0.80)),
    ((0.60, -0.26), (0.60, -0.60), (0.68, -0.68), (0.90, -0.68)),
    ((-0.88, 0.84), (-0.88, 0.00), (-0.88, -0.70), (-0.70, -0.80)),
)  # fmt: skip
VIAS = ((0.90, -0.68), (-0.88, 0.84), (0.30, 0.44), (0.18, 0.10), (-0.66, -0.04), (0.34, -0.12),
        (-0.56, 0.16), (0.10, 0.50), (0.84, 0.02), (0.90, 0.66), (-0.50, -0.60))  # fmt: skip
SMALL = ("resistor", "capacitor", "diode")


def board(rng: np.random.Generator, size: Size, fault: Fault | None) -> Surface:
    """A populated circuit board.

    Faults: ``missing_part``, ``displaced_part``, ``solder_bridge``.
    """
    draw = Drawing(size, scale=3)
    draw.pose(rng.uniform(-0.025, 0.025, 2), rng.normal(0, 0.025), 0.45)
    draw.box(0, 0, 2, 2, (0.06, 0.30, 0.17), 0.004)
    for trace in TRACES:
        draw.line(trace, 0.030, (0.11, 0.42, 0.25), 0.0052)
    for via in VIAS:
        draw.disc(*via, 0.028, (0.70, 0.62, 0.36), 0.0055)
        draw.disc(*via, 0.013, (0.08, 0.08, 0.07), 0.003)
    for corner in ((-0.9, -0.9), (0.9, -0.9), (-0.9, 0.93), (0.9, 0.93)):
        draw.disc(*corner, 0.062, (0.72, 0.66, 0.42), 0.0052)
        draw.disc(*corner, 0.040, (0.10, 0.10, 0.11), 0.0)
    small = [n for n, part in enumerate(PARTS) if part[2] in SMALL]
    struck, name = -1, ""
    if fault is not None:
        name = fault.name
        struck = int(fault.rng.choice(small))
    for n, (x, y, kind, quarter) in enumerate(PARTS):
        dx, dy = rng.normal(0, 0.005, 2)
        turn = rng.normal(0, 0.012) + quarter * np.pi / 2
        _pads(draw, x, y, kind, quarter * np.pi / 2)
        if n == struck and name == "missing_part":
            continue
        if fault is not None and n == struck and name == "displaced_part":
            turn += fault.rng.choice([-1, 1]) * fault.rng.uniform(0.3, 0.9)
            dx, dy = fault.rng.uniform(-0.05, 0.05, 2)
        _part(draw, x + dx, y + dy, kind, turn)
    if fault is not None and name == "solder_bridge":
        pin = int(fault.rng.integers(7))
        top = bool(fault.rng.integers(2))
        y = -0.12 + (-0.315 if top else 0.315)
        x = -0.18 + (pin - 3) * 0.075 + 0.0375 * (1 if pin < 6 else -1)
        wide = fault.rng.uniform(0.10, 0.17)
        draw.box(x, y, wide, 0.05, (0.74, 0.74, 0.75), 0.010, float(fault.rng.normal(0, 0.15)))
        draw.disc(x + fault.rng.uniform(-0.02, 0.02), y, 0.04, (0.76, 0.76, 0.77), 0.012)
    albedo, height, cover = draw.finish()
    albedo = albedo * (1 + 0.025 * noise(rng, size, 4, 2) + 0.02 * noise(rng, size, 128))[..., None]
    table = (0.62 + 0.012 * noise(rng, size, 90))[..., None] * rgb(1.0, 0.99, 0.97)
    shadow = cv2.GaussianBlur(cover, (0, 0), 0.02 * min(size))
    table = table * (1 - 0.5 * shadow)[..., None]
    albedo = mix(table.astype(np.float32), albedo.astype(np.float32), cover)
    return Surface(albedo, height, (0.25 * cover).astype(np.float32), cover)


def _pads(draw: Drawing, x: float, y: float, kind: str, turn: float) -> None:
    """The tinned copper under a small part; it is what shows when the part is missing."""
    if kind in SMALL:
        along = np.asarray([np.cos(turn), np.sin(turn)]) * 0.066
        for sign in (-1, 1):
            px, py = np.asarray([x, y]) + sign * along
            draw.box(px, py, 0.062, 0.088, (0.66, 0.66, 0.64), 0.0058, turn)


def _part(draw: Drawing, x: float, y: float, kind: str, turn: float) -> None:
    draw.local(x, y, turn)
    black, silver, white = (0.09, 0.09, 0.10), (0.70, 0.70, 0.71), (0.82, 0.82, 0.78)
    if kind in SMALL:
        body: RGB = {"resistor": black, "capacitor": (0.56, 0.42, 0.28), "diode": (0.5, 0.1, 0.08)}[
            kind
        ]
        draw.box(0, 0, 0.170, 0.080, silver, 0.014)
        draw.box(0, 0, 0.104, 0.084, body, 0.016)
        if kind == "resistor":
            draw.glyphs("102", 0, 0, 0.040, white, 0.016)
        if kind == "diode":
            draw.box(0.032, 0, 0.016, 0.084, white, 0.016)
    elif kind == "processor":
        for k in range(7):
            for sign in (-1, 1):
                draw.box((k - 3) * 0.075, sign * 0.31, 0.030, 0.10, silver, 0.009)
                draw.box(sign * 0.31, (k - 3) * 0.075, 0.10, 0.030, silver, 0.009)
        draw.box(0, 0, 0.56, 0.56, black, 0.024)
        draw.disc(-0.21, -0.21, 0.025, (0.16, 0.16, 0.17), 0.0225)
        draw.glyphs("A417", 0, -0.03, 0.10, (0.42, 0.42, 0.41), 0.024)
        draw.glyphs("0270", 0, 0.12, 0.065, (0.38, 0.38, 0.37), 0.024)
    elif kind == "memory":
        for k in range(4):
            for sign in (-1, 1):
                draw.box((k - 1.5) * 0.075, sign * 0.14, 0.030, 0.08, silver, 0.008)
        draw.box(0, 0, 0.32, 0.22, black, 0.018)
        draw.disc(-0.12, 0.07, 0.018, (0.17, 0.17, 0.18), 0.017)
        draw.glyphs("247", 0.01, 0, 0.075, (0.45, 0.45, 0.44), 0.018)
    elif kind == "can":
        draw.disc(0, 0, 0.150, (0.18, 0.18, 0.19), 0.010)
        draw.disc(0, 0, 0.132, (0.66, 0.67, 0.69), 0.030)
        draw.segment(0.132, 0.070, (0.16, 0.17, 0.22), 0.030)
    elif kind == "header":
        draw.box(0, 0, 1.24, 0.16, (0.12, 0.12, 0.13), 0.022)
        for k in range(8):
            draw.box((k - 3.5) * 0.150, 0, 0.070, 0.070, (0.05, 0.05, 0.05), 0.014)
            draw.box((k - 3.5) * 0.150, 0, 0.042, 0.042, (0.80, 0.66, 0.30), 0.030)
    draw.local(0, 0, 0)
