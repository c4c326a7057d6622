"""A model as it was understood, built from the messages of a file."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.features.backbones.onnx.reader.messages import MODEL
from pyimgano.features.backbones.onnx.reader.wire import (
    Budget,
    Malformed,
    Unsupported,
    joined,
    read_message,
)

#: Element types that are read: ONNX's number and NumPy's type.
DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    2: np.dtype("u1"),
    3: np.dtype("i1"),
    6: np.dtype("<i4"),
    7: np.dtype("<i8"),
    9: np.dtype("?"),
    10: np.dtype("<f2"),
    11: np.dtype("<f8"),
}
#: ONNX's numbers of the types above.
CODES: dict[np.dtype[Any], int] = {dtype: code for code, dtype in DTYPES.items()}
#: Operator sets whose operators mean what the checks suppose.
OPSETS = range(7, 28)
_IR_VERSIONS = range(3, 32)
_MOST_ELEMENTS = 1 << 31
#: Typed fields of a tensor, each with the types whose values it may hold.
_TYPED = {
    "float_data": (1,),
    "int32_data": (2, 3, 6, 9, 10),
    "int64_data": (7,),
    "double_data": (11,),
}
_WIDE = {"float_data": "<f4", "int32_data": "<i8", "int64_data": "<i8", "double_data": "<f8"}

Shape = tuple[int | None, ...]


#: Kinds of attributes that are read: ONNX's number and the field that holds the value.
ATTRIBUTES = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints"}


class External(Exception):
    """A tensor in another file."""


@dataclass(frozen=True)
class Attribute:
    """A parameter of an operator: ``kind`` is one of `ATTRIBUTES`' values; lists are tuples."""

    kind: str
    value: Any


@dataclass(frozen=True)
class Node:
    """One operator: its inputs ("" where one is left out), outputs and attributes by name."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True)
class Graph:
    """What a model computes; weights are arrays that view the file's bytes."""

    nodes: tuple[Node, ...]
    weights: Mapping[str, NDArray[Any]]
    inputs: Mapping[str, tuple[int, Shape]]
    outputs: tuple[str, ...]
    opset: int
    ir_version: int


def read_model(data: bytes) -> tuple[Graph, dict[str, str]]:
    """A model's graph and metadata; whatever is not understood in it is an error."""
    message = read_message(memoryview(data), MODEL, "the model", Budget())
    if "graph" not in message:
        raise Malformed("it holds no graph")
    graph = message["graph"]
    weights: dict[str, NDArray[Any]] = {}
    for tensor in graph.get("initializer", []):
        name = tensor.get("name", "")
        if not name or name in weights:
            raise Malformed(f"a weight has the name {name!r}, which is taken or empty")
        weights[name] = _tensor(tensor, name)
    ends = [_end(info) for info in graph.get("input", [])]
    # Old files list their weights as inputs, too.
    inputs = {name: (code, shape) for name, code, shape in ends if name not in weights}
    if len({name for name, *_ in ends}) < len(ends):
        raise Malformed("two inputs have the same name")
    return (
        Graph(
            nodes=tuple(_node(node) for node in graph.get("node", [])),
            weights=weights,
            inputs=inputs,
            outputs=tuple(_end(info)[0] for info in graph.get("output", [])),
            opset=_opset(message.get("opset_import", [])),
            ir_version=_ir_version(message.get("ir_version", 0)),
        ),
        _metadata(message.get("metadata_props", [])),
    )


def _opset(imports: list[dict[str, Any]]) -> int:
    versions = [o.get("version", 0) for o in imports if o.get("domain", "") in ("", "ai.onnx")]
    if len(versions) != 1 or versions[0] not in OPSETS:
        raise Unsupported(
            f"operator set {', '.join(map(str, versions)) or 'none'}, not one of"
            f" {OPSETS[0]} to {OPSETS[-1]}"
        )
    return int(versions[0])


def _ir_version(version: int) -> int:
    if version not in _IR_VERSIONS:
        raise Unsupported(f"format version {version}, not {_IR_VERSIONS[0]} to {_IR_VERSIONS[-1]}")
    return version


def _metadata(entries: list[dict[str, str]]) -> dict[str, str]:
    found = {entry.get("key", ""): entry.get("value", "") for entry in entries}
    if len(found) < len(entries):
        raise Malformed("its metadata have a key twice")
    return found


