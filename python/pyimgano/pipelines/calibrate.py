"""Set a fitted detector's threshold by images whose labels are known."""

import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pyimgano.calibration.threshold import OBJECTIVES, fit_threshold
from pyimgano.errors import (
    DatasetError,
    InvalidInputError,
    RepeatedImageWarning,
    ThresholdWarning,
)
from pyimgano.images.left_out import LeftOut
from pyimgano.images.sources import Sources, gather_images
from pyimgano.models.base import Detector, PixelDetector
from pyimgano.models.pixel_threshold import GoodMaps, PixelThreshold
from pyimgano.models.threshold import DEFAULT_TARGET, FalsePositiveRate, held_out_threshold
from pyimgano.models.training_images import each_once
from pyimgano.pipelines.labelled import score_labelled
from pyimgano.pipelines.scoring import say_learnt
from pyimgano.postprocess import AnomalyMapPostprocess
from pyimgano.registry import unknown_name
from pyimgano.utils.notes import noting
from pyimgano.utils.text import shown


@dataclass(frozen=True)
class Operating:
    """A threshold and what it does to the labelled images.

    Attributes
    ----------
    n_false_alarms, n_normal, n_found, n_anomalous
        Normal images above it, and all; anomalous images above it, and all.
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
    source, false_positive_rate
        Where the new threshold comes from, as the detector says it, and what is known of its
        false-positive rate; None if it was tuned on the normal images.
    notes, left_out
        Warnings, and how many of the images are unlike those that were learnt from; files and
        folders that were left out.
    pixel_threshold
        The new one; None if none was asked for.
    """

    before: Operating
    after: Operating
    source: str
    false_positive_rate: FalsePositiveRate | None
    notes: list[str]
    left_out: LeftOut
    pixel_threshold: PixelThreshold | None = None


