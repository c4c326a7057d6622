"""Thresholds from the validation images of a set that has some."""

from typing import Any

from pyimgano.datasets import Dataset
from pyimgano.models.base import Detector
from pyimgano.models.threshold import DEFAULT_TARGET, FalsePositiveRate
from pyimgano.pipelines.calibrate import run_calibrate


def calibrate_on_validation(detector: Any, dataset: Dataset) -> list[str]:
    """Set a fitted detector's threshold by the good validation images, and say so in notes.

    Its own rate is aimed at. Where the images are too few to show that rate, or there are none, the
    threshold stays that of the training images, without a note. A DatasetError tells that the split
    cannot be read.
    """
    paths = [one.path for one in dataset.samples("validation") if one.label == 0]
    target = float(getattr(detector, "contamination", DEFAULT_TARGET))
    if not isinstance(detector, Detector) or not FalsePositiveRate(target, len(paths)).attainable:
        return []
    pixels: dict[str, Any] = {
        key: getattr(detector, key, None) for key in ("false_pixels", "false_regions")
    }
    found = run_calibrate(detector, paths, objective="fpr", target=target, **pixels)
    return [
        f"thresholds are those of {len(paths)} validation images",
        *(f"validation: {note}" for note in found.notes),
    ]
