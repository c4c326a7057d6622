from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from pyimgano.images.reading import read_image
from pyimgano.reporting.overlay import MapScale, heat_layer, heat_overlay, thumbnail_size
from pyimgano.reporting.pictures import PictureWriter
from tests.conftest import texture, write_image


def test_pictures_are_small_and_keep_the_thinnest_defect(tmp_path: Path) -> None:
    source = write_image(tmp_path / "a.png", np.full((600, 1200, 3), 90, np.uint8))
    mask = np.zeros((600, 1200), np.uint8)
    mask[300, 700] = 1
    heat = np.zeros((600, 1200), np.float32)
    heat[200:400, 600:800] = 1
    writer = PictureWriter(tmp_path, "c", MapScale(0.0, 0.5))
    names = writer.add(read_image(source), heat, mask, heat > 0.5)
    assert names == {
        "image": "pictures/c/0000-image.webp",
        "heat": "pictures/c/0000-heat.webp",
        "mask": "pictures/c/0000-mask.png",
    }
    image, layer, small = (cv2.imread(str(tmp_path / names[k]), -1) for k in names)
    assert image.shape == (144, 288, 3)
    assert abs(int(image[70, 140, 0]) - 90) <= 2
    assert layer.shape == (80, 160, 4)
    assert layer[40, 93, 3] > 150
    assert layer[5, 5, 3] == 0
    assert small.shape == (144, 288)
    assert np.argwhere(small).tolist() == [[72, 168]]
    assert writer.add(read_image(source), None, None) == {"image": "pictures/c/0001-image.webp"}


def test_small_images_are_not_enlarged() -> None:
    assert thumbnail_size((48, 64), 288) == (48, 64)
    assert thumbnail_size((1000, 2), 288) == (288, 1)


def test_the_layer_over_the_image_is_the_overlay() -> None:
    rng = np.random.default_rng(0)
    picture = texture(0)
    heat = cv2.GaussianBlur(rng.uniform(0, 1, (48, 64)).astype(np.float32), (0, 0), 3)
    scale = MapScale(float(heat.min()), float(np.median(heat)))
    marked = heat > scale.threshold
    layer = heat_layer(heat, scale, marked).astype(np.float32)
    alpha = layer[..., 3:] / 255
    blended = picture * (1 - alpha) + layer[..., :3] * alpha
    assert np.abs(blended - heat_overlay(picture, heat, scale, marked)).max() <= 2.5
