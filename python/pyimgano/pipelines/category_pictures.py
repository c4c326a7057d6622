"""The pictures that a benchmark keeps of a category, and its raw maps."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.models.reading import Reading
from pyimgano.pipelines.scoring import Scored
from pyimgano.postprocess import RegionRule
from pyimgano.reporting.gallery import Gallery, gallery_folder
from pyimgano.reporting.map_files import MapFiles
from pyimgano.reporting.overlay import MapScale
from pyimgano.reporting.pictures import PictureWriter
from pyimgano.reporting.results import folder_name

#: Training images that give the colour scale of a detector that has none of its own.
_SCALE_IMAGES = 8


class Pictures:
    """The pictures of a category: small ones of all test images, large ones of a few.

    ``labels`` are None where they are unknown; their folders are called after category, number of
    training images and seed; ``n_large`` is as for
    :func:`~pyimgano.reporting.gallery.choose_images`, 0 for none. ``maps`` keeps the raw maps too,
    as ``"tiff"`` or ``"npy"``.
    """

    def __init__(
        self,
        detector: Any,
        train: Sequence[str],
        labels: Sequence[int] | None,
        root: str | os.PathLike[str],
        of: tuple[str, int | None],
        seed: int,
        n_large: int,
        maps: str | None = None,
    ) -> None:
        name = folder_name(*of)
        self._rule = RegionRule.of(detector)
        bits, scale = Reading.of(detector).bit_depth, _map_scale(detector, train)
        self._writer = PictureWriter(Path(root), f"{name}-seed{seed}", scale, bit_depth=bits)
        self._maps = None if maps is None else MapFiles(Path(root), f"{name}-seed{seed}", maps)
        self._gallery = None
        if n_large:
            self._gallery = Gallery(detector, Path(root, gallery_folder(name)), labels, n_large)

    def add(self, path: str, scored: Scored, mask: NDArray[np.uint8] | None) -> dict[str, str]:
        """Write the small pictures of the next image; returns their names by kind."""
        found = scored.prediction
        if self._gallery is not None:
            self._gallery.add(scored.image, found, mask)
        raw = found.anomaly_map
        heat, marked = raw, None
        if heat is not None:
            heat, marked = self._rule.applied(heat), self._rule.marked(found)
        names = self._writer.add(scored.image, heat, mask, marked)
        if self._maps is not None and raw is not None:
            names["map"] = self._maps.add(path, raw)
        return names

    def write_large(self) -> None:
        """Write the large ones, when all images were added."""
        if self._gallery is not None:
            self._gallery.write()


def _map_scale(detector: Any, train: Sequence[str]) -> MapScale:
    """The detector's own colour scale, or one taken from some of its training images."""
    rule = RegionRule.of(detector)
    if rule.map_level is not None:
        return MapScale.of(detector)
    step = max(1, len(train) // _SCALE_IMAGES)
    found = (p.anomaly_map for p in detector.iter_predict(train[::step][:_SCALE_IMAGES]))
    maps = (rule.applied(one) for one in found if one is not None)
    values = [(float(np.median(m)), float(m.max())) for m in maps]
    if not values:
        return MapScale.around(0.0, math.inf)
    middle, peak = np.median([v[0] for v in values]), max(v[1] for v in values)
    return MapScale.around(float(middle), peak)


def pictures_of(
    output: str | os.PathLike[str] | None,
    detector: Any,
    train: Sequence[str],
    labels: Sequence[int] | None,
    *given: Any,
) -> Pictures | None:
    """The pictures of a category, ``given`` the rest of what they take; None without a folder."""
    return None if output is None else Pictures(detector, train, labels, output, *given)
