"""One self-contained HTML page of scored images: table, filters, threshold, pictures."""

from __future__ import annotations

import base64
import heapq
import math
import os
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, OutputError
from pyimgano.kernels import version
from pyimgano.postprocess import RegionRule
from pyimgano.reporting.files import check_target, write_bytes
from pyimgano.reporting.image_pictures import Photographer, Shown
from pyimgano.reporting.overlay import MapScale
from pyimgano.reporting.page_frame import PICTURE_BYTES, framed
from pyimgano.types import Prediction
from pyimgano.utils.text import counted, escaped, printable, shown

if TYPE_CHECKING:
    from pyimgano.models.base import Detector

#: Images of a page, unless more or fewer are asked for.
DEFAULT_IMAGES = 200
ORDERS = ("worst", "last")
#: What every page of this package has near its beginning.
_MARK = b'<meta name="generator" content="pyimgano">'


def check_page_target(path: str | os.PathLike[str]) -> Path:
    """A file that a page can be written to later.

    Raises
    ------
    OutputError
        Its name does not end in .html or .htm, as that of no other result does; it cannot be
        written to, or holds something that is no page of this package.
    """
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"the page {shown(path)} needs a name that ends in .html")
    target = check_target(path)
    try:
        with open(target, "rb") as file:
            start = file.read(1000)
    except FileNotFoundError:
        return target
    except OSError as error:
        raise OutputError(f"cannot write {shown(target)}: {error.strerror}") from error
    if start and _MARK not in start:
        raise OutputError(
            f"{shown(target)} is there already and is no page of pyimgano's, so it is not replaced:"
            " move it, or choose another name"
        )
    return target


@dataclass(frozen=True)
class Words:
    """What a page says that differs from command to command."""

    title: str
    score: str = "score"
    #: Of an image above the threshold, and of another.
    flagged: str = "defect"
    passed: str = "ok"
    decides: bool = True  #: Whether there is a threshold at all.


DETECTED = Words("What was found")


@dataclass(order=True)
class _Row:
    """An image of the page: what is dropped first is the smallest."""

    rank: tuple[float, int]
    facts: dict[str, Any] = field(compare=False)
    shown: Shown | None = field(compare=False, default=None)


