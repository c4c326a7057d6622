"""Figures of parts of a test set: a type of defect, whole parts, a value of an attribute."""

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pyimgano.errors import InvalidInputError
from pyimgano.reporting.estimates import AUROC, auroc_of, units_of
from pyimgano.reporting.image_result import ImageResult
from pyimgano.statistics import Estimate, mean_estimate

#: By what a test set can be parted.
BY = ("defect", "group", "attribute")
#: What the scores of a part's images make.
POOLS: dict[str, Callable[[list[float]], float]] = {
    "parts": max,
    "parts, mean of their images": statistics.fmean,
}


@dataclass(frozen=True)
class Subset:
    """Some images of a category, of each seed; the same ones for all.

    Attributes
    ----------
    by, name
        One of :data:`BY`; the defect, one of :data:`POOLS`, or ``attribute=value``.
    images
        Per seed.
    """

    by: str
    name: str
    images: list[list[ImageResult]]

    @property
    def keys(self) -> list[str]:
        """Figures that it has: the AUROC of images, and means of numbers per image."""
        per_image = dict.fromkeys(k for one in self.images for i in one for k in i.metrics)
        return [AUROC, *per_image]

    def estimate(self, key: str) -> Estimate | None:
        """A figure, the mean over seeds, and how it varies; None where it is undefined."""
        return mean_estimate([_estimate(one, key) for one in self.images])

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON; null where undefined."""
        found = {key: self.estimate(key) for key in self.keys}
        limits = {k: None if one is None else one.interval for k, one in found.items()}
        return {
            "by": self.by,
            "name": self.name,
            "n_images": len(self.images[0]),
            "metrics": {k: None if one is None else one.value for k, one in found.items()},
            "intervals": {k: list(i) for k, i in limits.items() if i is not None and i.known},
        }


def subsets(images: Sequence[Sequence[ImageResult]], by: Sequence[str]) -> Iterator[Subset]:
    """Parts of a category's test images, of which there is one list per seed.

    ``"defect"``: the images of each type of defect, with all good ones. ``"group"``: one row per
    part that several images show, anomalous and with the score of its most anomalous image.
    Another row has the mean score of its images in its place.
    ``"attribute"``: the images of each value of each attribute. Nothing where the set knows none.

    Raises
    ------
    InvalidInputError
        By something else.
    """
    for one in by:
        if one not in BY:
            raise InvalidInputError(f"a test set is parted by {', '.join(BY)}, not by {one!r}")
        first = images[0] if images else []
        if one == "group":
            if any(image.group is not None for image in first):
                for name, pool in POOLS.items():
                    yield Subset(one, name, [_parts(each, pool) for each in images])
            continue
        for name in _names(first, one):
            yield Subset(one, name, [[i for i in each if _is_in(i, one, name)] for each in images])


def _names(images: Sequence[ImageResult], by: str) -> list[str]:
    if by == "defect":
        return sorted({i.defect_type for i in images if i.label == 1 and i.defect_type})
    return sorted({f"{k}={v}" for i in images for k, v in i.attributes.items()})


def _is_in(image: ImageResult, by: str, name: str) -> bool:
    if by == "defect":
        return image.label == 0 or image.defect_type == name
    return name in {f"{k}={v}" for k, v in image.attributes.items()}


def _parts(
    images: Sequence[ImageResult], pool: Callable[[list[float]], float]
) -> list[ImageResult]:
    """One for each part; an image without a part stands for itself."""
    parts: dict[str, list[ImageResult]] = {}
    for image in images:
        name = f"image {image.path}" if image.group is None else f"part {image.group}"
        parts.setdefault(name, []).append(image)
    return [
        ImageResult(name, max(int(i.label or 0) for i in views), pool([i.score for i in views]))
        for name, views in parts.items()
    ]


def _estimate(images: Sequence[ImageResult], key: str) -> Estimate | None:
    if not images or any(image.label is None for image in images):
        return None
    units = units_of(images)
    if key == AUROC:
        return auroc_of(images, units)
    return Estimate.of_mean([image.metrics.get(key, math.nan) for image in images], units)
