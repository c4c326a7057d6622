"""Flat shapes with a colour and a height, drawn large and scaled down (antialiasing)."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from .fields import Field, Size

# Strokes on a grid of 3 columns (0..2) and 5 rows (0..4), enough for part markings.
GLYPHS: dict[str, tuple[tuple[tuple[int, int], ...], ...]] = {
    "0": (((0, 0), (2, 0), (2, 4), (0, 4), (0, 0)),),
    "1": (((0, 1), (1, 0), (1, 4)),),
    "2": (((0, 0), (2, 0), (2, 2), (0, 2), (0, 4), (2, 4)),),
    "4": (((0, 0), (0, 2), (2, 2)), ((2, 0), (2, 4))),
    "7": (((0, 0), (2, 0), (1, 4)),),
    "A": (((0, 4), (0, 1), (1, 0), (2, 1), (2, 4)), ((0, 2), (2, 2))),
}


class Drawing:
    """A canvas in part units, with a pose in the image.

    Parameters
    ----------
    size : (int, int)
        Rows and columns of the finished fields.
    scale : int
        How many times larger the shapes are drawn.
    """

    def __init__(self, size: Size, scale: int) -> None:
        self._size, self._scale = size, scale
        shape = size[0] * scale, size[1] * scale
        self._colour = np.zeros((*shape, 3), np.uint8)
        self._height = np.zeros(shape, np.float32)
        self._cover = np.zeros(shape, np.uint8)
        self._frame = np.eye(3)
        self._local = np.eye(3)
        self._unit = 1.0

    def pose(self, shift: NDArray[np.float64], angle: float, extent: float) -> None:
        """Put the part's origin ``shift`` off centre; one unit is ``extent`` of the short side."""
        self._unit = extent * min(self._size) * self._scale
        c, s = self._unit * np.cos(angle), self._unit * np.sin(angle)
        middle = np.asarray(self._size[::-1]) * self._scale / 2 - 0.5
        dx, dy = middle + shift * min(self._size) * self._scale
        self._frame = np.asarray([[c, -s, dx], [s, c, dy], [0, 0, 1]])

    def local(self, x: float, y: float, angle: float) -> None:
        """Draw what follows relative to a point of the part, turned by ``angle``."""
        c, s = np.cos(angle), np.sin(angle)
        self._local = np.asarray([[c, -s, x], [s, c, y], [0, 0, 1]])

    def _pixels(self, points: Sequence[tuple[float, float]]) -> NDArray[np.int32]:
        homogeneous = np.column_stack([np.asarray(points, np.float64), np.ones(len(points))])
        placed = (self._frame @ self._local @ homogeneous.T).T[:, :2]
        # Four fractional bits, OpenCV's shift=4.
        return (placed * 16).round().astype(np.int32)[:, None]

    def _fill(
        self, points: Sequence[tuple[float, float]], colour: Sequence[float], height: float
    ) -> None:
        outline = [self._pixels(points)]
        rgb = [255.0 * c for c in colour]
        cv2.fillPoly(self._colour, outline, rgb, cv2.LINE_8, 4)
        cv2.fillPoly(self._height, outline, (height,), cv2.LINE_8, 4)
        cv2.fillPoly(self._cover, outline, (255,), cv2.LINE_8, 4)

    def box(
        self, x: float, y: float, wide: float, high: float, colour: Sequence[float],
        height: float, angle: float = 0.0,
    ) -> None:  # fmt: skip
        """A rectangle centred on (x, y)."""
        c, s = np.cos(angle), np.sin(angle)
        corners = [(-wide / 2, -high / 2), (wide / 2, -high / 2), (wide / 2, high / 2),
                   (-wide / 2, high / 2)]  # fmt: skip
        self._fill([(x + c * u - s * v, y + s * u + c * v) for u, v in corners], colour, height)

    def disc(
        self, x: float, y: float, radius: float, colour: Sequence[float], height: float
    ) -> None:
        """A filled circle."""
        t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        points = list(zip(x + radius * np.cos(t), y + radius * np.sin(t), strict=True))
        self._fill(points, colour, height)

    def segment(self, radius: float, inner: float, colour: Sequence[float], height: float) -> None:
        """The part of a circle about the origin that lies beyond ``x = inner``."""
        reach = float(np.arccos(inner / radius))
        t = np.linspace(-reach, reach, 20)
        points = list(zip(radius * np.cos(t), radius * np.sin(t), strict=True))
        self._fill(points, colour, height)

    def line(
        self, points: Sequence[tuple[float, float]], width: float, colour: Sequence[float],
        height: float,
    ) -> None:  # fmt: skip
        """A polyline with round ends."""
        path = [self._pixels(points)]
        thick = max(1, round(width * self._unit))
        rgb = [255.0 * c for c in colour]
        cv2.polylines(self._colour, path, False, rgb, thick, cv2.LINE_8, 4)
        cv2.polylines(self._height, path, False, (height,), thick, cv2.LINE_8, 4)

    def glyphs(
        self, text: str, x: float, y: float, high: float, colour: Sequence[float], height: float
    ) -> None:
        """Stroke lettering centred on (x, y)."""
        step = high / 4
        start = x - step * (3 * len(text) - 1) / 2
        for n, letter in enumerate(text):
            for stroke in GLYPHS[letter]:
                points = [(start + step * (3 * n + u), y + step * (v - 2)) for u, v in stroke]
                self.line(points, 0.16 * high, colour, height)

    def finish(self) -> tuple[Field, Field, Field]:
        """Return albedo (H, W, 3), height and cover (H, W) at the image's size."""

        def down(canvas: NDArray[np.uint8] | Field) -> Field:
            size = self._size[1], self._size[0]
            small = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
            return np.asarray(small, np.float32)

        # Soften the steps a little: moulded edges are never vertical.
        height = cv2.GaussianBlur(down(self._height), (3, 3), 0.7)
        unit = np.float32(1 / 255)
        albedo = np.asarray(down(self._colour) * unit, np.float32)
        cover = np.asarray(down(self._cover) * unit, np.float32)
        return albedo, np.asarray(height, np.float32), cover
