"""Shape arithmetic of a model for one size of image, done before an engine sees it.

Exporters leave dozens of small operators that compute with heights and widths, and engines differ
in what they make of them: OpenCV's newer one stops at ranges whose ends are of two types.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.features.backbones.onnx.reader.calls import Misfit
from pyimgano.features.backbones.onnx.reader.check import walk
from pyimgano.features.backbones.onnx.reader.model import Graph

#: Batches of which none may change a value that is written down.
_BATCHES = (1, 2, 5)
#: Elements of such a value: a position table of a transformer is computed by the engine.
_MOST_ELEMENTS = 1 << 10


def fold(graph: Graph) -> Graph:
    """The same with weights in place of what is known before any pixel is, if its size is fixed."""
    ((_, shape),) = graph.inputs.values()
    size = [side for side in shape[2:] if side is not None]
    if len(size) < 2:
        return graph
    found: dict[str, NDArray[Any]] | None = None
    for n in (shape[0],) if shape[0] else _BATCHES:
        try:
            known = walk(graph, (n, 3, *size)).known
        except Misfit:
            return graph
        found = known if found is None else {k: v for k, v in found.items() if _same(v, known[k])}
    small = {k: v for k, v in (found or {}).items() if v.size <= _MOST_ELEMENTS}
    return _replaced(graph, {k: v for k, v in small.items() if k not in graph.outputs})


def _same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.shape == b.shape and np.array_equal(a, b)


def _replaced(graph: Graph, values: dict[str, NDArray[Any]]) -> Graph:
    """Without the operators that made the values, and those that only served these."""
    used = set(graph.outputs)
    kept = []
    for node in reversed(graph.nodes):
        needed = used.intersection(node.outputs) - values.keys()
        if needed and not values.keys() & set(node.outputs):
            kept.append(node)
            used.update(node.inputs)
    weights = {**graph.weights, **{k: v for k, v in values.items() if k in used}}
    return replace(graph, nodes=tuple(reversed(kept)), weights=weights)
