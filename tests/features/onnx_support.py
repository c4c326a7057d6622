"""Small ONNX models written byte by byte: no package that writes ONNX is needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Leaves images as they are.
PLAIN = ([0.0] * 3, [1.0] * 3)


def varint(value: int) -> bytes:
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


def tensor(name: str, array: np.ndarray, *, external: bool = False) -> bytes:
    """A float32 TensorProto, as a field of a graph."""
    dims = b"".join(field(1, side) for side in array.shape)
    where = field(13, field(1, b"location") + field(2, b"../secret")) + field(14, 1)
    data = where if external else field(9, array.astype("<f4").tobytes())
    return field(5, dims + field(2, 1) + field(8, name.encode()) + data)


def _ints(name: str, values: Sequence[int]) -> bytes:
    listed = b"".join(field(8, v) for v in values)
    return field(5, field(1, name.encode()) + listed + field(20, 7))


def convolution(source: str, target: str) -> list[bytes]:
    """A 2 x 2 convolution of stride 2 without padding, as fields of a graph."""
    attributes = _ints("kernel_shape", (2, 2)) + _ints("strides", (2, 2))
    names = field(1, source.encode()) + field(1, f"{target}_weight".encode())
    node = names + field(2, target.encode()) + field(4, b"Conv") + attributes
    return [field(1, node)]


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
    external: bool = False,
    flat: bool = False,
) -> bytes:
    """Two outputs: ``fine`` sums 2 x 2 pixels over the channels, ``coarse`` 2 x 2 of those.

    ``external`` refers to another file for a weight; ``flat`` makes a vector of ``coarse``.
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
        parts.append(field(1, field(1, b"sums") + field(2, b"coarse") + field(4, b"Flatten")))
        coarse = (None, None)
    outputs = [value("fine", (None, 1, None, None)), value("coarse", coarse)]
    return model(graph(parts, [value("image", shape)], outputs))
