"""Set a fitted detector's threshold by images whose labels are known."""

from __future__ import annotations

import math
import os
import warnings
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.calibration.threshold import OBJECTIVES, fit_threshold
from pyimgano.datasets.left_out import LeftOut
from pyimgano.datasets.sources import Sources, gather_images
from pyimgano.errors import (
    DatasetError,
    ImageReadError,
    InvalidInputError,
    RepeatedImageWarning,
    ThresholdWarning,
)
from pyimgano.models.base import Detector, PixelDetector, each_once
from pyimgano.models.threshold import FalsePositiveRate, conformal_threshold
from pyimgano.pipelines.scoring import predict_stream
from pyimgano.registry import unknown_name
from pyimgano.types import Unreadable
from pyimgano.utils.health_tally import HealthTally
from pyimgano.utils.images import join_errors, shown
from pyimgano.utils.notes import noting
from pyimgano.utils.progress import track

#: False-positive rate aimed at by default.
DEFAULT_TARGET = 0.01


@dataclass(frozen=True)
class Operating:
    """A threshold and what it does to the labelled images.

    Attributes
    ----------
    threshold
        The threshold.
    n_false_alarms, n_normal
        Normal images above it, and all.
    n_found, n_anomalous
        Anomalous images above it, and all.
    """

    threshold: float
    n_false_alarms: int
    n_normal: int
    n_found: int
    n_anomalous: int


@dataclass(frozen=True)
class Calibration:
    """What a calibration changed.

    Attributes
    ----------
    before, after
        The old and the new threshold on the same images.
    source
        Where the new threshold comes from, as the detector says it.
    false_positive_rate
        What is known of its false-positive rate; None if it was tuned on the normal images.
    notes
        Warnings, and how many of the images are unlike those that were learnt from.
    left_out
        Files and folders that were left out.
    """

    before: Operating
    after: Operating
    source: str
    false_positive_rate: FalsePositiveRate | None
    notes: list[str]
    left_out: LeftOut


def run_calibrate(
    detector: Detector,
    normal: Sources,
    anomalous: Sources = (),
    *,
    objective: str | None = None,
    target: float | None = None,
    strict: bool = False,
    verbose: bool = False,
) -> Calibration:
    """Score labelled images and set the detector's threshold by them.

    The level of its maps, ``map_threshold_``, moves along: the maps of as many normal images exceed
    it as are above the new threshold.

    Parameters
    ----------
    detector
        Fitted; its threshold is changed.
    normal, anomalous
        As for :func:`~pyimgano.datasets.sources.stream_images`; images that the detector has not
        learnt from.
    objective
        ``"fpr"``: :func:`~pyimgano.models.threshold.conformal_threshold` of the normal images at
        the rate ``target``; anomalous ones are only counted. ``"f1"``, ``"youden"``, ``"recall"``:
        :func:`~pyimgano.calibration.fit_threshold`. None: ``"f1"`` with anomalous images and
        without a target, else ``"fpr"``.
    target
        A rate for ``"fpr"`` (default 0.01) and ``"recall"``.
    strict
        Raise if a file or folder is left out that somebody could miss.
    verbose
        Progress bar.

    Raises
    ------
    ImageReadError
        Names every file that cannot be used.
    DatasetError
        A source has no images, or a file is in both lists; or, with ``strict``, something was left
        out.
    InvalidInputError
        Objective and images or target do not go together.
    """
    left_out = LeftOut()
    with noting(RepeatedImageWarning) as repeats:
        # Each file once: one that counts twice would make the rate look better known than it is.
        normal_paths = each_once(gather_images(normal, left_out=left_out), "normal")
        anomalous_paths = each_once(gather_images(anomalous, left_out=left_out), "anomalous")
    if strict:
        left_out.check()
    both = set(map(os.path.realpath, normal_paths)) & set(map(os.path.realpath, anomalous_paths))
    if both:
        raise DatasetError(f"{len(both)} images are in both lists, such as {shown(min(both))}")
    if not normal_paths:
        raise InvalidInputError("calibration needs normal images")
    if objective is None:
        objective = "f1" if anomalous_paths and target is None else "fpr"
    if objective == "fpr" and target is not None and not 0.0 < target < 1.0:
        raise InvalidInputError(f"target must be above 0 and below 1, got {target}")
    if objective not in OBJECTIVES:
        raise unknown_name("objective", objective, OBJECTIVES)
    if objective != "fpr" and not anomalous_paths:
        raise InvalidInputError(f"objective {objective!r} needs anomalous images")
    health = HealthTally()
    scores, peaks = _score(detector, [*normal_paths, *anomalous_paths], verbose, health)
    n = len(normal_paths)
    good, bad = scores[:n], scores[n:]
    before = _operating(float(detector.threshold_), good, bad)
    rate = None
    with noting(ThresholdWarning) as notes:
        if objective == "fpr":
            rate = FalsePositiveRate(DEFAULT_TARGET if target is None else target, n)
            threshold = conformal_threshold(good, rate.target, of="normal")
            what = f"target false-positive rate {rate.target:g}"
        else:
            threshold = fit_threshold(good, bad, objective, target=target)
            what = f"best {objective}" if target is None else f"{objective} of {target:g}"
        seen = _looks_seen(detector, good)
        if seen:
            warnings.warn(seen, ThresholdWarning, stacklevel=2)
    source = f"calibrated on {n} normal and {len(bad)} anomalous images: {what}"
    detector.set_threshold(threshold, source=source, false_positive_rate=rate)
    after = _operating(float(detector.threshold_), good, bad)
    if peaks is not None and hasattr(detector, "map_threshold_"):
        detector.map_threshold_ = _map_level(peaks[:n], after)
    all_notes = [*repeats, *notes, *health.lines()]
    return Calibration(before, after, source, rate, all_notes, left_out)


