"""What an ONNX file says about itself, read without any engine.

Only the parts of the format that are needed: the names and shapes of inputs and outputs, the
metadata, and whether weights lie in other files. Reading them here first means that a file that is
no ONNX model, or is cut short, is one clear error whatever the engine, and that no engine is asked
to follow a file name written inside a model.

Format: onnx.proto (field numbers below) in the protocol buffers wire format.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pyimgano.errors import WeightsError

_MODEL_GRAPH, _MODEL_METADATA = 7, 14
_GRAPH_NODE, _GRAPH_TENSOR, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_GRAPH_SPARSE = 15
_NODE_ATTRIBUTE = 5
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_TENSOR_NAME, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 8, 13, 14
_FLOAT = 1
_MOST_NESTED = 8

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class OnnxInput:
    """The one input of a model.

    Attributes
    ----------
    name : str
        Its name in the file.
    shape : tuple
        One number or None (any) per axis; empty where the file says nothing.
    """

    name: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class OnnxModel:
    """An ONNX model as bytes, with what it says about itself."""

    data: bytes
    name: str
    input: OnnxInput
    outputs: tuple[str, ...]
    metadata: Mapping[str, str]


def load_onnx(model: str | os.PathLike[str] | bytes, *, name: str = "model.onnx") -> OnnxModel:
    """Read a model and check that it takes one batch of RGB images.

    Parameters
    ----------
    model
        File, or the content of one.
    name
        What messages call a model that comes as bytes.

    Raises
    ------
    WeightsError
        No such file; no ONNX model, or one cut short; weights in other files; not one float32
        input (n, 3, height, width). Names the file.
    """
    if not isinstance(model, bytes):
        name, model = Path(model).name, _read(model)
    title = f"ONNX model {name!r}"
    try:
        inputs, outputs, metadata = _parse(memoryview(model))
    except _Malformed as error:
        raise WeightsError(f"{title} is no ONNX file, or is damaged: {error}") from None
    except _External as error:
        raise WeightsError(
            f"{title} keeps its weights in other files ({error}): save it as one file"
        ) from None
    if len(inputs) != 1:
        raise WeightsError(
            f"{title} must have one input, a batch of images; it has {len(inputs)}:"
            f" {', '.join(inputs) or 'none'}"
        )
    ((input_name, (kind, shape)),) = inputs.items()
    if kind != _FLOAT or (shape and (len(shape) != 4 or shape[1] not in (3, None))):
        shown = "x".join("?" if side is None else str(side) for side in shape)
        raise WeightsError(
            f"input {input_name!r} of {title} must be float32 (n, 3, height, width), RGB; it is"
            f" {'float32' if kind == _FLOAT else f'of ONNX type {kind}'} ({shown})"
        )
    if not outputs:
        raise WeightsError(f"{title} has no outputs")
    return OnnxModel(model, name, OnnxInput(input_name, shape), tuple(outputs), metadata)


def with_metadata(data: bytes, metadata: Mapping[str, str]) -> bytes:
    """A model with entries added to its metadata; fields of the format may simply be appended."""
    entries = bytearray()
    for key, value in metadata.items():
        entry = _field(1, key.encode()) + _field(2, value.encode())
        entries += _field(_MODEL_METADATA, entry)
    return data + bytes(entries)


class _Malformed(Exception):
    pass


class _External(Exception):
    pass


def _read(path: str | os.PathLike[str]) -> bytes:
    shown = os.fspath(path)
    if not Path(path).is_file():
        raise WeightsError(f"ONNX model {shown!r} does not exist or is not a file")
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise WeightsError(f"ONNX model {shown!r} cannot be read: {error.strerror}") from error


_Inputs = dict[str, tuple[int, tuple[int | None, ...]]]


def _parse(data: memoryview) -> tuple[_Inputs, list[str], dict[str, str]]:
    graph: memoryview | None = None
    metadata: dict[str, str] = {}
    for number, value in _fields(data):
        if number == _MODEL_GRAPH:
            graph = _message(value)
        elif number == _MODEL_METADATA:
            entry = dict(_fields(_message(value)))
            metadata[_text(entry.get(1, b""))] = _text(entry.get(2, b""))
    if graph is None:
        raise _Malformed("it holds no graph")
    inputs: _Inputs = {}
    outputs: list[str] = []
    weights = set(_walk(graph, 0))
    for number, value in _fields(graph):
        if number == _GRAPH_INPUT:
            name, kind, shape = _value_info(_message(value))
            if name not in weights:  # old files list their weights as inputs, too
                inputs[name] = (kind, shape)
        elif number == _GRAPH_OUTPUT:
            outputs.append(_value_info(_message(value))[0])
    return inputs, outputs, metadata


def _walk(graph: memoryview, depth: int) -> Iterator[str]:
    """Names of the weights of a graph, once it is sure that none lies in another file."""
    if depth > _MOST_NESTED:
        raise _Malformed("graphs nested too deeply")
    for number, value in _fields(graph):
        if number == _GRAPH_TENSOR:
            yield _tensor_name(_message(value))
        elif number == _GRAPH_SPARSE:
            for part, tensor in _fields(_message(value)):
                if part in (1, 2):
                    yield _tensor_name(_message(tensor))
        elif number == _GRAPH_NODE:
            for part, attribute in _fields(_message(value)):
                if part == _NODE_ATTRIBUTE:
                    _check_attribute(_message(attribute), depth)


def _check_attribute(attribute: memoryview, depth: int) -> None:
    for number, value in _fields(attribute):
        if number in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
            _tensor_name(_message(value))
        elif number in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
            for _ in _walk(_message(value), depth + 1):
                pass


def _tensor_name(tensor: memoryview) -> str:
    name = ""
    external = False
    for number, value in _fields(tensor):
        if number == _TENSOR_NAME:
            name = _text(value)
        external |= number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and value == 1)
    if external:
        raise _External(f"tensor {name!r}")
    return name


def _value_info(value: memoryview) -> tuple[str, int, tuple[int | None, ...]]:
    """Name, element type (0 if it is no tensor) and shape of an input or output."""
    name, kind = "", 0
    shape: list[int | None] = []
    for number, part in _fields(value):
        if number == 1:
            name = _text(part)
        elif number == 2:
            tensor = dict(_fields(_message(part))).get(1, b"")
            for key, inner in _fields(_message(tensor)):
                if key == 1 and isinstance(inner, int):
                    kind = inner
                elif key == 2:
                    dims = [_message(d) for n, d in _fields(_message(inner)) if n == 1]
                    shape = [_side(dict(_fields(dim)).get(1)) for dim in dims]
    return name, kind, tuple(shape)


def _side(value: object) -> int | None:
    # Zero and negative sides are how some writers spell "any".
    return value if isinstance(value, int) and 0 < value < 1 << 31 else None


def _fields(data: memoryview | bytes) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers and values of one message."""
    data = memoryview(data)
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise _Malformed("field 0")
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise _Malformed(f"wire type {kind}")
        if length > len(data) - at:
            raise _Malformed("it ends too early")
        yield number, data[at : at + length]
        at += length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise _Malformed("it ends too early")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _Malformed("a number of more than 64 bits")


def _message(value: int | memoryview | bytes) -> memoryview:
    if isinstance(value, int):
        raise _Malformed("a number where a message belongs")
    return memoryview(value)


def _text(value: int | memoryview | bytes) -> str:
    try:
        return bytes(_message(value)).decode()
    except UnicodeDecodeError:
        raise _Malformed("text that is not UTF-8") from None


def _field(number: int, content: bytes) -> bytes:
    return _number(number << 3 | _BYTES) + _number(len(content)) + content


def _number(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
