"""Images whose labels are known, scored once for all that a calibration asks of them."""

from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError
from pyimgano.images.health_range import HealthTally
from pyimgano.images.reading import join_errors
from pyimgano.images.twins import group_twins, thumbnail_of
from pyimgano.models.base import Detector, PixelDetector
from pyimgano.models.pixel_threshold import GoodMaps
from pyimgano.pipelines.scoring import is_learnt, predict_stream
from pyimgano.postprocess import RegionRule
from pyimgano.types import Unreadable
from pyimgano.utils.progress import track


@dataclass(frozen=True)
class Labelled:
    """What was found on each image, in order; no map values for a detector without maps."""

    scores: NDArray[np.float64]
    peaks: NDArray[np.float64] | None
    learnt: NDArray[np.bool_]
    groups: NDArray[np.int64]
    health: HealthTally


def score_labelled(
    detector: Detector, paths: list[str], n_good: int, maps: GoodMaps | None, verbose: bool
) -> Labelled:
    """Score images in order; ``maps``, if it is there, gets those of the first ``n_good``.

    An ImageReadError names every file that cannot be used.
    """
    with_maps = isinstance(detector, PixelDetector)
    scores, peaks, learnt, thumbnails = [], [], [], []
    rule = RegionRule.of(detector)
    errors: list[ImageReadError] = []
    health = HealthTally()
    stream = predict_stream(detector, paths, with_maps=with_maps)
    with closing(stream), track(len(paths), "scoring", verbose) as advance:
        for found in stream:
            advance()
            if isinstance(found, Unreadable):
                errors.append(ImageReadError(found.reason))
                continue
            scores.append(found.prediction.score)
            health.add(found.prediction.warnings)
            learnt.append(is_learnt(detector, found.image))
            thumbnails.append(thumbnail_of(found.image))
            if found.prediction.anomaly_map is not None:
                peaks.append(float(rule.applied(found.prediction.anomaly_map).max()))
                if maps is not None and len(scores) <= n_good:
                    maps.add(found.prediction.anomaly_map)
    if errors:
        raise join_errors(errors, len(paths))
    groups = group_twins([one.tobytes() for one in thumbnails], np.array(thumbnails))
    return Labelled(
        np.array(scores),
        np.array(peaks) if len(peaks) == len(scores) else None,
        np.array(learnt, dtype=bool),
        groups,
        health,
    )
