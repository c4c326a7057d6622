"""Parameters of one value: numbers, switches, texts, paths."""

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyimgano.registry import Registry
from pyimgano.utils.parameters.base import Parameter, Unfit, joined

#: The largest count that a detector file can hold.
MOST = 2**31 - 1
#: The largest number that a detector file can hold.
LARGEST = 1e300


@dataclass(frozen=True)
class Count(Parameter):
    """A whole number from ``low`` to ``high``; True and False are none."""

    low: int = 1
    high: int = MOST

    def _wanted(self) -> str:
        if self.high >= MOST:
            return f"an integer of at least {self.low:,}"
        return f"an integer from {self.low:,} to {self.high:,}"

    def _accept(self, value: Any) -> int:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not self.low <= value <= self.high:
            raise Unfit(value, self.wanted)
        return int(value)

    def _parse(self, word: str) -> int:
        try:
            return int(word)
        except ValueError:
            raise Unfit(word, "a whole number") from None


@dataclass(frozen=True)
class Number(Parameter):
    """A number from ``low`` to ``high``; ``open_low``, ``open_high``: without that end."""

    low: float = -LARGEST
    high: float = LARGEST
    open_low: bool = False
    open_high: bool = False

    def _wanted(self) -> str:
        if self.low <= -LARGEST and self.high >= LARGEST:
            return "a number" if math.isinf(self.high) else "a finite number"
        lower = f"{'above' if self.open_low else 'at least'} {self.low:g}"
        upper = f"{'below' if self.open_high else 'at most'} {self.high:g}"
        return f"{lower} and {upper}"

    def _accept(self, value: Any) -> float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        # A comparison with NaN is false.
        if not number or not (
            (self.low < value if self.open_low else self.low <= value)
            and (value < self.high if self.open_high else value <= self.high)
        ):
            raise Unfit(value, self.wanted)
        return value if isinstance(value, int) else float(value)

    def _parse(self, word: str) -> float:
        try:
            return float(word)
        except ValueError:
            raise Unfit(word, "a number") from None


@dataclass(frozen=True)
class Flag(Parameter):
    """True or False; the option has a twin, ``--no-...``."""

    def _wanted(self) -> str:
        return "True or False"

    def _accept(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise Unfit(value, self.wanted)
        return value

    def _parse(self, word: str) -> bool:
        if word not in ("true", "false"):
            raise Unfit(word, "true or false")
        return word == "true"


@dataclass(frozen=True, init=False)
class Choice(Parameter):
    """One of a few values, ``Choice("raise", "skip")``; an option takes only texts."""

    known: tuple[Any, ...]

    def __init__(self, *known: Any, **common: Any) -> None:
        super().__init__(**common)
        object.__setattr__(self, "known", known)

    def _wanted(self) -> str:
        return joined(f'"{one}"' if isinstance(one, str) else str(one) for one in self.known)

    def _accept(self, value: Any) -> Any:
        if not any(type(value) is type(one) and value == one for one in self.known):
            raise Unfit(value, self.wanted)
        return value

    def _parse(self, word: str) -> str:
        if word not in self.known:
            raise Unfit(word, self._wanted())
        return word


@dataclass(frozen=True)
class Registered(Parameter):
    """A name that something is registered under, by this package or another."""

    registry: Registry[Any]

    def _wanted(self) -> str:
        return joined(f'"{name}"' for name in self.registry.names())

    def _accept(self, value: Any) -> str:
        if not isinstance(value, str) or self.registry.find(value) is None:
            raise Unfit(value, self.wanted)
        return value


@dataclass(frozen=True)
class Text(Parameter):
    """A text of at most so many characters, at least one unless the pattern allows none."""

    most: int = 255
    pattern: str = r"(?s).+"

    def _wanted(self) -> str:
        like = "" if self.pattern.startswith("(?s)") else f" like {self.pattern}"
        return f"a text of at most {self.most:,} characters{like}"

    def _accept(self, value: Any) -> str:
        fits = isinstance(value, str) and len(value) <= self.most
        if not fits or not re.fullmatch(self.pattern, value):
            raise Unfit(value, self.wanted)
        return str(value)


@dataclass(frozen=True)
class PathLike(Parameter):
    """A path, as text or as an object of ``pathlib``."""

    what: str = "a path"

    def _wanted(self) -> str:
        return self.what

    def _accept(self, value: Any) -> str:
        found = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
        if not isinstance(found, str) or not found:
            raise Unfit(value, self.wanted)
        return found


@dataclass(frozen=True)
class Device(Parameter):
    """A device by name, or torch's own object; whether it is there shows later."""

    def _wanted(self) -> str:
        return 'a device such as "cpu"'

    def _accept(self, value: Any) -> str:
        if not isinstance(value, str) and type(value).__module__ != "torch":
            raise Unfit(value, self.wanted)
        return str(value)


@dataclass(frozen=True)
class Opaque(Parameter):
    """Any object of which ``fits`` is true; neither a file nor the command line can name one."""

    what: str
    fits: Callable[[Any], bool]

    def _wanted(self) -> str:
        return self.what

    def _typed(self) -> str:
        return ""

    def _accept(self, value: Any) -> Any:
        if not self.fits(value):
            raise Unfit(value, self.wanted)
        return value

    def _parse(self, word: str) -> Any:
        raise Unfit(word, self.wanted)
