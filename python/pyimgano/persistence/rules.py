"""What the header of a detector file has beside parameters: objects with named entries.

The same rules are applied when a file is written, so that none is that could not be read.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyimgano.persistence.container import Malformed
from pyimgano.utils.parameters import Number, Parameter, Unfit

ANY_TEXT = r"(?s).*"
#: Parameters that detector files of older versions lack, as those versions had them.
OLDER_PARAMETERS = {
    "image_score": "reweighted",
    "metric": "euclidean",
    "references": "plain",
    "projection": None,
    "position_embedding": "authors",
    "resize_mode": None,
    "tiles": None,
    "tile_overlap": None,
    "smallest_defect": None,
    "light": None,
    "local_contrast": 0.0,
    "foreground": None,
    "false_pixels": None,
    "false_regions": None,
    "coreset_block": None,
}
#: A SHA-256 in hexadecimal digits.
HASH = "[0-9a-f]{64}"


def encode_float(value: float) -> float | str:
    """What :class:`Extended` reads: ``"inf"`` and ``"-inf"`` for what JSON has no number for."""
    return float(value) if math.isfinite(value) else str(float(value))


class Extended(Number):
    """A float, or infinity as text."""

    def _accept(self, value: Any) -> float:
        return float(value if value in ("inf", "-inf") else super()._accept(value))


class Fraction(Number):
    """A number that is written with a point or an exponent: no whole number in disguise."""

    def _accept(self, value: Any) -> float:
        if type(value) is not float:
            raise Unfit(value, f"a number with a point, {self.wanted}")
        return super()._accept(value)


@dataclass(frozen=True)
class Named(Parameter):
    """Any names with values of one kind."""

    item: Parameter
    most: int

    def _wanted(self) -> str:
        return f"at most {self.most} names with values"

    def _accept(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) > self.most:
            raise Unfit(value, self.wanted)
        for name in value:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", name):
                raise Unfit(name, "a name")
        return {name: self.item.accept(one) for name, one in value.items()}


@dataclass(frozen=True)
class Fields(Parameter):
    """Exactly these names, each with a value by its rule.

    ``absent`` has values of names that files of older versions lack.
    """

    rules: Mapping[str, Parameter]
    absent: Mapping[str, Any] = field(default_factory=dict)

    def _wanted(self) -> str:
        return "a JSON object"

    def _accept(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Unfit(value, self.wanted)
        for name in value:
            if name not in self.rules:
                raise Malformed(f"has an entry {name[:40]!r} that this format does not know")
        value = {**self.absent, **value}
        for name in self.rules:
            if name not in value:
                raise Malformed(f"lacks the entry {name!r}")
        return {name: entry(name, rule, value[name]) for name, rule in self.rules.items()}


def stored_parameters(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """The rules of files for those of a class's parameters that they hold."""
    rules = {name: parameter.in_file for name, parameter in parameters.items()}
    return {name: rule for name, rule in rules.items() if rule is not None}


def entry(name: str, rule: Parameter, value: Any) -> Any:
    """A value by its rule; an error names the entry, with those around it."""
    try:
        return rule.accept(value)
    except (Malformed, Unfit) as error:
        joint = "." if str(error).startswith("'") else " "
        raise Malformed(f"{name!r}{joint}{error}") from None