def _score(
    detector: Detector, paths: list[str], verbose: bool, health: HealthTally
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Score and highest map value of each image; no values for a detector without maps."""
    with_maps = isinstance(detector, PixelDetector)
    scores, peaks = [], []
    errors: list[ImageReadError] = []
    stream = predict_stream(detector, paths, with_maps=with_maps)
    with closing(stream), track(len(paths), "scoring", verbose) as advance:
        for found in stream:
            advance()
            if isinstance(found, Unreadable):
                errors.append(ImageReadError(found.reason))
                continue
            scores.append(found.prediction.score)
            health.add(found.prediction.warnings)
            if found.prediction.anomaly_map is not None:
                peaks.append(float(found.prediction.anomaly_map.max()))
    if errors:
        raise join_errors(errors, len(paths))
    return np.array(scores), np.array(peaks) if len(peaks) == len(scores) else None


def _operating(threshold: float, good: NDArray[np.float64], bad: NDArray[np.float64]) -> Operating:
    return Operating(
        threshold, int((good > threshold).sum()), len(good), int((bad > threshold).sum()), len(bad)
    )


def _map_level(peaks: NDArray[np.float64], after: Operating) -> float:
    """The level that as many maps of normal images exceed as images are above the threshold."""
    if math.isinf(after.threshold):
        return math.inf
    ordered = np.sort(peaks)
    rank = len(ordered) - after.n_false_alarms
    return float(ordered[rank - 1]) if rank else float(np.nextafter(ordered[0], -np.inf))


def _looks_seen(detector: Any, good: NDArray[np.float64]) -> str | None:
    """A warning if the scores are those of images that were learnt from.

    An image that is in the memory bank lies nearer to it than any that was held out: half of
    further normal images score above the median of the held-out scores.
    """
    held_out = detector.decision_scores_
    if len(held_out) < 2 or not np.isfinite(held_out).all() or len(good) < 5:
        return None
    lowest = float(held_out.min())
    n_low = int((good < lowest).sum())
    if 2 * n_low <= len(good):
        return None
    return (
        f"{n_low} of {len(good)} normal images score below every training image that was held out:"
        " they look like images that the detector has learnt from; the threshold is then too low"
    )
