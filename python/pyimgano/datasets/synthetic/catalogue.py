"""The categories: what each shows, how it is lit, which sizes it has, which defects it can have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from . import defects as d
from .defects import Defect, tinted
from .fields import Size
from .objects import cap, gear
from .packs import blister, board
from .surface import CHANGING, STEADY, Light, Surface
from .textures import Fault, brushed_metal, fabric, leather, mesh, wood

Scene = Callable[[np.random.Generator, Size, Fault | None], Surface]


@dataclass(frozen=True)
class Category:
    """One category.

    Attributes
    ----------
    scene : callable
        Draws the flawless surface, or one with a structural fault.
    defects : mapping of str to Defect or None
        None: the scene itself draws the fault of that name.
    light : Light
        How the light varies from image to image.
    shape : (float, float)
        Height and width as shares of the size asked for.
    size_spread : float
        Each file's size differs by up to this share; 0 for one size.
    grey : bool
        Whether the camera is monochrome.
    """

    scene: Scene
    defects: Mapping[str, Defect | None]
    light: Light = STEADY
    shape: tuple[float, float] = (1.0, 1.0)
    size_spread: float = 0.0
    grey: bool = False


CATALOGUE: dict[str, Category] = {
    "blister": Category(
        blister,
        {
            "missing_capsule": None,
            "broken_capsule": None,
            "wrong_colour": None,
            "contamination": tinted(d.contamination, tint=(0.20, 0.13, 0.08)),
            "scratch": tinted(d.scratch, tint=(0.95, 0.95, 0.96), bare=0.4),
        },
        light=CHANGING,
        shape=(0.75, 1.0),
    ),
    "board": Category(
        board,
        {
            "missing_part": None,
            "displaced_part": None,
            "solder_bridge": None,
            "scratch": tinted(d.scratch, tint=(0.84, 0.70, 0.50), bare=0.4),
            "stain": tinted(d.stain, tint=(1.3, 0.85, 0.55)),
        },
    ),
    "brushed_metal": Category(
        brushed_metal,
        {
            "scratch": d.scratch,
            "dent": d.dent,
            "stain": tinted(d.stain, tint=(0.78, 0.62, 0.45)),
            "contamination": tinted(d.contamination, tint=(0.36, 0.20, 0.10)),
        },
        light=CHANGING,
    ),
    "cap": Category(
        cap,
        {
            "misprint": None,
            "missing_print": None,
            "scratch": tinted(d.scratch, tint=(0.62, 0.74, 0.88)),
            "crack": d.crack,
            "contamination": tinted(d.contamination, tint=(0.25, 0.18, 0.10)),
        },
        light=CHANGING,
        size_spread=0.25,
    ),
    "fabric": Category(
        fabric,
        {
            "broken_thread": None,
            "stain": d.stain,
            "hole": d.hole,
            "fibre": tinted(d.fibre, tint=(0.72, 0.16, 0.14)),
            "rotated_patch": d.rotated_patch,
        },
    ),
    "gear": Category(
        gear,
        {
            "broken_tooth": None,
            "scratch": d.scratch,
            "dent": tinted(d.dent, deep=1.6),
            "rust": tinted(d.stain, tint=(0.80, 0.38, 0.14)),
        },
    ),
    "leather": Category(
        leather,
        {
            "scratch": tinted(d.scratch, tint=(0.90, 0.74, 0.60), bare=0.6, wide=1.7),
            "bump": tinted(d.dent, up=True, deep=3.0),
            "hole": d.hole,
            "stain": tinted(d.stain, tint=(0.40, 0.38, 0.40)),
            "worn": d.worn,
        },
        size_spread=0.25,
    ),
    "mesh": Category(
        mesh,
        {
            "broken_thread": None,
            "bent": d.bent,
            "contamination": tinted(d.contamination, tint=(0.45, 0.45, 0.45)),
            "fibre": d.fibre,
        },
        grey=True,
    ),
    "wood": Category(
        wood,
        {
            "scratch": tinted(d.scratch, tint=(0.92, 0.80, 0.64), bare=0.4),
            "crack": d.crack,
            "stain": tinted(d.stain, tint=(0.45, 0.40, 0.42)),
            "hole": tinted(d.hole, ground=(0.10, 0.06, 0.03)),
        },
        shape=(1.0, 0.75),
    ),
}

CATEGORIES: tuple[str, ...] = tuple(CATALOGUE)
