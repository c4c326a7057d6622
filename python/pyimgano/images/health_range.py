"""What good photos are like, and in words where another image is not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.images.health import ImageHealth

#: Columns of a stored image; -1 where there is no value.
COLUMNS = (
    *("height", "width", "brightness", "contrast", "sharpness"),
    *("red", "green", "blue", "black", "white"),
)
_ABSENT = -1.0
#: Share of the good photos that may be odd ones, and how many robust standard deviations off.
_ODD_SHARE, _ODD_DEVIATIONS = 0.1, 6.0
_FEWEST_FOR_ODD = 8
#: How much wider the range is of one photo, which says nothing of how much others differ.
_ALONE = 4.0
#: Shares of clipped pixels may be so much above those of good photos.
_CLIPPED = 0.1
#: With more clipped pixels than this there is nothing left to see of contrast, detail and colour.
_LOST = 0.5
_CONTRAST_WORDS = ("lower in contrast", "higher in contrast")
_SHARPNESS_WORDS = ("less sharp", "sharper or noisier")
_COLOURS = ("red", "green", "blue")
_GREY = (1 / 3, 1 / 3, 1 / 3)
_ANY, _NEARLY_ALL = "than any good photo", "than nearly all good photos"


@dataclass(frozen=True)
class Range:
    """One figure of the good photos.

    Attributes
    ----------
    low, high, lowest, highest
        Its ends over the good photos without odd ones, and over all of them.
    least, most
        A value below or above them is told.
    """

    low: float
    high: float
    least: float
    most: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Iterable[float], below: float, above: float, offset: float = 0.0) -> Range:
        """The range of positive values, one per good photo, on a logarithmic scale.

        Always allowed is so much less (``below``) or more (``above``) than the mean, as a share of
        it. The offset is added to the values before the logarithm: near zero they are compared
        absolutely.
        """
        given = np.array(list(values))
        logs = np.log(given + offset)
        kept = ~_odd(logs, min(below, above))
        n, mean = int(kept.sum()), float(logs[kept].mean())
        spread = float(logs[kept].std(ddof=1)) if n > 1 else 0.0
        # Close to the quantile of Student's t that one value in 2,000 exceeds, and wider.
        reach = (4.0 + 12.0 / max(n - 1, 1)) * spread * math.sqrt(1.0 + 1.0 / n)
        wider = 1.0 + 2.0 / n if n > 1 else _ALONE
        least = min(mean - max(reach, below * wider), float(logs[kept].min()) - below / 4)
        most = max(mean + max(reach, above * wider), float(logs[kept].max()) + above / 4)
        return cls(
            low=float(given[kept].min()),
            high=float(given[kept].max()),
            least=math.exp(least) - offset,
            most=math.exp(most) - offset,
            lowest=float(given.min()),
            highest=float(given.max()),
        )

    @classmethod
    def of_share(cls, values: Iterable[float]) -> Range:
        """The range of shares of pixels, which may be some more but never too few."""
        given = list(values)
        low, high = min(given), max(given)
        return cls(low, high, -math.inf, 1.5 * high + _CLIPPED, low, high)

    def side(self, value: float) -> int:
        """-1 below, 1 above, 0 within what is to be expected."""
        return int(value > self.most) - int(value < self.least)

    def excess(self, value: float) -> float:
        """How far beyond, in units of what is allowed."""
        if value > self.most:
            return (value - self.high) / (self.most - self.high)
        return (self.low - value) / (self.low - self.least)

    def than(self, value: float) -> str:
        """With what a value outside is compared."""
        beyond = value > self.highest or value < self.lowest
        return _ANY if beyond else _NEARLY_ALL

    def text(self, percent: bool = False) -> str:
        """Both ends, or one where they look the same."""
        low, high = (f"{100 * x:.2g} %" if percent else f"{x:.2f}" for x in (self.low, self.high))
        return f"good photos {low}" if low == high else f"good photos {low} to {high}"


def _odd(values: NDArray[np.float64], allowed: float) -> NDArray[np.bool_]:
    """The few that lie far from the others: they must not widen the range."""
    none = np.zeros(len(values), dtype=bool)
    if len(values) < _FEWEST_FOR_ODD:
        return none
    distance = np.abs(values - np.median(values))
    deviation = 1.4826 * float(np.median(distance))
    odd = distance > max(_ODD_DEVIATIONS * deviation, allowed)
    return odd if odd.sum() <= max(1.0, _ODD_SHARE * len(values)) else none


@dataclass(frozen=True)
class HealthRange:
    """What the good photos are like that a detector has learnt from.

    An image is told where it lies clearly outside: beyond every good photo and beyond what a
    further one would reach, judged by how much they differ. A few odd ones among the good photos do
    not widen what is expected.
    """

    images: tuple[ImageHealth, ...]

    @classmethod
    def of(cls, images: Sequence[ImageHealth]) -> Self:
        """The range of some good photos, at least one."""
        if not images:
            raise InvalidInputError("the range of health needs at least one image, got none")
        return cls(tuple(images))

    @cached_property
    def bits(self) -> frozenset[int]:
        """Bits (8, 16) of their pixels, of those for which that is known."""
        return frozenset(one.bits for one in self.images if one.bits is not None)

    def warnings(self, health: ImageHealth) -> tuple[str, ...]:
        """In words where an image is unlike the good photos; empty if it is like them."""
        size = list(self._size(health))
        lines = [*size, *self._light(health)]
        if health.black + health.white > _LOST:
            return tuple(lines)
        lines.extend(self._line("contrast", health.contrast, *_CONTRAST_WORDS))
        if not size and health.sharpness is not None and "sharpness" in self._ranges:
            # At another size the same surface is sharper or less sharp.
            lines.extend(self._line("sharpness", health.sharpness, *_SHARPNESS_WORDS))
        return (*lines, *self._colour(health))

    def odd_ones(self) -> dict[int, tuple[str, ...]]:
        """Which of the good photos were taken unlike the others, by number, and in what."""
        few = len(self.images) < _FEWEST_FOR_ODD
        found = {}
        for i, one in enumerate(self.images):
            others = self.images[:i] + self.images[i + 1 :]
            known = type(self).of(others) if few and others else self
            if told := known.warnings(one):
                found[i] = told
        return found

    def to_array(self) -> NDArray[np.float64]:
        """float64 (n, 10): the figures of each good photo, by :data:`COLUMNS`."""
        rows = []
        for one in self.images:
            colour = one.colour or (_ABSENT,) * 3
            sharpness = _ABSENT if one.sharpness is None else one.sharpness
            light = (one.brightness, one.contrast, sharpness)
            rows.append((one.height, one.width, *light, *colour, one.black, one.white))
        return np.array(rows, dtype=np.float64)

    @classmethod
    def from_array(cls, rows: NDArray[np.float64]) -> Self:
        """What :meth:`to_array` gave; figures that no images can have are an InvalidInputError."""
        known = np.where(rows == _ABSENT, 0.0, rows)
        colours = rows[:, 5:8]
        grey = (colours == _ABSENT).all(axis=1)
        if not (
            (rows[:, :2] >= 1).all()
            and (rows[:, [2, 3, 8, 9]] >= 0).all()
            and (known[:, 4] >= 0).all()
            and (grey | (colours > 0).all(axis=1)).all()
        ):
            raise InvalidInputError("these are no figures of images")
        images = []
        for height, width, brightness, contrast, sharpness, *rest in rows.tolist():
            red, green, blue, black, white = rest
            images.append(
                ImageHealth(
                    height=int(height),
                    width=int(width),
                    brightness=brightness,
                    contrast=contrast,
                    sharpness=None if sharpness == _ABSENT else sharpness,
                    colour=None if red == _ABSENT else (red, green, blue),
                    black=black,
                    white=white,
                )
            )
        return cls.of(images)

    @cached_property
    def _ranges(self) -> dict[str, Range]:
        images = self.images
        # One photo does not say whether sizes vary.
        area, shape = (0.05, 0.02) if len(images) > 1 else (0.25, 0.1)
        found = {
            "pixels": Range.of((i.height * i.width for i in images), area, area),
            "aspect": Range.of((i.width / i.height for i in images), shape, shape),
            "brightness": Range.of((i.brightness for i in images), 0.12, 0.12, 0.02),
            "contrast": Range.of((i.contrast for i in images), 0.15, 0.35, 0.02),
            "black": Range.of_share(i.black for i in images),
            "white": Range.of_share(i.white for i in images),
        }
        if sharpness := [i.sharpness for i in images if i.sharpness is not None]:
            found["sharpness"] = Range.of(sharpness, 0.1, 0.35, 0.02)
        for k, name in enumerate(_COLOURS):
            found[name] = Range.of(((i.colour or _GREY)[k] for i in images), 0.04, 0.04)
        return found

    def _size(self, health: ImageHealth) -> Iterator[str]:
        pixels, aspect = self._ranges["pixels"], self._ranges["aspect"]
        n, ratio = float(health.height * health.width), health.width / health.height
        if not pixels.side(n) and not aspect.side(ratio):
            return
        than = pixels.than(n) if pixels.side(n) else aspect.than(ratio)
        usual = [
            i
            for i in self.images
            if not pixels.side(i.height * i.width) and not aspect.side(i.width / i.height)
        ]
        sizes = sorted({(i.height * i.width, i.width, i.height) for i in usual or self.images})
        ends = dict.fromkeys((sizes[0], sizes[-1]))
        known = " to ".join(f"{width} x {height}" for _, width, height in ends)
        yield (
            f"of another size {than}: {health.width} x {health.height} pixels, good photos {known}"
        )

    def _light(self, health: ImageHealth) -> Iterator[str]:
        yield from self._line("brightness", health.brightness, "darker", "brighter")
        for name, word, what in (
            ("black", "more underexposed", "black"),
            ("white", "more overexposed", "at full scale"),
        ):
            found, value = self._ranges[name], float(getattr(health, name))
            if found.side(value):
                share = f"{100 * value:.2g} % of it is {what}"
                yield f"{word} {found.than(value)}: {share}, {found.text(percent=True)}"

    def _colour(self, health: ImageHealth) -> Iterator[str]:
        """One line, of the colour that is farthest off."""
        shares = dict(zip(_COLOURS, health.colour or _GREY, strict=True))
        off = [name for name in _COLOURS if self._ranges[name].side(shares[name])]
        if not off:
            return
        name = max(off, key=lambda name: self._ranges[name].excess(shares[name]))
        found, value = self._ranges[name], shares[name]
        word = "more" if found.side(value) > 0 else "less"
        yield (
            f"{word} {name} {found.than(value)}: {name} {100 * value:.2g} % of its light,"
            f" {found.text(percent=True)}"
        )

    def _line(self, name: str, value: float, lower: str, higher: str) -> Iterator[str]:
        found = self._ranges[name]
        if side := found.side(value):
            word = lower if side < 0 else higher
            yield f"{word} {found.than(value)}: {name} {value:.2f}, {found.text()}"


class HealthTally:
    """Counts the warnings of one image after the other."""

    def __init__(self) -> None:
        self.n_images = 0
        self._counts: Counter[str] = Counter()
        #: Kinds of which some image is within the reach of an odd one among the good photos.
        self._within: set[str] = set()

    def add(self, warnings: Iterable[str]) -> None:
        """Count one image by what is told of it, without the figures."""
        self.n_images += 1
        for line in warnings:
            what = line.partition(":")[0]
            kind = what.removesuffix(_ANY).removesuffix(_NEARLY_ALL).rstrip()
            self._counts[kind] += 1
            if what.endswith(_NEARLY_ALL):
                self._within.add(kind)

    def lines(self) -> list[str]:
        """One line per kind of warning, the most frequent first."""
        return [
            f"{count} of {self.n_images} image{'s' * (self.n_images != 1)}"
            f" {'is' if count == 1 else 'are'} {kind}"
            f" {_NEARLY_ALL if kind in self._within else _ANY}"
            for kind, count in sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        ]
