"""How an image was taken: light, contrast, sharpness, colour and size, from its pixels.

These figures tell a photo under other conditions from the photos that a detector has learnt from.
They say nothing about defects.
"""

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

#: The figures that drift with lamp and lens.
LIGHT = ("brightness", "contrast", "sharpness", "red_green", "blue_green")
#: Figures are taken at the last halving that leaves the longer side at least this long: single
#: pixels count for sharpness; for light and colour a small picture will do.
_SHARPNESS_SIDE, _LIGHT_SIDE = 1024, 128
#: Pixels apart at which detail is compared with that of neighbouring pixels.
_REACH = 4
#: Samples along the longer side for the shares of black and saturated pixels.
_SAMPLES = 128
#: Kept out of divisions: about the noise of a dark image.
_DARK = 0.02
#: Of less green than this share of all light there is no white balance: its noise would be all.
_LEAST_GREEN = 0.05
#: Red, green and blue in brightness, as in ITU-R BT.601.
_WEIGHTS = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class ImageHealth:
    """Figures of one image, all but the size in [0, 1] or a little above.

    Attributes
    ----------
    height, width
        Pixels of the source.
    brightness
        Mean grey value; 1 is white.
    contrast
        Mean distance of the grey values from their mean, relative to the mean: light alone does not
        change it.
    sharpness
        How much neighbouring pixels differ, relative to pixels four apart. Blur lowers it, noise
        brings it near 1; contents and light hardly change it. None for an image without detail, or
        of fewer than five pixels in height or width.
    colour
        Shares of red, green and blue in all light; None for a grey image.
    black, white
        Shares of the pixels with every channel at the bottom and with any at the top of the scale.
    bits
        8 or 16, of the array's type; None where that is not known. It says nothing of the picture.
    """

    height: int
    width: int
    brightness: float
    contrast: float
    sharpness: float | None
    colour: tuple[float, float, float] | None
    black: float
    white: float
    bits: int | None = field(default=None, compare=False)

    def light(self) -> dict[str, float | None]:
        """The figures that drift with lamp and lens, by :data:`LIGHT`.

        The last two are the white balance, as gains of red and blue set it: light of red and of
        blue, each relative to that of green; None for a grey image, and where less than a twentieth
        of the light is green.
        """
        balance: tuple[float | None, float | None] = (None, None)
        if self.colour is not None and self.colour[1] >= _LEAST_GREEN:
            red, green, blue = self.colour
            balance = (red / green, blue / green)
        found = (self.brightness, self.contrast, self.sharpness, *balance)
        return dict(zip(LIGHT, found, strict=True))


def measure_health(image: NDArray[Any], *, bit_depth: int | None = None) -> ImageHealth:
    """The figures of a decoded image; takes about a millisecond per megapixel.

    Parameters
    ----------
    image
        (H, W), (H, W, 1) or (H, W, 3), uint8 or uint16, RGB or grey, as it was decoded.
    bit_depth
        Bits used in 16-bit images; None: all 16.
    """
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    top = 255.0 if image.dtype == np.uint8 else float(2 ** (bit_depth or 16) - 1)
    height, width = image.shape[:2]
    fine = _halved(image, _SHARPNESS_SIDE)
    coarse = np.ascontiguousarray(_halved(fine, _LIGHT_SIDE), np.float32) / np.float32(top)
    colour = None
    if coarse.ndim == 3:
        means = np.array([float(mean) for mean in cv2.mean(coarse)[:3]])
        if not _is_grey(coarse):
            # Without light there is no colour either.
            red, green, blue = ((means + 1e-4) / (means.sum() + 3e-4)).tolist()
            colour = (red, green, blue)
        coarse = coarse @ _WEIGHTS.astype(np.float32)
    brightness = float(coarse.mean(dtype=np.float64))
    deviation = float(np.abs(coarse - np.float32(brightness)).mean(dtype=np.float64))
    black, white = _clipped(image, top)
    return ImageHealth(
        height=int(height),
        width=int(width),
        brightness=brightness,
        contrast=deviation / (brightness + _DARK),
        sharpness=_sharpness(fine, top),
        colour=colour,
        black=black,
        white=white,
        bits=8 * image.dtype.itemsize,
    )


def _halved(image: NDArray[Any], side: int) -> NDArray[Any]:
    """The image halved while its longer side stays at least ``side``; its mean stays."""
    while max(image.shape[:2]) >= 2 * side and min(image.shape[:2]) >= 2:
        height, width = image.shape[0] // 2, image.shape[1] // 2
        even = image[: 2 * height, : 2 * width]
        image = np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA))
    return image


def _is_grey(image: NDArray[np.float32]) -> bool:
    return bool((image[..., 0] == image[..., 1]).all() and (image[..., 1] == image[..., 2]).all())


def _sharpness(image: NDArray[Any], top: float) -> float | None:
    if min(image.shape[:2]) <= _REACH:
        return None
    near, far = _difference(image, 1), _difference(image, _REACH)
    # One step of 8 bits: what rounding leaves in a blurred image is no detail.
    step = top / 255.0
    return near / (far + step) if far >= step else None


def _difference(image: NDArray[Any], reach: int) -> float:
    """Mean difference of pixels ``reach`` apart, along rows plus along columns."""
    pairs = (
        (image[:, reach:], image[:, :-reach]),
        (image[reach:], image[:-reach]),
    )
    # Not squared: the edges of a scratch count no more than their share of the pixels.
    return sum(cv2.norm(a, b, cv2.NORM_L1) / a.size for a, b in pairs)


def _clipped(image: NDArray[Any], top: float) -> tuple[float, float]:
    step = max(1, max(image.shape[:2]) // _SAMPLES)
    sample = image[::step, ::step]
    if sample.ndim == 3:
        red, green, blue = np.moveaxis(sample, 2, 0)
        sample = np.maximum(np.maximum(red, green), blue)
    black, white = sample <= top / 255.0, sample >= top * (254.0 / 255.0)
    return float(black.mean()), float(white.mean())
