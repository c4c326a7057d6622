"""What operators may be in a model, and what each makes of its inputs.

An operator's rule gets a :class:`Call` and gives the shapes of its outputs, or an error. Values
are followed where they are known before any image is: those of weights, and of what is computed
from shapes, for they decide how large other tensors become.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from pyimgano.features.backbones.onnx.reader.model import Node

#: Elements of a computed value that is followed.
_MOST_FOLLOWED = 1 << 16
#: Elements of one tensor, and bound of every parameter: what engines keep in 32 bits stays in them.
_MOST_ELEMENTS = 1 << 31
_MOST_SIDE = 1 << 16


class Refused(Exception):
    """An operator, or a parameter of one, that is not run whatever the image."""


class Misfit(Exception):
    """Shapes that do not go together, for this size of image."""


@dataclass(frozen=True)
class Value:
    """A tensor while a model is checked."""

    #: Its values where they are known; else any, of its shape and dtype, in no memory.
    array: NDArray[Any]
    known: bool  #: Whether the values are known.
    #: It does not depend on the image's pixels: engines may compute it once and keep it.
    constant: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape."""
        return self.array.shape


@dataclass
class Call:
    """One operator with its inputs (None where one is left out)."""

    node: Node
    inputs: Sequence[Value | None]
    opset: int
    work: int = field(default=0)

    def refuse(self, why: str) -> NoReturn:
        """Whatever the image."""
        raise Refused(f"operator {self.node.op!r} ({self._where()}) {why}")

    def misfit(self, why: str) -> NoReturn:
        """For this size of image."""
        raise Misfit(f"operator {self.node.op!r} ({self._where()}) {why}")

    def _where(self) -> str:
        return f"output {next(iter(self.node.outputs), '')!r}"

    def given(self, index: int) -> Value | None:
        """An input that may be left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def need(self, index: int) -> Value:
        """An input that must be there."""
        value = self.given(index)
        if value is None:
            self.refuse(f"lacks input {index}")
        return value

    def constant(self, index: int) -> Value:
        """An input that must not depend on the image: weights."""
        value = self.need(index)
        if not value.constant:
            self.refuse(f"has weights (input {index}) that depend on the image")
        return value

    def numbers(self, index: int, attribute: str = "") -> list[int] | None:
        """Whole numbers from an input that must be known, or from an attribute; None if absent."""
        value = self.given(index)
        if attribute in self.node.attributes:
            if value is not None:
                self.refuse(f"has {attribute!r} twice")
            listed: list[int] = list(self.node.attributes[attribute].value)
            return listed
        if value is None:
            return None
        if not value.known:
            self.refuse(f"has an input ({index}) that depends on the pixels of the image")
        if value.array.dtype.kind not in "iu" or value.array.ndim > 1:
            self.refuse(f"has an input ({index}) that is no list of whole numbers")
        found: list[int] = np.atleast_1d(value.array).tolist()
        return found

    def ints(
        self, name: str, count: int, default: int, *, low: int = 1, high: int = _MOST_SIDE
    ) -> list[int]:
        """A list attribute: of this length, in this range."""
        attribute = self.node.attributes.get(name)
        values = [default] * count if attribute is None else list(attribute.value)
        if len(values) != count or not all(low <= v <= high for v in values):
            self.refuse(f"has {name}={values}, not {count} numbers from {low} to {high}")
        return values

    def number(self, name: str, default: int, *, low: int, high: int) -> int:
        """A number attribute in a range."""
        attribute = self.node.attributes.get(name)
        value: int = default if attribute is None else attribute.value
        if not low <= value <= high:
            self.refuse(f"has {name}={value}, not {low} to {high}")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """A number attribute that is 0 or 1."""
        return bool(self.number(name, int(default), low=0, high=1))

    def choice(self, name: str, *allowed: str) -> str:
        """A text attribute, one of these; the first one where it is left out."""
        attribute = self.node.attributes.get(name)
        value: str = allowed[0] if attribute is None else attribute.value
        if value not in allowed:
            self.refuse(f"has {name}={value!r}, not {' or '.join(map(repr, allowed))}")
        return value

    def axis(self, rank: int, default: int = 0, name: str = "axis") -> int:
        """An axis as a number from 0 on."""
        return self.as_axis(self.number(name, default, low=-64, high=64), rank)

    def as_axis(self, axis: int, rank: int) -> int:
        """The same of a number from elsewhere."""
        if not -rank <= axis < rank:
            self.misfit(f"has axis {axis} for {rank} dimensions")
        return axis % rank

    def axes(self, values: Sequence[int], rank: int) -> list[int]:
        """Several axes, none twice."""
        found = [self.as_axis(axis, rank) for axis in values]
        if len(set(found)) < len(found):
            self.refuse(f"has an axis twice: {list(values)}")
        return found

    def of_shape(
        self, shape: Sequence[int], dtype: Any = None, *, may_be_empty: bool = False
    ) -> Value:
        """An output of which the shape is known; of the first input's type unless one is given."""
        sides = tuple(int(side) for side in shape)
        if any(side < 0 for side in sides) or math.prod(sides) >= _MOST_ELEMENTS or len(sides) > 12:
            self.misfit(f"gives a tensor of shape {sides}")
        if 0 in sides and not may_be_empty:
            self.misfit(f"gives a tensor without elements, of shape {sides}")
        kind = self.need(0).array.dtype if dtype is None else np.dtype(dtype)
        return Value(np.broadcast_to(np.zeros((), kind), sides), False)

    def all_known(self) -> bool:
        """Whether the values of all inputs are known."""
        return all(value is None or value.known for value in self.inputs)

    def follow(self, shape: Sequence[int], compute: Callable[[], Any], dtype: Any = None) -> Value:
        """An output whose values are computed if those of all inputs are known, and few."""
        # Lists of sides may be empty, maps may not.
        value = self.of_shape(shape, dtype, may_be_empty=self.all_known())
        if not self.all_known() or value.array.size > _MOST_FOLLOWED:
            return value
        with np.errstate(all="ignore"):
            array = np.asarray(compute()).astype(value.array.dtype, copy=False)
        return Value(array.reshape(value.shape), True)

    def broadcast(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        """The common shape."""
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            self.misfit(f"cannot join tensors of the shapes {', '.join(map(str, shapes))}")


Rule = Callable[[Call], Value | list[Value]]


@dataclass(frozen=True)
class Operator:
    """How many inputs and outputs an operator takes, its attributes by kind, and its rule."""

    rule: Rule
    inputs: range
    outputs: range
    attributes: dict[str, str]


OPERATORS: dict[str, Operator] = {}


def operator(
    *names: str,
    inputs: tuple[int, int] = (1, 1),
    outputs: tuple[int, int] = (1, 1),
    i: str = "",
    f: str = "",
    s: str = "",
    t: str = "",
    ints: str = "",
    floats: str = "",
) -> Callable[[Rule], Rule]:
    """Register a rule; the letters list attributes by kind, separated by blanks."""
    kinds = {"i": i, "f": f, "s": s, "t": t, "ints": ints, "floats": floats}
    attributes = {name: kind for kind, listed in kinds.items() for name in listed.split()}

    def register(rule: Rule) -> Rule:
        for name in names:
            OPERATORS[name] = Operator(
                rule, range(inputs[0], inputs[1] + 1), range(outputs[0], outputs[1] + 1), attributes
            )
        return rule

    return register


def infer(call: Call) -> list[Value]:
    """The outputs of one operator.

    It is Refused if it is not in the list, or has inputs, outputs or attributes that it should not
    have; inputs that do not go together are a Misfit.
    """
    node = call.node
    found = OPERATORS.get(node.op)
    if found is None:
        raise Refused(f"operator {node.op!r} is none that networks of feature maps need")
    if len(node.inputs) not in found.inputs or len(node.outputs) not in found.outputs:
        call.refuse(f"has {len(node.inputs)} inputs and {len(node.outputs)} outputs")
    for name, attribute in node.attributes.items():
        if found.attributes.get(name) != attribute.kind:
            call.refuse(f"has an attribute {name!r} ({attribute.kind}), which is not known")
    outputs = found.rule(call)
    listed = outputs if isinstance(outputs, list) else [outputs]
    if call.work == 0:
        call.work = sum(value.array.size for value in [*listed, *filter(None, call.inputs)])
    return listed
