"""What runs the embedded network: the package's own convolutions, or an engine for ONNX models."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pyimgano.features.backbones.embedded.graph import graph_of
from pyimgano.features.backbones.onnx.engines import ENGINES as ONNX_ENGINES
from pyimgano.features.backbones.onnx.engines import OnnxEngine, create_engine
from pyimgano.features.backbones.onnx.reader.model import Graph
from pyimgano.features.backbones.onnx.reader.writer import write_model
from pyimgano.kernels import Convolution, ConvolutionalNetwork
from pyimgano.registry import unknown_name

Array = NDArray[np.float32]

#: In the core install, and the fastest there.
DEFAULT_ENGINE = "rust"
#: Names for ``engine=``.
ENGINES = (DEFAULT_ENGINE, *ONNX_ENGINES)
_FLOAT, _RANK = 1, 4


class RustEngine:
    """The package's own convolutions; threads run them at the same time."""

    def __init__(self, graph: Graph) -> None:
        self._network = ConvolutionalNetwork(*_convolutions(graph))

    def run(self, batch: Array) -> list[Array]:
        """See :class:`OnnxEngine`."""
        return self._network.run(batch)


def embedded_engine(
    engine: str, name: str, weights: Mapping[str, Array], layers: Sequence[str]
) -> OnnxEngine:
    """An embedded network made ready by the engine of that name.

    An UnknownNameError or a MissingDependencyError tells that there is no such engine, or that its
    package is not installed.
    """
    if engine not in ENGINES:
        raise unknown_name("engine", engine, ENGINES)
    graph = graph_of(weights, layers)
    if engine == DEFAULT_ENGINE:
        return RustEngine(graph)
    # Late: its protobuf reader is not needed by the package's own engine, nor by --help.
    from pyimgano.features.backbones.onnx.file import load_onnx

    data = write_model(graph, dict.fromkeys(layers, (_FLOAT, _RANK)))
    return create_engine(engine, load_onnx(data, name=name))[1]


def _convolutions(graph: Graph) -> tuple[list[Convolution], list[int]]:
    """The graph's convolutions, each with the sum and the rectifier that follow it; its outputs.

    A sum in it is of a convolution, named first, and a map from before that.
    """
    found: list[Convolution] = []
    numbers = dict.fromkeys(graph.inputs, 0)
    for node in graph.nodes:
        first = node.inputs[0]
        if node.op == "Conv":
            weights, bias = (graph.weights[name] for name in node.inputs[1:])
            stride = node.attributes["strides"].value[0]
            found.append(Convolution(weights, bias, stride, numbers[first], relu=False))
            numbers[node.outputs[0]] = len(found)
            continue
        at = numbers[first]
        if node.op == "Add":
            found[at - 1] = replace(found[at - 1], residual=numbers[node.inputs[1]])
        else:
            found[at - 1] = replace(found[at - 1], relu=True)
        numbers[node.outputs[0]] = at
    return found, [numbers[name] - 1 for name in graph.outputs]
