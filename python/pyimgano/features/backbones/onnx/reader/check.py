"""A model walked through, operator by operator, at the size of an image.

Engines trust a model's parameters: some stop the process at a stride of zero, compute for ever, or
take whatever memory a shape asks for. So every operator must be one of those that networks of
feature maps need, with parameters that make sense, and what the whole takes is estimated first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Imported for the rules that they register.
from pyimgano.features.backbones.onnx.reader import op_elements, op_layers, op_shapes  # noqa: F401
from pyimgano.features.backbones.onnx.reader.calls import Call, Misfit, Refused, Value, infer
from pyimgano.features.backbones.onnx.reader.model import CODES, DTYPES, Graph

#: What a model may take for a batch: bytes and multiplications, and more of both for each pixel.
#: What it computes from constants, which engines do while they read it, must do with the former.
BYTES, BYTES_PER_PIXEL = 1 << 28, 1 << 13
WORK, WORK_PER_PIXEL = 1 << 33, 1 << 25
#: Sizes tried for a model that takes any: a network may be made for multiples, or for one size.
_NOMINAL = (224, 256, 518, 512, 448, 384, 336, 288, 240, 299, 196, 128, 96, 64, 48, 32, 640, 1024)


@dataclass(frozen=True)
class Estimate:
    """A batch's outputs, and what it takes: bytes at the same time, and multiplications."""

    outputs: dict[str, Value]
    known: dict[str, NDArray[Any]]  #: What is computed whose values no pixel changes.
    n_bytes: int
    work: int


def check_order(graph: Graph) -> None:
    """Every tensor is made once, before it is used: else Refused, by its name."""
    known = {*graph.weights, *graph.inputs}
    for node in graph.nodes:
        for name in node.inputs:
            if name and name not in known:
                raise Refused(f"operator {node.op!r} uses {name!r}, which nothing before it makes")
        for name in node.outputs:
            if not name or name in known:
                raise Refused(f"operator {node.op!r} makes {name!r}, a name that is taken or empty")
            known.add(name)
    for name in graph.outputs:
        if name not in known:
            raise Refused(f"output {name!r} is made by no operator")
    if len(set(graph.outputs)) < len(graph.outputs):
        raise Refused("it has an output twice")


def nominal_ends(graph: Graph) -> dict[str, tuple[int, int]]:
    """Element type, by ONNX's number, and dimensions of each output.

    They are those for images of the size that the model asks for, or of a usual one.
    """
    ((_, shape),) = graph.inputs.values()
    n, _, height, width = shape or (None,) * 4
    first: Misfit | None = None
    for side in _NOMINAL:
        tried = (n or 1, 3, height or side, width or side)
        try:
            outputs = walk(graph, tried).outputs
        except Misfit as error:
            first = first or error
            continue
        return {k: (CODES[v.array.dtype], len(v.shape)) for k, v in outputs.items()}
    raise Refused(f"it fits no usual size of image: {first}")


def walk(graph: Graph, shape: Sequence[int]) -> Estimate:
    """What a batch of this shape takes.

    An operator that is none of those allowed, or has parameters it should not have, is Refused; a
    size that the model does not take, or takes too much memory or time for, is a Misfit.
    """
    ((name, (code, _)),) = graph.inputs.items()
    values = {k: Value(array, True, True) for k, array in graph.weights.items()}
    values[name] = Value(np.broadcast_to(np.zeros((), DTYPES[code]), tuple(shape)), False)
    last_use = _last_uses(graph)
    pixels = shape[0] * shape[2] * shape[3]
    most_bytes = BYTES + BYTES_PER_PIXEL * pixels
    most_work = WORK + WORK_PER_PIXEL * pixels
    live = peak = kept = work = 0
    for number, node in enumerate(graph.nodes):
        inputs = [values[k] if k else None for k in node.inputs]
        call = Call(node, inputs, graph.opset)
        constant = all(value.constant for value in inputs if value is not None)
        for key, value in zip(node.outputs, infer(call), strict=False):
            values[key] = replace(value, constant=constant or value.known)
            live += value.array.nbytes
            kept += value.array.nbytes * values[key].constant
        peak, work = max(peak, live), work + call.work
        if kept > BYTES:
            raise Misfit(
                f"it would keep {kept / 1e6:,.0f} MB that it computes from constants; at most"
                f" {BYTES / 1e6:,.0f} MB are allowed (operator {node.op!r})"
            )
        if peak > most_bytes or work > most_work:
            raise Misfit(
                f"it would take {peak / 1e6:,.0f} MB and {work / 1e9:,.0f} billion operations; at"
                f" most {most_bytes / 1e6:,.0f} MB and {most_work / 1e9:,.0f} billion are allowed"
                f" for {shape[0]} x {shape[2]} x {shape[3]} pixels (operator {node.op!r})"
            )
        for key in {*node.inputs, *node.outputs}:
            # What is computed once is kept.
            if key and last_use.get(key, -1) <= number and _is_freed(values[key], key, graph):
                live -= values[key].array.nbytes
                del values[key]
    known = {k: v.array for k, v in values.items() if v.known and k not in graph.weights}
    return Estimate({name: values[name] for name in graph.outputs}, known, peak, work)


def _is_freed(value: Value, name: str, graph: Graph) -> bool:
    return not value.constant and name not in graph.inputs and name not in graph.outputs


def _last_uses(graph: Graph) -> dict[str, Any]:
    return {name: i for i, node in enumerate(graph.nodes) for name in node.inputs if name}
