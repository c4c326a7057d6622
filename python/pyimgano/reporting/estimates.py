"""Figures of a category as estimates: what they vary by is in its images and its resamples."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.reporting.image_result import ImageResult
from pyimgano.statistics import Estimate, Units
from pyimgano.statistics.units import digest

#: The figure that has a closed form.
AUROC = "auroc"
#: A figure that images or resamples give differently by more than this is not theirs.
_SAME = 1e-6


def resampling_of(
    weights: NDArray[np.float64], figures: Mapping[str, NDArray[np.float64]]
) -> dict[str, Any]:
    """Resampled figures as plain data: their number, what they were drawn by, and each key's
    figures as base64 of little-endian float32."""
    return {
        "n": len(weights),
        "digest": digest(weights),
        "figures": {
            key: base64.b64encode(numbers.astype("<f4").tobytes()).decode("ascii")
            for key, numbers in figures.items()
        },
    }


def estimate_of(
    images: Sequence[ImageResult],
    metrics: Mapping[str, float],
    resampling: Mapping[str, Any],
    key: str,
) -> Estimate | None:
    """A figure and how it varies; None where that is not known.

    An AUROC of images has a closed form, and so has a mean of numbers per image; others vary as
    their resamples do, if the run made some.
    """
    value = metrics.get(key)
    if value is None or math.isnan(value) or not images or any(i.label is None for i in images):
        return None
    units = units_of(images)
    found = None
    if key == AUROC:
        found = auroc_of(images, units)
    elif any(key in image.metrics for image in images):
        found = Estimate.of_mean([i.metrics.get(key, math.nan) for i in images], units)
    if found is not None and abs(found.value - value) <= _SAME * max(1.0, abs(value)):
        return found
    if key in (figures := resampling.get("figures", {})):
        return Estimate.of_resampled(value, _decoded(figures[key]), units)
    return None


def units_of(images: Sequence[ImageResult]) -> Units:
    """What the images were drawn in."""
    return Units.of([int(i.label or 0) for i in images], [i.group for i in images])


def auroc_of(images: Sequence[ImageResult], units: Units) -> Estimate | None:
    """The AUROC of their scores; None where a class is missing."""
    labels = np.array([i.label for i in images], np.int64)
    return Estimate.of_auroc(labels, [i.score for i in images], units)


def _decoded(text: str) -> NDArray[np.float64]:
    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float64)
