"""A surface (colour, height, gloss), and the camera and lamp that turn it into a picture.

Defects change the surface, never the picture: a dent is then lit like everything around it, and
the mask is simply where two pictures of the same surface differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .fields import Field, Size, coordinates


@dataclass(frozen=True)
class Surface:
    """What the camera looks at.

    Attributes
    ----------
    albedo : float32 (H, W, 3)
        RGB in [0, 1].
    height : float32 (H, W)
        In units of the short side.
    gloss : float32 (H, W)
        Strength of the highlight.
    foreground : float32 (H, W)
        1 on the part itself, 0 on what it lies on: defects belong on the part.
    """

    albedo: Field
    height: Field
    gloss: Field
    foreground: Field

    @property
    def size(self) -> Size:
        """Rows and columns."""
        return self.height.shape[0], self.height.shape[1]


@dataclass(frozen=True)
class Light:
    """How much the light and the camera vary from image to image (never a defect).

    Attributes
    ----------
    gain, contrast : float
        Brightness and contrast are multiplied by up to exp(+-this).
    gradient : float
        Largest fall-off of the light across the image, as a share.
    temperature : float
        Largest shift of red against blue, as a share.
    swing : float
        The lamp turns by up to this many radians.
    noise : float
        Standard deviation of the sensor's noise at mid-grey.
    """

    gain: float = 0.04
    contrast: float = 0.03
    gradient: float = 0.06
    temperature: float = 0.015
    swing: float = 0.12
    noise: float = 0.010


STEADY = Light()
CHANGING = Light(gain=0.32, contrast=0.28, gradient=0.45, temperature=0.09, swing=0.7)


@dataclass(frozen=True)
class Exposure:
    """One draw of a :class:`Light`: what one photograph was taken under."""

    gain: float
    contrast: float
    slope: tuple[float, float]
    balance: tuple[float, float, float]
    azimuth: float

    @classmethod
    def draw(cls, light: Light, rng: np.random.Generator) -> Exposure:
        """Draw one exposure."""
        gain, contrast, steep, warm, turn = rng.uniform(-1, 1, 5)
        towards = rng.uniform(0, 2 * np.pi)
        steep = abs(steep) * light.gradient
        warm *= light.temperature
        return cls(
            gain=float(np.exp(light.gain * gain)),
            contrast=float(np.exp(light.contrast * contrast)),
            slope=(float(steep * np.cos(towards)), float(steep * np.sin(towards))),
            balance=(1 + warm, 1 + 0.1 * warm, 1 - warm),
            # The lamp stands at the upper left, as the eye expects of a relief.
            azimuth=float(-0.75 * np.pi + light.swing * turn),
        )


def shade(surface: Surface, azimuth: float) -> Field:
    """Light a surface from one side: diffuse term, highlight, lens blur.

    Returns
    -------
    float32 (H, W, 3), about [0, 1].
    """
    side = np.float32(min(surface.size))
    dx = cv2.Sobel(surface.height, cv2.CV_32F, 1, 0, scale=1 / 8) * side
    dy = cv2.Sobel(surface.height, cv2.CV_32F, 0, 1, scale=1 / 8) * side
    towards = (dx * np.float32(np.cos(azimuth)) + dy * np.float32(np.sin(azimuth))) * -1
    steep = np.float32(1) / np.sqrt(1 + dx * dx + dy * dy)
    # Lamp 50 degrees high; a flat surface keeps its albedo.
    elevation = 0.87
    tilt = np.float32(np.cos(elevation) / np.sin(elevation))
    diffuse = np.maximum((1 + tilt * towards) * steep, 0)
    # Half-way vector between the lamp and the camera above.
    half = (np.pi / 2 - elevation) / 2
    facing = (np.float32(np.cos(half)) + np.float32(np.sin(half)) * towards) * steep
    flat = np.float32(np.cos(half)) ** 40
    highlight = np.maximum(facing, 0) ** 40 - flat
    lit = surface.albedo * (0.35 + 0.65 * diffuse)[..., None]
    lit += (surface.gloss * highlight)[..., None]
    return np.asarray(cv2.GaussianBlur(lit, (3, 3), 0.55), dtype=np.float32)


def expose(lit: Field, exposure: Exposure) -> Field:
    """Apply light fall-off, colour balance, brightness and contrast; still free of noise."""
    x, y, _ = coordinates((lit.shape[0], lit.shape[1]))
    fall = 1 + np.float32(exposure.slope[0]) * x + np.float32(exposure.slope[1]) * y
    vignette = 1 - 0.10 * (x * x + y * y)
    scale = (fall * vignette * np.float32(exposure.gain))[..., None]
    picture = lit * scale * np.asarray(exposure.balance, np.float32)
    pivot = np.float32(0.42 * exposure.gain)
    return np.asarray(pivot + (picture - pivot) * np.float32(exposure.contrast), np.float32)


def develop(picture: Field, noise: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add the sensor's noise (stronger where brighter) and quantise to 8 bits."""
    picture = np.clip(picture, 0, 1)
    grain = rng.standard_normal(picture.shape, dtype=np.float32)
    spread = np.float32(noise) * (0.5 + np.sqrt(0.5 * picture))
    noisy = (picture + grain * spread) * 255 + 0.5
    return np.asarray(np.clip(noisy, 0, 255), dtype=np.uint8)
