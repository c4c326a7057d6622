"""Pictures as files, and the small ones of every test image, written while it is scored."""

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import OutputError
from pyimgano.images.geometry import resize_image
from pyimgano.reporting.files import make_folder, write_bytes
from pyimgano.reporting.overlay import MapScale, fit_mask, heat_layer, thumbnail_size, to_rgb8

#: Longest side of image and mask, and of the heat map, which is smooth; WebP quality.
SIDE, HEAT_SIDE, QUALITY = 288, 160, 80


def encode(suffix: str, picture: NDArray[np.uint8], *, quality: int | None = None) -> bytes:
    """A grey, RGB or RGBA picture as the bytes of an image file."""
    if picture.ndim == 3:
        swap = cv2.COLOR_RGB2BGR if picture.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
        picture = np.asarray(cv2.cvtColor(picture, swap), dtype=np.uint8)
    options = {
        # OpenCV's defaults only pack runs: twice the size. One filter takes half the time of all.
        ".png": [
            *(cv2.IMWRITE_PNG_COMPRESSION, 1),
            *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG),
        ],
        ".webp": [] if quality is None else [cv2.IMWRITE_WEBP_QUALITY, quality],
    }[suffix]
    ok, data = cv2.imencode(suffix, picture, options)
    if not ok:
        raise OutputError(f"cannot encode a picture of shape {picture.shape} as {suffix}")
    return bytes(data.tobytes())


def write_png(path: str | os.PathLike[str], picture: NDArray[np.uint8]) -> None:
    """Write a grey or RGB picture; the file name may hold any character."""
    write_bytes(path, encode(".png", picture))


class PictureWriter:
    """Writes image, heat map and mask of one test image after the other; keeps none in memory.

    They go to ``<root>/pictures/<name>``; the names handed out are relative to ``root``.
    """

    def __init__(
        self, root: Path, name: str, scale: MapScale, *, bit_depth: int | None = None
    ) -> None:
        self._root = root
        self._folder = make_folder(root / "pictures" / name)
        self._scale = scale
        self._bit_depth = bit_depth
        self._count = 0

    def add(
        self,
        image: NDArray[Any],
        anomaly_map: NDArray[np.float32] | None,
        mask: NDArray[np.uint8] | None = None,
        marked: NDArray[Any] | None = None,
    ) -> dict[str, str]:
        """Write the pictures of one image; returns their names by kind.

        ``image`` is the decoded file, ``marked`` are the pixels of its defect regions, as
        :func:`heat_layer` takes them.
        """
        shown = to_rgb8(image, self._bit_depth)
        size = thumbnail_size(image.shape, SIDE)
        files = {"image": (".webp", encode(".webp", resize_image(shown, size), quality=QUALITY))}
        if anomaly_map is not None:
            heat_size = thumbnail_size(image.shape, HEAT_SIDE)
            small = np.asarray(resize_image(anomaly_map, heat_size), dtype=np.float32)
            outlined = None if marked is None else fit_mask(marked, heat_size)
            heat = heat_layer(small, self._scale, outlined)
            files["heat"] = (".webp", encode(".webp", heat, quality=QUALITY))
        if mask is not None and mask.any():
            files["mask"] = (".png", encode(".png", fit_mask(mask, size)))
        names = {}
        for kind, (suffix, data) in files.items():
            target = self._folder / f"{self._count:04d}-{kind}{suffix}"
            write_bytes(target, data)
            names[kind] = target.relative_to(self._root).as_posix()
        self._count += 1
        return names
