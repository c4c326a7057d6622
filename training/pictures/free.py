"""Pictures inside installed packages whose licence is named and free."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import cv2

from training.pictures.picture import Picture

PUBLIC = "public domain"
CC0 = "CC0 1.0"
# (package, path inside it, licence as the package's own documentation names it)
FREE = (
    ("skimage", "data/astronaut.png", PUBLIC),
    ("skimage", "data/brick.png", CC0),
    ("skimage", "data/camera.png", CC0),
    ("skimage", "data/cell.png", CC0),
    ("skimage", "data/chelsea.png", CC0),
    ("skimage", "data/clock_motion.png", PUBLIC),
    ("skimage", "data/coffee.png", CC0),
    ("skimage", "data/grass.png", CC0),
    ("skimage", "data/gravel.png", CC0),
    ("skimage", "data/horse.png", CC0),
    ("skimage", "data/hubble_deep_field.jpg", PUBLIC),
    ("skimage", "data/microaneurysms.png", CC0),
    ("skimage", "data/retina.jpg", CC0),
    ("skimage", "data/rocket.jpg", PUBLIC),
    ("skimage", "data/text.png", PUBLIC),
    ("sklearn", "datasets/images/china.jpg", "CC BY 2.0, danielbuechele"),
    ("sklearn", "datasets/images/flower.jpg", "CC BY 2.0, vultilion"),
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", PUBLIC),
)


def free_pictures() -> Iterator[Picture]:
    """Those of ``FREE`` whose package is installed."""
    for package, inside, licence in FREE:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            continue
        path = Path(spec.origin).parent / inside
        if path.is_file() and (pixels := cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)) is not None:
            yield Picture(f"{package}/{inside}", "photo", pixels.astype("uint8"), licence)