def run_calibrate(
    detector: Detector,
    normal: Sources = (),
    anomalous: Sources = (),
    *,
    objective: str | None = None,
    target: float | None = None,
    threshold: float | None = None,
    postprocess: str | None = None,
    false_pixels: float | None = None,
    false_regions: float | None = None,
    strict: bool = False,
    verbose: bool = False,
) -> Calibration:
    """Score labelled images and set the detector's threshold by them.

    The level of its maps, ``map_threshold_``, moves along: the maps of as many normal images exceed
    it, after the post-processing that is attached, as are above the new threshold.

    Parameters
    ----------
    detector
        Fitted; its threshold is changed.
    normal, anomalous
        As for :func:`~pyimgano.images.sources.stream_images`; images that the detector has not
        learnt from.
    objective
        ``"fpr"``: :func:`~pyimgano.models.threshold.held_out_threshold` of the normal images at the
        rate ``target``; anomalous ones are only counted. ``"f1"``, ``"youden"``, ``"recall"``:
        :func:`~pyimgano.calibration.fit_threshold`. None: ``"f1"`` with anomalous images and
        without a target, else ``"fpr"``.
    target
        A rate for ``"fpr"`` (default 0.1, as in fit) and ``"recall"``.
    threshold
        The threshold itself; images, if any, only show what it does.
    postprocess
        Steps to attach, as for :func:`attach_postprocess`. A component filter without a threshold
        takes the level that the maps have afterwards, which is found without that filter.
    false_pixels, false_regions
        One of the two: the target of a :class:`~pyimgano.models.pixel_threshold.PixelThreshold`
        from the normal images, which is set beside the threshold.
    strict, verbose
        Raise if a file or folder is left out that somebody could miss; show a progress bar.

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
    asks_pixels = _check_pixel_request(detector, normal, false_pixels, false_regions)
    with noting(ThresholdWarning) as dropped:
        by_level = postprocess is not None and _attach_without_filter(detector, postprocess)
    maps = None
    if asks_pixels:
        dropped = []  # another takes its place
        maps = GoodMaps(false_pixels, false_regions, cast(PixelDetector, detector).postprocess_)
    good_paths, bad_paths, left_out, notes = _gather(normal, anomalous, strict)
    objective = _check_request(good_paths, bad_paths, objective, target, threshold)
    paths, n = [*good_paths, *bad_paths], len(good_paths)
    scored = score_labelled(detector, paths, n, maps, verbose)
    notes += say_learnt(
        [paths[i] for i in np.flatnonzero(scored.learnt)], len(paths), "good ones are not counted"
    )
    used = np.flatnonzero(~scored.learnt[:n])
    if objective is not None and not len(used):
        raise InvalidInputError(
            "calibration needs normal images that the detector has not learnt from, and has learnt"
            f" all {n}"
        )
    good, bad = scored.scores[used], scored.scores[n:]
    before = _operating(float(detector.threshold_), good, bad)
    value, rate, source = threshold, None, "set by hand"
    with noting(ThresholdWarning) as warned:
        if value is None:
            assert objective is not None
            groups = scored.groups[used]
            value, rate, what = _choose(good, groups, bad, objective, target)
            source = f"calibrated on {len(good)} normal and {len(bad)} anomalous images: {what}"
            if seen := _looks_seen(detector, good):
                warnings.warn(seen, ThresholdWarning, stacklevel=2)
        pixels = None
        if maps is not None:
            pixels = maps.threshold(groups=scored.groups, used=used, of="normal")
        detector.set_threshold(value, source=source, false_positive_rate=rate)
        after = _operating(float(detector.threshold_), good, bad)
        if len(good) and scored.peaks is not None and hasattr(detector, "map_threshold_"):
            _set_map_level(detector, _map_level(scored.peaks[used], after))
        if postprocess is not None and by_level:
            attach_postprocess(detector, postprocess)
            if pixels is not None:  # the filter only takes away, and leaves 0
                pixels = replace(pixels, value=max(pixels.value, 0.0))
    if pixels is not None:
        detector.pixel_threshold_ = pixels
    all_notes = [*notes, *dropped, *warned, *_say_extreme(after), *scored.health.lines()]
    return Calibration(before, after, source, rate, all_notes, left_out, pixels)


def _gather(
    normal: Sources, anomalous: Sources, strict: bool
) -> tuple[Sequence[str], Sequence[str], LeftOut, list[str]]:
    """The paths of both lists, what was left out, and notes."""
    with LeftOut.counted(strict) as left_out, noting(RepeatedImageWarning) as notes:
        # Each file once: one that counts twice would make the rate look better known than it is.
        good_paths = each_once(gather_images(normal, left_out=left_out), "normal")
        bad_paths = each_once(gather_images(anomalous, left_out=left_out), "anomalous")
    both = set(map(os.path.realpath, good_paths)) & set(map(os.path.realpath, bad_paths))
    if both:
        raise DatasetError(f"{len(both)} images are in both lists, such as {shown(min(both))}")
    return good_paths, bad_paths, left_out, notes


def _check_pixel_request(
    detector: Detector, normal: Sources, false_pixels: float | None, false_regions: float | None
) -> bool:
    """Whether a pixel threshold is asked for; refused before anything is scored if none can be."""
    if (false_pixels, false_regions) == (None, None):
        return False
    GoodMaps(false_pixels, false_regions, None)
    if not isinstance(detector, PixelDetector):
        raise InvalidInputError(
            f"{type(detector).__name__} has no maps: it can have no pixel threshold"
        )
    if isinstance(normal, Sequence) and not normal:
        raise InvalidInputError("a pixel threshold needs normal images")
    return True


def attach_postprocess(detector: Detector, steps: str) -> str:
    """Attach post-processing to a fitted detector, and say in words which.

    Parameters
    ----------
    steps
        As for :meth:`~pyimgano.postprocess.AnomalyMapPostprocess.parse`; a component filter without
        a threshold takes the level of the detector's maps. ``"none"``: maps are taken as they are.

    Raises
    ------
    InvalidInputError
        The detector has no maps, or a step is impossible, which is named.
    """
    if not isinstance(detector, PixelDetector):
        raise InvalidInputError(f"{type(detector).__name__} has no maps to post-process")
    if steps == "none":
        detector.set_postprocess(None)
        return steps
    level = getattr(detector, "map_threshold_", math.inf)
    known = level if math.isfinite(level) else None
    postprocess = AnomalyMapPostprocess.parse(steps, component_threshold=known)
    detector.set_postprocess(postprocess)
    return postprocess.describe()


def _attach_without_filter(detector: Detector, steps: str) -> bool:
    """Attach all steps but a component filter that goes by the level of the maps, if it is one."""
    attach_postprocess(detector, steps)
    attached: AnomalyMapPostprocess | None = getattr(detector, "postprocess_", None)
    if attached is None or attached.component_threshold is None or "component_threshold" in steps:
        return False
    none: Any = {"component_threshold": None, "min_component_area": 0, "min_component_score": None}
    cast(PixelDetector, detector).set_postprocess(replace(attached, **none))
    return True


def _check_request(
    good: Sequence[str],
    bad: Sequence[str],
    objective: str | None,
    target: float | None,
    threshold: float | None,
) -> str | None:
    """The objective; None where the threshold itself is given."""
    if threshold is not None:
        if objective is not None or target is not None:
            raise InvalidInputError("threshold excludes objective and target")
        if math.isnan(threshold):
            raise InvalidInputError("the threshold is NaN")
        return None
    if not good:
        raise InvalidInputError("calibration needs normal images")
    if objective is None:
        objective = "f1" if bad and target is None else "fpr"
    if objective not in OBJECTIVES:
        raise unknown_name("objective", objective, OBJECTIVES)
    if objective == "fpr" and target is not None and not 0.0 < target < 1.0:
        raise InvalidInputError(f"target must be above 0 and below 1, got {target}")
    if objective != "fpr" and not bad:
        raise InvalidInputError(f"objective {objective!r} needs anomalous images")
    return objective


def _choose(
    good: NDArray[np.float64],
    groups: NDArray[np.int64],
    bad: NDArray[np.float64],
    objective: str,
    target: float | None,
) -> tuple[float, FalsePositiveRate | None, str]:
    """The threshold, what is known of its rate, and what it is in words."""
    if objective == "fpr":
        wanted = DEFAULT_TARGET if target is None else target
        found = held_out_threshold(good, wanted, groups=groups, of="normal", stacklevel=2)
        what = f"target false-positive rate {wanted:g}"
        if found.rate.n < len(good):
            what += f"; only {found.rate.n} of the normal ones show a picture of their own"
        return found.value, found.rate, what
    what = f"best {objective}" if target is None else f"{objective} of {target:g}"
    return fit_threshold(good, bad, objective, target=target), None, what


def _say_extreme(after: Operating) -> list[str]:
    """What a threshold means that parts nothing: the table shows numbers only."""
    if math.isinf(after.threshold):
        every = "nothing" if after.threshold > 0 else "everything"
        return [f"the threshold is {after.threshold:g}: {every} will be flagged"]
    n = after.n_normal + after.n_anomalous
    flags_all = n > 0 and after.n_false_alarms + after.n_found == n
    return ["the threshold flags all of these images"] if flags_all else []


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


def _set_map_level(detector: Any, level: float) -> None:
    """Set the level of the maps by one of the maps that are decided by."""
    postprocess = detector.postprocess_
    if postprocess is not None:
        if postprocess.component_threshold is not None:  # all that is left is above it
            level = max(level, postprocess.component_threshold)
        level = postprocess.raw_level(level)
    detector.map_threshold_ = level


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
