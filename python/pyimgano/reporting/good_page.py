"""One self-contained HTML page about the good photos."""

from __future__ import annotations

import base64
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError
from pyimgano.images.geometry import resize_image
from pyimgano.models.reading import Reading
from pyimgano.postprocess import RegionRule
from pyimgano.reporting.files import write_bytes
from pyimgano.reporting.html_page import asset, escape, fill
from pyimgano.reporting.lettering import legend
from pyimgano.reporting.overlay import MapScale, heat_overlay, thumbnail_size, to_rgb8
from pyimgano.reporting.pictures import encode

if TYPE_CHECKING:
    from pyimgano.models.base import Detector
    from pyimgano.models.good_photos import GoodPhotos

_SIDE, _QUALITY = 360, 82
#: Pictures of twins and of photos that were taken unlike the others, of each at most.
_MOST = 24


@dataclass(frozen=True)
class Words:
    """What a page says that differs from command to command."""

    title: str
    scored: str  #: How each photo was scored.
    first: str  #: Which photos come first.
    decides: bool  #: Whether photos are good up to a threshold.


GOOD = Words(
    "The good photos",
    "each scored by a detector that learnt from all others",
    "The highest scores among the good photos.",
    decides=True,
)
SORTED = Words(
    "The most suspicious images",
    "each compared with all others, the most suspicious first",
    "The images that are least like the others.",
    decides=False,
)


def write_good_page(
    path: str | os.PathLike[str], good: GoodPhotos, detector: Detector, words: Words = GOOD
) -> None:
    """Write the page: photos to look at with their heat maps, equal ones, all scores."""
    scale = MapScale.of(detector)
    odd = [
        _card(
            photo.name,
            f"held-out score {photo.score:.2f}" + (", stands apart" if photo.apart else ""),
            _pictures(photo.name, photo.number, detector, scale),
        )
        for photo in good.odd
    ]
    unhealthy = [
        _card(good.names[i], "; ".join(told), _pictures(good.names[i], None, detector, scale))
        for i, told in list(good.unhealthy.items())[:_MOST]
    ]
    twins = [
        _card(
            " = ".join(group),
            "count as one photo",
            [one for name in group[:3] for one in _pictures(name, None, detector, scale)],
        )
        for group in good.twins[:_MOST]
    ]
    sections = [
        _section(
            "Look at these first",
            odd,
            words.first,
            _legend(scale, RegionRule.of(detector).map_threshold),
        ),
        _section("Taken unlike the others", unhealthy, ""),
        _section("The same picture more than once", twins, ""),
    ]
    page = fill(
        asset("good.html"),
        {
            "title": words.title,
            "subtitle": escape(f"{len(good.names)} photos, {words.scored}"),
            "style": asset("style.css"),
            "lines": "".join(f"<li>{escape(line)}</li>" for line in _lines(good, words)),
            "sections": "".join(sections),
            "rows": "".join(_rows(good)),
        },
    )
    write_bytes(path, page.encode("utf-8"))


def _lines(good: GoodPhotos, words: Words) -> list[str]:
    if not words.decides:
        return [*good.lines(), *good.notes]
    lines = [f"threshold {good.threshold:.2f} ({good.source})"]
    if good.rate is not None:
        lines += [good.rate.describe(), good.rate.outlook()]
    rows = [f"{name}: score {score}{why and '; ' + why}" for name, score, why in good.rows()]
    return [*lines, *rows, *good.lines(), *good.notes]


def _legend(scale: MapScale, map_threshold: float) -> str:
    """The scale of the heat maps."""
    if not math.isfinite(map_threshold):
        return ""
    values = [("floor", scale.floor), ("map threshold", map_threshold)]
    told = ", ".join(f"{name} {value:.4g}" for name, value in values)
    strip = _webp(legend(_SIDE, scale, values, {}))
    return (
        f'<p><img src="data:image/webp;base64,{strip}" alt="colours of the heat maps: {told}"></p>'
    )


def _section(title: str, cards: list[str], hint: str, key: str = "") -> str:
    if not cards:
        return ""
    text = f'<p class="soft small">{escape(hint)}</p>' if hint else ""
    body = f'{text}{key}<div class="cards">{"".join(cards)}</div>'
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _card(title: str, text: str, pictures: list[NDArray[np.uint8]]) -> str:
    images = "".join(
        f'<img src="data:image/webp;base64,{_webp(one)}" alt="{escape(title)}">' for one in pictures
    )
    caption = f"<figcaption><b>{escape(title)}</b><br>{escape(text)}</figcaption>"
    return f'<figure class="card"><div class="pair">{images}</div>{caption}</figure>'


def _webp(picture: NDArray[np.uint8]) -> str:
    return base64.b64encode(encode(".webp", picture, quality=_QUALITY)).decode("ascii")


def _pictures(
    name: str, number: int | None, detector: Detector, scale: MapScale
) -> list[NDArray[np.uint8]]:
    """The photo, and with its number the heat map of what is odd in it."""
    reading = Reading.of(detector)
    try:
        source = reading.read(name)
    except ImageReadError:  # an array, or a name with bytes that are no text
        return []
    size = thumbnail_size(source.shape, _SIDE)
    image = to_rgb8(resize_image(source, size), reading.bit_depth)
    found = None if number is None else detector.held_out_map(number, source)
    if found is None:
        return [image]
    shown = RegionRule.of(detector).applied(found)
    small = np.asarray(resize_image(shown, size), dtype=np.float32)
    return [image, heat_overlay(image, small, scale)]


def _rows(good: GoodPhotos) -> list[str]:
    order = sorted(range(len(good.names)), key=lambda i: -good.scores[i])
    return [
        f'<tr><td class="name">{escape(good.names[i])}</td><td>{good.scores[i]:.3f}</td>'
        f"<td>{'above the threshold' if good.scores[i] > good.threshold else ''}</td></tr>"
        for i in order
    ]
