"""What a page shows of one image: whole, its heat map, the strongest place, the good photo."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import PyimganoError
from pyimgano.images.geometry import resize_image
from pyimgano.models.reading import Reading
from pyimgano.postprocess import RegionRule
from pyimgano.reporting.overlay import MapScale, fit_mask, heat_layer, thumbnail_size, to_rgb8
from pyimgano.reporting.pictures import encode
from pyimgano.types import Prediction
from pyimgano.utils.text import printable, shown

if TYPE_CHECKING:
    from pyimgano.models.base import Detector

#: Longest side of the whole image, of the heat map, which is smooth, and of a part of the image.
_SIDE, _HEAT_SIDE, _CROP_SIDE = 512, 192, 288
_QUALITY = 78

Box = tuple[int, int, int, int]


@dataclass
class Shown:
    """Pictures of one image as WebP, and the facts that go with them.

    Attributes
    ----------
    facts
        Plain data, where a number in place of a picture's bytes will stand.
    pictures
        The bytes, by the names that the facts have for them.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all pictures, in the form in which a page holds them."""
        return sum(4 * len(data) // 3 for data in self.pictures.values())


class Photographer:
    """Makes the pictures of images that a detector has scored."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._rule, self._scale = RegionRule.of(detector), MapScale.of(detector)
        self._bit_depth = Reading.of(detector).bit_depth

    def show(self, image: NDArray[Any], prediction: Prediction) -> Shown:
        """The pictures of one image, (H, W) or (H, W, 3) as it was decoded."""
        height, width = image.shape[:2]
        found = Shown({"size": [width, height]})
        size = thumbnail_size(image.shape, _SIDE)
        found.pictures["image"] = self._webp(resize_image(image, size))
        if prediction.anomaly_map is None:
            return found
        self._show_heat(found, prediction)
        x, y = self._peak(prediction)
        box = _around(x, y, (height, width))
        found.pictures["crop"] = self._webp(_cut(image, box))
        found.facts["crop"] = {"at": box, "peak": [x, y]}
        self._show_good(found, prediction, x, y)
        return found

    def strip(self) -> bytes:
        """The colours of the scale from left to right, over grey."""
        units = (np.arange(512) + 0.5) / 512
        layer = heat_layer(np.tile(self._scale.value(units), (14, 1)), self._scale)
        alpha = layer[..., 3:] / 255.0
        return encode(".png", (layer[..., :3] * alpha + 140 * (1 - alpha)).astype(np.uint8))

    def _show_heat(self, found: Shown, prediction: Prediction) -> None:
        assert prediction.anomaly_map is not None
        shown_map = self._rule.applied(prediction.anomaly_map)
        size = thumbnail_size(shown_map.shape, _HEAT_SIDE)
        marked = None
        if prediction.label:
            marked = fit_mask(self._rule.marked(prediction), size)
        small = np.asarray(resize_image(shown_map, size), dtype=np.float32)
        heat = heat_layer(small, self._scale, marked)
        found.pictures["heat"] = encode(".webp", heat, quality=_QUALITY)
        found.facts["top"] = float(shown_map.max())
        found.facts["outlined"] = marked is not None

    def _peak(self, prediction: Prediction) -> tuple[int, int]:
        """Column and row of the strongest region, or of the highest value where there is none."""
        for region in self._rule.regions(prediction, limit=1):
            return region.peak_x, region.peak_y
        assert prediction.anomaly_map is not None
        values = prediction.anomaly_map
        row, column = np.unravel_index(int(np.argmax(values)), values.shape)
        return int(column), int(row)

    def _show_good(self, found: Shown, prediction: Prediction, x: int, y: int) -> None:
        """The place of a good photo that a place was compared with, as far as it is known."""
        try:
            near = self._detector.nearest_good(prediction, x, y)
        except (PyimganoError, MemoryError) as error:
            found.facts["good"] = {"why": printable(str(error) or "not enough memory")}
            return
        if near is None:
            return
        name = printable(shown(near.file).replace("\\", "/")) or f"image {near.number}"
        if near.image is None:
            found.facts["good"] = {"file": name, "why": f"{name}: {printable(near.missing)}"}
            return
        high, wide = near.image.shape[:2]
        left, top, width, height = near.box or (0, 0, wide, high)
        place = _around(left + width // 2, top + height // 2, (high, wide))
        found.pictures["good"] = self._webp(_cut(near.image, place))
        found.facts["good"] = {"file": name, "at": place, "box": near.box}

    def _webp(self, image: NDArray[Any]) -> bytes:
        return encode(".webp", to_rgb8(image, self._bit_depth), quality=_QUALITY)


def _around(x: int, y: int, shape: tuple[int, int]) -> Box:
    """A square about a place, moved into the image; smaller where the image is."""
    height, width = (min(side, _CROP_SIDE) for side in shape)
    top = max(0, min(y - height // 2, shape[0] - height))
    left = max(0, min(x - width // 2, shape[1] - width))
    return left, top, width, height


def _cut(image: NDArray[Any], box: Box) -> NDArray[Any]:
    x, y, width, height = box
    return image[y : y + height, x : x + width]
