"""A model written anew, from what was understood and nothing else.

Names of operators, comments, metadata, shapes in between and weights that nothing uses are left
out; every weight is written in one way, as little-endian bytes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.features.backbones.onnx.reader.model import (
    ATTRIBUTES,
    CODES,
    Attribute,
    Graph,
    Node,
    Shape,
)
from pyimgano.features.backbones.onnx.reader.wire import (
    write_bytes,
    write_float,
    write_int,
    write_text,
)

#: From this version of the format on, weights need not be listed as inputs.
_LEAST_IR_VERSION = 4
_NUMBERS = {kind: number for number, kind in ATTRIBUTES.items()}

Parts = list[bytes | memoryview]


def write_model(graph: Graph, ends: Mapping[str, tuple[int, int]]) -> bytes:
    """The bytes of a model; ``ends`` are those of ``OnnxModel``."""
    used = {name for node in graph.nodes for name in node.inputs} | set(graph.outputs)
    parts: Parts = []
    for node in graph.nodes:
        parts += write_bytes(1, *_node(node))
    parts.append(write_text(2, "graph"))
    for name, array in graph.weights.items():
        if name in used:
            parts += write_bytes(5, *_tensor(name, array))
    for name, (code, shape) in graph.inputs.items():
        parts += write_bytes(11, *_value_info(name, code, shape or (None, 3, None, None)))
    for name in graph.outputs:
        code, rank = ends[name]
        parts += write_bytes(12, *_value_info(name, code, (None,) * rank))
    version = write_int(1, max(graph.ir_version, _LEAST_IR_VERSION))
    opset = write_bytes(8, write_text(1, ""), write_int(2, graph.opset))
    return b"".join([version, *write_bytes(7, *parts), *opset])


def _node(node: Node) -> Parts:
    parts: Parts = [write_text(1, name) for name in node.inputs]
    parts += [write_text(2, name) for name in node.outputs]
    parts.append(write_text(4, node.op))
    for name, value in node.attributes.items():
        parts += write_bytes(5, write_text(1, name), *_attribute(value))
    return parts


def _attribute(attribute: Attribute) -> Parts:
    value, number = attribute.value, _NUMBERS[attribute.kind]
    kind = write_int(20, number)
    if attribute.kind == "t":
        return [*write_bytes(5, *_tensor("", value)), kind]
    if attribute.kind == "s":
        return [write_text(4, value), kind]
    values = value if isinstance(value, tuple) else (value,)
    field = {"f": 2, "i": 3, "floats": 7, "ints": 8}[attribute.kind]
    write = write_float if attribute.kind in ("f", "floats") else write_int
    return [*(write(field, each) for each in values), kind]


def _tensor(name: str, array: NDArray[Any]) -> Parts:
    parts: Parts = [write_int(1, side) for side in array.shape]
    parts += [write_int(2, CODES[array.dtype]), write_text(8, name)]
    data = np.ascontiguousarray(array)
    return [*parts, *write_bytes(9, data.reshape(-1).view(np.uint8).data)]


def _value_info(name: str, code: int, shape: Shape) -> Parts:
    dims: Parts = []
    for i, side in enumerate(shape):
        free = write_text(2, f"{name}_{i}")
        dims += write_bytes(1, free if side is None else write_int(1, side))
    tensor = write_bytes(1, write_int(1, code), *write_bytes(2, *dims))
    return [write_text(1, name), *write_bytes(2, *tensor)]
