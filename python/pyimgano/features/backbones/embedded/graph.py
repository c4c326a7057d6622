"""The network as an ONNX graph: a ResNet of half the inner width, cut after its third stage."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pyimgano.features.backbones.base import LayerInfo
from pyimgano.features.backbones.onnx.reader.model import Attribute, Graph, Node

Array = NDArray[np.float32]

#: The outputs, finest first. That of layer1 has stride 4, which the backbone doubles.
LAYERS = (
    LayerInfo("layer1", 64, 8, averaged=True),
    LayerInfo("layer2", 128, 8),
    LayerInfo("layer3", 256, 16),
)
#: Those that were trained to answer as the teacher's do, for whom nothing is said.
DEFAULT_LAYERS = ("layer2", "layer3")
#: Convolutions before the first stage, each of stride 2.
_STEM = ("stem.0", "stem.3")
#: Name and stride of each stage; a stage has two blocks.
_STAGES = (("layer1", 1), ("layer2", 2), ("layer3", 2))
_FLOAT, _OPSET, _IR_VERSION = 1, 17, 8


def graph_of(weights: Mapping[str, Array], layers: Sequence[str]) -> Graph:
    """A graph from ``image``, float32 (n, 3, h, w), to some of `LAYERS`, and nothing beyond them.

    Parameters
    ----------
    weights
        float32: weights and bias of each convolution.
    layers
        Names of outputs.
    """
    nodes: list[Node] = []

    def add(op: str, inputs: tuple[str, ...], output: str, **ints: tuple[int, ...]) -> str:
        attributes = {name: Attribute("ints", value) for name, value in ints.items()}
        nodes.append(Node(op, inputs, (output,), attributes))
        return output

    def convolve(x: str, name: str, stride: int) -> str:
        kernel: tuple[int, ...] = weights[f"{name}.weight"].shape[2:]
        return add(
            "Conv",
            (x, f"{name}.weight", f"{name}.bias"),
            name,
            kernel_shape=kernel,
            strides=(stride, stride),
            pads=tuple(side // 2 for side in kernel) * 2,
        )

    def block(x: str, name: str, stride: int, output: str) -> str:
        inner = add("Relu", (convolve(x, f"{name}.conv1", stride),), f"{name}.inner")
        if f"{name}.shortcut.0.weight" in weights:
            x = convolve(x, f"{name}.shortcut.0", stride)
        outer = convolve(inner, f"{name}.conv2", 1)
        return add("Relu", (add("Add", (outer, x), f"{name}.sum"),), output)

    x = "image"
    for name in _STEM:
        x = add("Relu", (convolve(x, name, 2),), f"{name}.out")
    wanted = set(layers)
    for name, stride in _STAGES:
        x = block(x, f"{name}.0", stride, f"{name}.0")
        x = block(x, f"{name}.1", 1, name)
        wanted.discard(name)
        if not wanted:
            break
    used = {name for node in nodes for name in node.inputs}
    return Graph(
        nodes=tuple(nodes),
        weights={name: array for name, array in weights.items() if name in used},
        inputs={"image": (_FLOAT, (None, 3, None, None))},
        outputs=tuple(layers),
        opset=_OPSET,
        ir_version=_IR_VERSION,
    )
