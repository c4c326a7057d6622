"""The good photos on a page: each by what was learnt from all others."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from pyimgano.errors import ImageReadError
from pyimgano.models.reading import Reading
from pyimgano.reporting.image_page import DEFAULT_IMAGES, ImagePage, Words

if TYPE_CHECKING:
    from pyimgano.models.base import Detector
    from pyimgano.models.good_photos import GoodPhotos

GOOD = Words(
    "The good photos", "held-out score", "above the threshold", "below the threshold", decides=True
)
SORTED = Words("The most suspicious images", decides=False)


def write_good_page(
    path: str | os.PathLike[str],
    good: GoodPhotos,
    detector: Detector,
    words: Words = GOOD,
    most: int = DEFAULT_IMAGES,
) -> None:
    """Write a page of all photos, with pictures of those to look at first."""
    page = ImagePage(path, detector, words, most=most)
    add_good(page, good, detector, group=0, most=most)
    page.write(good_lines(good, decides=words.decides))


def add_good(
    page: ImagePage, good: GoodPhotos, detector: Detector, *, group: int, most: int
) -> None:
    """Put all photos on a page, and pictures of ``most``: odd ones, unhealthy ones, high scores."""
    reading = Reading.of(detector)
    by_score = sorted(range(len(good.names)), key=lambda i: -_or_lowest(good.scores[i]))
    first = dict.fromkeys([*(photo.number for photo in good.odd), *good.unhealthy, *by_score])
    pictured = set(list(first)[:most])
    apart = {photo.number for photo in good.odd if photo.apart}
    twins = {name: group for group in good.twins for name in group}
    for i in first:
        name, told = good.names[i], list(good.unhealthy.get(i, ()))
        if i in apart:
            told.insert(0, "odd: its score stands apart from those of the others")
        if name in twins:
            others = [one for one in twins[name] if one != name]
            told.append(f"shown more than once: the same picture as {', '.join(others[:3])}")
        image = None
        if i in pictured:
            try:
                image = reading.read(name)
            except ImageReadError:  # an array, or a name with bytes that are no text
                image = None
        found = None if image is None else detector.held_out(i, image)
        page.add_other(name, good.scores[i], told, group, image, found)


def good_lines(good: GoodPhotos, *, decides: bool = True) -> list[str]:
    """What is to be known of all photos."""
    lines = []
    if decides and good.rate is not None:
        lines += [good.rate.describe(), good.rate.outlook()]
    return [*lines, *good.lines(), *good.notes]


def _or_lowest(score: float) -> float:
    return -math.inf if math.isnan(score) else score
