"""Bounds of every value that a detector file may hold.

The same rules are applied when a file is written, so that none is that could not be read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from pyimgano.persistence.container import Malformed

#: Checks a value of a JSON header and gives what a constructor takes.
Rule: TypeAlias = Callable[[Any], Any]


def _bad(value: Any, wanted: str) -> Malformed:
    text = repr(value)
    return Malformed(f"is {text if len(text) <= 60 else text[:57] + '...'}, not {wanted}")


def flag(value: Any) -> Any:
    """True or false."""
    if not isinstance(value, bool):
        raise _bad(value, "true or false")
    return value


def integer(low: int, high: int) -> Rule:
    """A whole number in a range."""

    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise _bad(value, f"a whole number from {low:,} to {high:,}")
        return value

    return check


def number(low: float, high: float, *, above: bool = False) -> Rule:
    """A finite number in a range; ``above``: larger than its lower end."""

    def check(value: Any) -> float:
        is_number = type(value) in (int, float)
        if not is_number or not low <= value <= high or (above and value == low):
            raise _bad(value, f"a number {'above' if above else 'from'} {low:g} to {high:g}")
        return value if type(value) is int else float(value)

    return check


def fraction(low: float, high: float) -> Rule:
    """A number that is written with a point or an exponent: no whole number in disguise."""

    def check(value: Any) -> float:
        if type(value) is not float:
            raise _bad(value, f"a number with a point from {low:g} to {high:g}")
        return float(number(low, high)(value))

    return check


def extended(value: Any) -> float:
    """A float, with ``"inf"`` and ``"-inf"`` for what JSON has no number for."""
    if value in ("inf", "-inf"):
        return float(value)
    return float(number(-1e300, 1e300)(value))


def encode_float(value: float) -> float | str:
    """What :func:`extended` reads."""
    return float(value) if math.isfinite(value) else str(float(value))


def text(most: int, pattern: str = r"(?s).*") -> Rule:
    """A text of limited length."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or len(value) > most or not re.fullmatch(pattern, value):
            raise _bad(value, f"a text of at most {most} characters like {pattern}")
        return value

    return check


def choice(*known: Any) -> Rule:
    """One of a few values."""

    def check(value: Any) -> Any:
        if not any(type(value) is type(one) and value == one for one in known):
            raise _bad(value, f"one of {', '.join(map(repr, known))}")
        return value

    return check


def optional(rule: Rule) -> Rule:
    """None, or what the rule takes."""
    return lambda value: None if value is None else rule(value)


def listed(rule: Rule, most: int, least: int = 0) -> Rule:
    """A list of so many values."""

    def check(value: Any) -> list[Any]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise _bad(value, f"a list of {least} to {most:,} values")
        return [rule(one) for one in value]

    return check


def either(*rules: Rule) -> Rule:
    """What the first of the rules takes that takes it."""

    def check(value: Any) -> Any:
        for rule in rules[:-1]:
            try:
                return rule(value)
            except Malformed:
                continue
        return rules[-1](value)

    return check


def mapping(rule: Rule, most: int, key: str = r"[A-Za-z][A-Za-z0-9_.-]{0,63}") -> Rule:
    """Any names with values of one kind."""

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) > most:
            raise _bad(value, f"at most {most} names with values")
        for name in value:
            if not re.fullmatch(key, name):
                raise _bad(name, "a name")
        return {name: rule(one) for name, one in value.items()}

    return check


def fields(rules: Mapping[str, Rule], absent: Mapping[str, Any] | None = None) -> Rule:
    """Exactly these names, each with a value by its rule.

    ``absent`` has values of names that files of older versions lack.
    """
    defaults = absent or {}

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _bad(value, "a JSON object")
        for name in value:
            if name not in rules:
                raise Malformed(f"has an entry {name[:40]!r} that this format does not know")
        value = {**defaults, **value}
        for name in rules:
            if name not in value:
                raise Malformed(f"lacks the entry {name!r}")
        found = {}
        for name, rule in rules.items():
            try:
                found[name] = rule(value[name])
            except Malformed as error:
                joint = "." if str(error).startswith("'") else " "
                raise Malformed(f"{name!r}{joint}{error}") from None
        return found

    return check


def image_size(value: Any) -> int | tuple[int, int] | None:
    """An image size as detectors take it, of at most 2**23 pixels (3,840 x 2,160 and a bit)."""
    side = integer(1, 2**14)
    if value is None:
        return None
    if isinstance(value, list):
        height, width = listed(side, 2, 2)(value)
        found: int | tuple[int, int] = (height, width)
    else:
        found = height = width = side(value)
    if height * width > 2**23:
        raise _bad(value, "at most 8,388,608 pixels")
    return found


SHA256 = text(64, "[0-9a-f]{64}")
NAME = text(255)