class ImagePage:
    """Collects images while they are scored, and writes their page.

    Memory holds the pictures of the images that the page will have, however many are added.

    Parameters
    ----------
    path
        The page; known to be writable before anything is scored.
    detector
        Fitted.
    words
        What the page says.
    most : int
        Images with pictures.
    order : str
        Which images these are: ``"worst"``, the highest scores, or ``"last"``.
    groups
        Names of the kinds of images that the page has, the first for :meth:`add`.

    Raises
    ------
    InvalidInputError
        There is no such order, or ``most`` is below 1.
    OutputError
        The page cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        detector: Detector,
        words: Words,
        *,
        most: int = DEFAULT_IMAGES,
        order: str = "worst",
        groups: Sequence[str] = ("images",),
        picture_bytes: int = PICTURE_BYTES,
    ) -> None:
        check_most(most)
        if order not in ORDERS:
            raise InvalidInputError(f"report_order must be one of {', '.join(ORDERS)}")
        self._path, self._detector, self._words = check_page_target(path), detector, words
        self._most, self._order, self._groups = most, order, groups
        self._photographer = Photographer(detector)
        self._bytes_left = picture_bytes
        self._rows: list[_Row] = []
        self._errors: deque[_Row] = deque(maxlen=most)
        self._others: list[_Row] = []
        self._n_added = self._n_scored = self._n_flagged = self._n_errors = 0

    def add(self, image: NDArray[Any], prediction: Prediction) -> None:
        """Take an image that was scored, with its path in the prediction."""
        self._n_added += 1
        self._n_scored += 1
        self._n_flagged += prediction.label
        # Of equal scores the first stays.
        rank = (
            (prediction.score, -self._n_added) if self._order == "worst" else (0.0, self._n_added)
        )
        if len(self._rows) >= self._most and rank < self._rows[0].rank:
            return
        row = _Row(rank, _facts(prediction.path or "", prediction.score, prediction.warnings))
        row.shown = self._photographer.show(image, prediction)
        self._bytes_left -= row.shown.size
        heapq.heappush(self._rows, row)
        if len(self._rows) > self._most:
            self._forget(heapq.heappop(self._rows))
        if self._bytes_left < 0:
            for one in sorted(self._rows):
                if self._bytes_left >= 0:
                    break
                self._forget(one)

    def add_error(self, path: str, reason: str) -> None:
        """Take an image that could not be scored."""
        self._n_added += 1
        self._n_errors += 1
        facts = {**_facts(path, None, ()), "error": printable(reason)}
        self._errors.append(_Row((-math.inf, self._n_added), facts))

    def add_other(
        self,
        name: str,
        score: float,
        warnings: Sequence[str],
        group: int,
        image: NDArray[Any] | None = None,
        prediction: Prediction | None = None,
    ) -> None:
        """Take an image that stays whatever else comes, with pictures if there is room."""
        facts = {**_facts(name, score, warnings), "group": group}
        row = _Row((score, -len(self._others)), facts)
        if image is not None and prediction is not None:
            if not self._words.decides:
                prediction = replace(prediction, label=0)
            pictures = self._photographer.show(image, prediction)
            if pictures.size <= self._bytes_left:
                row.shown = pictures
                self._bytes_left -= pictures.size
        self._others.append(row)

    def write(self, lines: Iterable[str] = ()) -> None:
        """Write the page; ``lines`` say what else is to be known."""
        rows = [*sorted(self._rows, reverse=True), *self._errors, *self._others]
        pictures: list[str] = []
        images = [_plain(row, pictures) for row in rows]
        detector, words, rule = self._detector, self._words, RegionRule.of(self._detector)
        has_maps = any("heat" in one for one in images)
        scale = MapScale.of(detector)
        if has_maps:
            pictures.append(_uri("png", self._photographer.strip()))
        data = {
            "images": images,
            "pictures": pictures,
            "groups": list(self._groups),
            "threshold": _finite(detector.threshold_) if words.decides else None,
            "decides": words.decides,
            "words": {"1": words.flagged, "0": words.passed},
            "score": words.score,
            "scale": {"floor": scale.floor, "threshold": scale.threshold},
            "strip": len(pictures) - 1 if has_maps else None,
            "map_threshold": _finite(rule.map_threshold),
            "no_good": self._why_no_good(images),
            "unpictured": "No picture: this page has those of"
            f" {counted(self._most, 'image')} at most, and of {PICTURE_BYTES // 1_000_000} MB.",
        }
        told = [*lines, *self._about(images)]
        page = framed(
            "images",
            {
                "open": "" if images else "open",
                "lines": "".join(f"<li>{escaped(line)}</li>" for line in told),
                "flagged": escaped(words.flagged.capitalize()),
                "passed": escaped(words.passed.capitalize()),
                "score": escaped(words.score),
            },
            data,
            title=words.title,
            subtitle=self._subtitle(rows),
            footer=f"Made with pyimgano {version()}",
            wide=True,
        )
        write_bytes(self._path, page.encode("utf-8"))

    def _forget(self, row: _Row) -> None:
        """Let go of the pictures of an image."""
        if row.shown is not None:
            self._bytes_left += row.shown.size
            row.shown = None

    def _subtitle(self, rows: Sequence[_Row]) -> str:
        if not self._n_added:
            return counted(len(rows), "image")
        n_passed = self._n_scored - self._n_flagged
        text = (
            f"{counted(self._n_scored, 'image')} scored: {self._n_flagged} {self._words.flagged},"
            f" {n_passed} {self._words.passed}"
        )
        if self._n_errors:
            text += f"; {self._n_errors} not scored"
        if self._n_scored > len(self._rows):
            which = "highest scores" if self._order == "worst" else "last scores"
            text += f"; this page has those with the {len(self._rows)} {which}"
        return text

    def _about(self, images: Sequence[dict[str, Any]]) -> list[str]:
        """What the page lacks, and why."""
        found = []
        if self._words.decides:
            found.append(f"threshold: {self._detector.threshold_source_}")
        if images and not any(one["score"] is not None for one in images):
            found.append("no image was scored")
        pictured = [one for one in images if "image" in one]
        if pictured and not any("heat" in one for one in pictured):
            name = type(self._detector).__name__
            found.append(f"{name} gives no anomaly maps: there are no heat maps, and no place")
        elif reason := self._why_no_good(images):
            found.append(f"no nearest good photo: {reason}")
        return found

    def _why_no_good(self, images: Sequence[dict[str, Any]]) -> str:
        if not any("heat" in one for one in images) or any("good" in one for one in images):
            return ""
        return (
            f"{type(self._detector).__name__} compares with no single patch of a good photo, or was"
            " loaded from a file of an older version"
        )


def check_most(most: int) -> None:
    """Refuse a number of images that is none."""
    if most < 1:
        raise InvalidInputError(f"report_images must be 1 or more, got {most}")


def _facts(path: str, score: float | None, warnings: Iterable[str]) -> dict[str, Any]:
    text = printable(shown(path).replace(os.sep, "/"))
    return {
        "name": "/".join(text.split("/")[-2:]),
        "path": text,
        "score": None if score is None else _finite(score),
        "warnings": [printable(one) for one in warnings],
        "group": 0,
    }


def _plain(row: _Row, pictures: list[str]) -> dict[str, Any]:
    """An image as the page's script takes it; its pictures go to the list of all."""
    plain = dict(row.facts)
    if row.shown is None:
        return plain
    plain |= row.shown.facts
    for name, data in row.shown.pictures.items():
        if name in ("crop", "good"):
            plain[name] = {**plain[name], "picture": len(pictures)}
        else:
            plain[name] = len(pictures)
        pictures.append(_uri("webp", data))
    return plain


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
