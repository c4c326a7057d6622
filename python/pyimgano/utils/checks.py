"""Checks of parameters: the error names the parameter and says what it may be.

A wrong type is an :class:`InvalidInputError` like a wrong value, for people set either by mistake.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from pyimgano.errors import InvalidInputError

#: The largest count that a detector file can hold.
MOST = 2**31 - 1


def check_count(name: str, value: object, least: int = 1, most: int = MOST) -> int:
    """`value` as an int from `least` to `most`; True and False are none."""
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_whole or not least <= value <= most:  # type: ignore[operator]
        upper = "" if most == MOST else f" and at most {most:,}"
        raise InvalidInputError(
            f"{name} must be an integer of at least {least}{upper}: {_of(value)}"
        )
    return int(value)  # type: ignore[call-overload, no-any-return]


def check_seed(name: str, value: object) -> int:
    """`value` as the seed of a random generator."""
    return check_count(name, value, 0, 2**63 - 1)


def check_number(
    name: str,
    value: object,
    low: float,
    high: float,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """`value` as a float from `low` to `high`; `open_low`, `open_high`: without that end."""
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(
        value, bool
    )
    # A comparison with NaN is false.
    if not is_number or not (
        (low < value if open_low else low <= value)  # type: ignore[operator]
        and (value < high if open_high else value <= high)  # type: ignore[operator]
    ):
        lower = f"{'above' if open_low else 'at least'} {low:g}"
        upper = f"{'below' if open_high else 'at most'} {high:g}"
        raise InvalidInputError(f"{name} must be {lower} and {upper}, got {_of(value)}")
    return float(value)  # type: ignore[arg-type]


def check_flag(name: str, value: object) -> bool:
    """`value` as True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidInputError(f"{name} must be True or False, got {_of(value)}")
    return bool(value)


def check_choice(name: str, value: object, known: Collection[str | None]) -> None:
    """Refuse what is none of a few texts (or None, where that is among them)."""
    if not (value is None or isinstance(value, str)) or value not in known:
        *others, last = ("None" if one is None else f'"{one}"' for one in known)
        raise InvalidInputError(f"{name} must be {', '.join(others)} or {last}, got {_of(value)}")


def check_text(name: str, value: object, what: str = "a name") -> str:
    """`value` as a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise InvalidInputError(f"{name} must be {what}, got {_of(value)}")
    return value


def check_path(name: str, value: object, what: str = "a path or None") -> None:
    """Refuse what is neither a path nor None."""
    if value is None or (isinstance(value, (str, os.PathLike)) and os.fspath(value)):
        return
    raise InvalidInputError(f"{name} must be {what}, got {_of(value)}")


def check_device(device: object) -> None:
    """Refuse what is neither a text nor torch's own object; whether it is there shows later."""
    if not isinstance(device, str) and type(device).__module__ != "torch":
        raise InvalidInputError(f'device must be a device such as "cpu", got {_of(device)}')


def check_names(name: str, value: Any) -> Sequence[str] | None:
    """`value` as a list of texts, at least one, or None."""
    if value is None:
        return None
    names = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(names, (list, tuple)) or not names:
        raise InvalidInputError(f"{name} must be a list of names or None, got {_of(value)}")
    for one in names:
        if not isinstance(one, str) or not one:
            raise InvalidInputError(f"{name} must hold names only, got {_of(one)}")
    return names


def check_on_bad_image(on_bad_image: object) -> None:
    """Refuse anything but ``"raise"`` and ``"skip"``."""
    check_choice("on_bad_image", on_bad_image, ("raise", "skip"))


def _of(value: object) -> str:
    """A value for a message, on one line of bearable length."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."
