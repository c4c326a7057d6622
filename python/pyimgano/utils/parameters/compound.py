"""Parameters made of several values, or of one of several kinds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pyimgano.utils.parameters.base import Parameter, Unfit, joined, plain
from pyimgano.utils.parameters.single import Count, Number

#: OpenCV's limit for the sides of what it resizes and filters.
LONGEST_SIDE = 2**15 - 1


@dataclass(frozen=True)
class ListOf(Parameter):
    """A list of ``least`` to ``most`` values of one kind."""

    item: Parameter
    least: int = 0
    most: int = 64

    @property
    def several(self) -> bool:
        """Whether its option takes several words: it does."""
        return True

    def _wanted(self) -> str:
        return f"a list of {self._number()} values, each {self.item.wanted}"

    def _typed(self) -> str:
        return f"{self._number()} values, each {self.item.typed}"

    def _number(self) -> str:
        return f"{self.least}" if self.least == self.most else f"{self.least} to {self.most:,}"

    def _accept(self, value: Any) -> list[Any]:
        if not isinstance(value, (list, tuple)) or not self.least <= len(value) <= self.most:
            raise Unfit(value, self.wanted)
        try:
            return [self.item.accept(plain(one)) for one in value]
        except Unfit:
            raise Unfit(value, self.wanted) from None

    def _parse(self, word: str) -> Any:
        return self.item.parse(word)


@dataclass(frozen=True, init=False)
class Either(Parameter):
    """What the first of several kinds takes that takes it."""

    kinds: tuple[Parameter, ...]

    def __init__(self, *kinds: Parameter, **common: Any) -> None:
        super().__init__(**common)
        object.__setattr__(self, "kinds", kinds)

    @property
    def several(self) -> bool:
        """Whether its option takes several words, as one of its kinds does."""
        return any(kind.several for kind in self.kinds)

    def _wanted(self) -> str:
        return joined(dict.fromkeys(kind.wanted for kind in self._each()))

    def _typed(self) -> str:
        return joined(dict.fromkeys(kind.typed for kind in self._each() if kind.typed))

    def _each(self) -> Iterator[Parameter]:
        for kind in self.kinds:
            yield from kind._each() if isinstance(kind, Either) else (kind,)

    def _accept(self, value: Any) -> Any:
        return self._first(lambda kind: kind.accept(value), value, self.wanted)

    def _parse(self, word: str) -> Any:
        return self._first(lambda kind: kind.parse(word), word, self.typed)

    def _first(self, take: Callable[[Parameter], Any], value: Any, wanted: str) -> Any:
        for kind in self.kinds:
            try:
                return take(kind)
            except Unfit:
                continue
        raise Unfit(value, wanted)


@dataclass(frozen=True)
class Worded(Parameter):
    """A word with a value, ``("top", 0.01)``; an option takes ``top:0.01``."""

    word: str
    item: Parameter

    def _wanted(self) -> str:
        return f'("{self.word}", value) with a value {self.item.wanted}'

    def _typed(self) -> str:
        return f"{self.word}:VALUE with VALUE {self.item.typed}"

    def _accept(self, value: Any) -> tuple[str, Any]:
        if not isinstance(value, (list, tuple)) or len(value) != 2 or value[0] != self.word:
            raise Unfit(value, self.wanted)
        try:
            return self.word, self.item.accept(plain(value[1]))
        except Unfit:
            raise Unfit(value, self.wanted) from None

    def _parse(self, word: str) -> tuple[str, Any]:
        first, colon, rest = word.partition(":")
        if first != self.word or not colon:
            raise Unfit(word, f"{self.word}:VALUE")
        return self.word, self.item.parse(rest)


@dataclass(frozen=True)
class Size(Parameter):
    """The size of an image: S for S x S, or (height, width).

    ``longest`` bounds each side, ``pixels`` their product.
    """

    longest: int = LONGEST_SIDE
    pixels: int = LONGEST_SIDE**2

    def _wanted(self) -> str:
        return self._bounded("(height, width)")

    def _typed(self) -> str:
        return self._bounded("HEIGHTxWIDTH")

    def _bounded(self, pair: str) -> str:
        bound = "" if self.pixels == LONGEST_SIDE**2 else f", of at most {self.pixels:,} pixels"
        return f"an integer from 1 to {self.longest:,}, or {pair}{bound}"

    def _accept(self, value: Any) -> int | tuple[int, int]:
        pair = value if isinstance(value, (list, tuple)) else (value, value)
        try:
            height, width = (Count(1, self.longest).accept(side) for side in pair)
        except ValueError:  # Unfit, or too many or too few of them
            raise Unfit(value, self.wanted) from None
        if height * width > self.pixels:
            raise Unfit(value, self.wanted)
        return (height, width) if pair is value else height

    def _parse(self, word: str) -> int | tuple[int, int]:
        wanted = "a size: give 256, 256x384 (height x width)"
        wanted += f" or {self.none}" if isinstance(self.none, str) else ""
        try:
            sides = [int(part) for part in word.lower().split("x")]
        except ValueError:
            sides = []
        if len(sides) not in (1, 2) or min(sides) < 1:
            raise Unfit(word, wanted)
        return sides[0] if len(sides) == 1 else (sides[0], sides[1])


@dataclass(frozen=True)
class Normalization(Parameter):
    """``"imagenet"``, or (mean, standard deviation) with one number per channel, RGB in [0, 1]."""

    def _wanted(self) -> str:
        return '"imagenet" or (mean, std): three numbers, and three above 0'

    def _typed(self) -> str:
        return 'imagenet, "mean,std" or "m,m,m,s,s,s", with deviations above 0'

    def _accept(self, value: Any) -> str | list[list[float]]:
        if isinstance(value, str) and value == "imagenet":
            return value
        try:
            mean, std = (ListOf(Number(-1e3, 1e3), 3, 3).accept(plain(one)) for one in value)
        except (TypeError, ValueError):
            raise Unfit(value, self.wanted) from None
        if min(std) <= 0:
            raise Unfit(value, self.wanted)
        return [mean, std]

    def _parse(self, word: str) -> Any:
        if word == "imagenet":
            return word
        try:
            values = [float(part) for part in word.split(",")]
        except ValueError:
            values = []
        if len(values) == 2:
            values = [values[0]] * 3 + [values[1]] * 3
        if len(values) != 6:
            raise Unfit(word, self.typed)
        return values[:3], values[3:]