def _end(info: dict[str, Any]) -> tuple[str, int, Shape]:
    """Name, element type (0 where it is not said) and shape of an input or output."""
    tensor = info.get("type", {}).get("tensor_type", {})
    sides: list[int | None] = []
    for dim in tensor.get("shape", {}).get("dim", []):
        if "dim_value" in dim and "dim_param" in dim:
            raise Malformed("a side that is a number and a name")
        side = dim.get("dim_value", 0)
        # Zero and negative sides are how some writers spell "any".
        sides.append(side if 0 < side < 1 << 31 else None)
    return info.get("name", ""), tensor.get("elem_type", 0), tuple(sides)


def _tensor(message: dict[str, Any], name: str) -> NDArray[Any]:
    """The values, of just the number that the shape says."""
    title = f"tensor {name!r}"
    if "external_data" in message or message.get("data_location", 0) != 0:
        raise External(title)
    code = message.get("data_type", 0)
    dtype = DTYPES.get(code)
    if dtype is None:
        raise Unsupported(f"{title} of ONNX element type {code}")
    shape = tuple(int(side) for side in joined(message.get("dims", []), "<i8"))
    count = math.prod(shape)
    if any(side < 0 for side in shape) or count >= _MOST_ELEMENTS:
        raise Malformed(f"{title} has the shape {shape}")
    present = [key for key in ("raw_data", *_TYPED) if len(message.get(key, ()))]
    if len(present) > 1 or (present and code not in _TYPED.get(present[0], DTYPES)):
        raise Malformed(f"{title} of {dtype} has its values in {' and '.join(present)}")
    values = _values(message, present[0], dtype, title) if present else np.zeros(0, dtype)
    if len(values) != count:
        raise Malformed(f"{title} holds {len(values):,} values for the shape {shape}")
    if dtype.kind == "f" and np.isnan(values.sum(dtype=np.float64)) and np.isnan(values).any():
        raise Malformed(f"{title} holds NaN")
    return values.reshape(shape)


def _values(message: dict[str, Any], key: str, dtype: np.dtype[Any], title: str) -> NDArray[Any]:
    if key == "raw_data":
        raw = message[key]
        if len(raw) % dtype.itemsize:
            raise Malformed(f"{title} ends within a number")
        values: NDArray[Any] = np.frombuffer(raw, "u1" if dtype == "?" else dtype)
        return _narrow(values, dtype, title) if dtype == "?" else values
    values = joined(message[key], _WIDE[key])
    if dtype == "<f2":  # their bits, as numbers
        return _narrow(values, np.dtype("<u2"), title).view("<f2")
    return _narrow(values, dtype, title)


def _narrow(values: NDArray[Any], dtype: np.dtype[Any], title: str) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        narrow = values.astype(dtype, copy=False)
    if dtype.kind != "f" and np.any(narrow != values):
        raise Malformed(f"{title} holds numbers that are no {dtype}")
    return narrow


def _node(message: dict[str, Any]) -> Node:
    op = message.get("op_type", "")
    if message.get("domain", "") not in ("", "ai.onnx"):
        raise Unsupported(f"operator {op!r} of {message['domain']!r}, not of ONNX itself")
    attributes: dict[str, Attribute] = {}
    for entry in message.get("attribute", []):
        name = entry.get("name", "")
        if name in attributes:
            raise Malformed(f"operator {op!r} has attribute {name!r} twice")
        attributes[name] = _attribute(entry, f"attribute {name!r} of {op!r}")
    return Node(op, tuple(message.get("input", [])), tuple(message.get("output", [])), attributes)


def _attribute(entry: dict[str, Any], title: str) -> Attribute:
    code = entry.get("type", 0)
    kind = ATTRIBUTES.get(code)
    present = [other for other in ATTRIBUTES.values() if other in entry]
    if kind is None or any(other != kind for other in present):
        raise Malformed(f"{title} is of type {code} and holds {' and '.join(present) or 'nothing'}")
    if kind in ("floats", "ints"):  # absent where empty
        numbers = joined(entry.get(kind, []), "<f4" if kind == "floats" else "<i8")
        return Attribute(kind, tuple(_finite(numbers.tolist(), title)))
    if kind not in entry:
        # A zero may be left out by writers of proto3.
        if kind not in ("f", "i"):
            raise Malformed(f"{title} holds nothing")
        return Attribute(kind, 0.0 if kind == "f" else 0)
    value = entry[kind]
    if kind == "t":
        return Attribute(kind, _tensor(value, value.get("name", "")))
    return Attribute(kind, value if kind == "s" else _finite([value], title)[0])


def _finite(numbers: list[Any], title: str) -> list[Any]:
    if not all(map(math.isfinite, numbers)):
        raise Malformed(f"{title} holds NaN or infinity")
    return numbers
