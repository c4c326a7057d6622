"""Small ONNX models written byte by byte: no package that writes ONNX is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyimgano.features.backbones.onnx.backbone import OnnxBackbone
from pyimgano.features.backbones.onnx.engines import FLOAT32_ENGINES
from pyimgano.features.patches.layer_maps import LayerPatches

#: Engines that run any model; OpenCV's classic one is for convolutions.
FOR_ANY_MODEL = tuple(name for name in FLOAT32_ENGINES if name != "opencv-classic")
#: Leaves images as they are.
PLAIN = ([0.0] * 3, [1.0] * 3)


def onnx_patches(model: Any, *, batch_size: int = 8, **given: Any) -> LayerPatches:
    """An ONNX model's patches."""
    return LayerPatches(OnnxBackbone(model, **given), batch_size=batch_size)


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative ones as two's complement
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def value(name: str, shape: Sequence[int | None], kind: int = 1) -> bytes:
    """A ValueInfoProto."""
    dims = b"".join(
        field(1, field(2, f"d{i}".encode()) if side is None else field(1, side))
        for i, side in enumerate(shape)
    )
    return field(1, name.encode()) + field(2, field(1, field(1, kind) + field(2, dims)))


#: ONNX's numbers of element types.
KINDS = {"float32": 1, "int64": 7, "bool": 9, "float16": 10}


def tensor_proto(name: str, array: np.ndarray, *, external: str | None = None) -> bytes:
    """A TensorProto; ``external`` is the file that holds its values."""
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    dims = b"".join(field(1, side) for side in array.shape)
    data = field(9, array.tobytes())
    if external is not None:
        entries = {"location": external, "offset": "0", "length": str(array.nbytes)}
        data = b"".join(
            field(13, field(1, key.encode()) + field(2, text.encode()))
            for key, text in entries.items()
        ) + field(14, 1)
    return dims + field(2, KINDS[array.dtype.name]) + field(8, name.encode()) + data


def tensor(name: str, array: np.ndarray, *, external: str | None = None) -> bytes:
    """The same as a field of a graph."""
    return field(5, tensor_proto(name, array, external=external))


def attribute(name: str, given: object) -> bytes:
    """An attribute of a node, as a field of it."""
    if isinstance(given, str):
        content = field(4, given.encode()) + field(20, 3)
    elif isinstance(given, int):
        content = field(3, given) + field(20, 2)
    elif isinstance(given, np.ndarray):
        content = field(5, tensor_proto("", given)) + field(20, 4)
    else:
        assert isinstance(given, (list, tuple))
        content = b"".join(field(8, each) for each in given) + field(20, 7)
    return field(5, field(1, name.encode()) + content)


def node(op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: object) -> bytes:
    """A NodeProto, as a field of a graph."""
    names = b"".join(field(1, name.encode()) for name in inputs)
    names += b"".join(field(2, name.encode()) for name in outputs)
    listed = b"".join(attribute(name, given) for name, given in attributes.items())
    return field(1, names + field(4, op.encode()) + listed)


def convolution(source: str, target: str) -> list[bytes]:
    """A 2 x 2 convolution of stride 2 without padding, as fields of a graph."""
    inputs = [source, f"{target}_weight"]
    return [node("Conv", inputs, [target], kernel_shape=(2, 2), strides=(2, 2))]


def graph(parts: Sequence[bytes], inputs: Sequence[bytes], outputs: Sequence[bytes]) -> bytes:
    """A GraphProto."""
    ends = b"".join(field(11, v) for v in inputs) + b"".join(field(12, v) for v in outputs)
    return b"".join(parts) + field(2, b"g") + ends


def model(graph: bytes) -> bytes:
    """A ModelProto of operator set 17."""
    return field(1, 8) + field(7, graph) + field(8, field(1, b"") + field(2, 17))


def tiny(
    shape: Sequence[int | None] = (None, 3, None, None),
    *,
    external: str | None = None,
    flat: bool = False,
) -> bytes:
    """Two outputs: ``fine`` sums 2 x 2 pixels over the channels, ``coarse`` 2 x 2 of those.

    ``external`` names another file for a weight; ``flat`` makes a vector of ``coarse``.
    """
    last = "sums" if flat else "coarse"
    parts = [
        *convolution("image", "fine"),
        *convolution("fine", last),
        tensor("fine_weight", np.ones((1, 3, 2, 2)), external=external),
        tensor(f"{last}_weight", np.ones((1, 1, 2, 2))),
    ]
    coarse: Sequence[int | None] = (None, 1, None, None)
    if flat:
        parts.append(node("Flatten", ["sums"], ["coarse"]))
        coarse = (None, None)
    outputs = [value("fine", (None, 1, None, None)), value("coarse", coarse)]
    return model(graph(parts, [value("image", shape)], outputs))
