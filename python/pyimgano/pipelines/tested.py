"""The test images of one category, from one stream: each file and each mask is decoded once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.datasets.base import TestSplit
from pyimgano.errors import ImageReadError
from pyimgano.metrics.inputs import resize_map, resize_mask
from pyimgano.models.reading import Reading
from pyimgano.pipelines.learnt import is_learnt
from pyimgano.pipelines.scoring import Scored, predict_stream
from pyimgano.postprocess import RegionRule
from pyimgano.reporting.gallery import Gallery, gallery_folder
from pyimgano.reporting.overlay import MapScale
from pyimgano.reporting.pictures import PictureWriter
from pyimgano.types import Prediction, Unreadable
from pyimgano.utils.text import shown
from pyimgano.utils.timing import StageTimer

#: Training images that give the colour scale of a detector that has none of its own.
_SCALE_IMAGES = 8


class Pictures:
    """The pictures of a category: small ones of all test images, large ones of a few.

    ``labels`` are None where they are unknown; ``names`` are what the large and the small ones are
    called after; ``n_large`` is as for :func:`~pyimgano.reporting.gallery.choose_images`, 0 for
    none.
    """

    def __init__(
        self,
        detector: Any,
        train: Sequence[str],
        labels: Sequence[int] | None,
        root: Path,
        names: tuple[str, str],
        n_large: int,
    ) -> None:
        self._rule = RegionRule.of(detector)
        bits, scale = Reading.of(detector).bit_depth, _map_scale(detector, train)
        self._writer = PictureWriter(root, names[1], scale, bit_depth=bits)
        self._gallery = None
        if n_large:
            self._gallery = Gallery(detector, root / gallery_folder(names[0]), labels, n_large)

    def add(self, scored: Scored, mask: NDArray[np.uint8] | None) -> dict[str, str]:
        """Write the small pictures of the next image; returns their names by kind."""
        found = scored.prediction
        if self._gallery is not None:
            self._gallery.add(scored.image, found, mask)
        heat, marked = found.anomaly_map, None
        if heat is not None:
            heat, marked = self._rule.applied(heat), self._rule.marked(found)
        return self._writer.add(scored.image, heat, mask, marked)

    def write_large(self) -> None:
        """Write the large ones, when all images were added."""
        if self._gallery is not None:
            self._gallery.write()


@dataclass
class Tested:
    """What the test images of a category gave, in order."""

    predictions: list[Prediction] = field(default_factory=list)  #: Without maps.
    #: At the size of the metrics; empty unless metrics need them, as the maps.
    masks: list[NDArray[np.uint8]] = field(default_factory=list)
    #: Empty also for a detector without maps.
    maps: list[NDArray[np.float32]] = field(default_factory=list)
    #: Names of the small ones by kind; empty without pictures.
    pictures: list[dict[str, str]] = field(default_factory=list)
    #: Images without a known defect that the detector has learnt from.
    learnt: list[str] = field(default_factory=list)
    unmarked: list[str] = field(default_factory=list)  #: Defect images whose mask marks nothing.
    seconds: float = 0.0  #: Of decoding and scoring.


def run_tests(
    detector: Any,
    split: TestSplit,
    *,
    timer: StageTimer,
    advance: Callable[[], object],
    pictures: Pictures | None = None,
    with_pixels: bool = True,
    metric_size: int | None = None,
) -> Tested:
    """Score the test images of a category; an error names the file at fault.

    The timer gets the seconds of reading, of masks and of pictures; ``advance`` is called after
    each image; ``metric_size`` is the side of masks and maps that metrics need, None for native.
    """
    tested = Tested()
    seconds = timer.seconds
    stream = predict_stream(detector, split.paths, batch_size=getattr(detector, "batch_size", 1))
    start, aside = time.perf_counter(), 0.0
    with closing(stream):
        for number, one in enumerate(stream):
            if isinstance(one, Unreadable):
                raise ImageReadError(one.reason)
            arrived = time.perf_counter()
            seconds["decode"] = seconds.get("decode", 0.0) + one.decode_ms / 1000
            mask, label = None, None if split.labels is None else int(split.labels[number])
            if split.masks is not None and (with_pixels or pictures is not None):
                with timer.stage("decode masks"):
                    mask = split.masks.read(number, one.image.shape[:2])
            if mask is not None and with_pixels:
                tested.masks.append(resize_mask(mask, metric_size))
                if one.prediction.anomaly_map is not None:
                    tested.maps.append(resize_map(one.prediction.anomaly_map, metric_size))
                if label and not mask.any():
                    tested.unmarked.append(shown(split.paths[number]))
            if not label and is_learnt(detector, one.image):
                tested.learnt.append(split.paths[number])
            if pictures is not None:
                with timer.stage("pictures"):
                    tested.pictures.append(pictures.add(one, mask))
            tested.predictions.append(replace(one.prediction, anomaly_map=None))
            advance()
            aside += time.perf_counter() - arrived
    tested.seconds = time.perf_counter() - start - aside
    if pictures is not None:
        with timer.stage("overlays"):
            pictures.write_large()
    return tested


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
