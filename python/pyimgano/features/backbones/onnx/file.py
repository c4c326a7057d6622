"""ONNX files as backbones: what one says about itself, and the bytes that engines get.

A file is read here to its last field before any engine sees it, and an engine gets a model written
anew from what was understood. So a file that readers could understand differently is one clear
error whatever the engine, and no engine is asked to follow a file name written inside a model.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pyimgano.errors import InvalidInputError, WeightsError
from pyimgano.features.backbones.onnx.reader.calls import Misfit, Refused
from pyimgano.features.backbones.onnx.reader.check import check_order, nominal_ends, walk
from pyimgano.features.backbones.onnx.reader.fold import fold
from pyimgano.features.backbones.onnx.reader.model import External, Graph, Shape, read_model
from pyimgano.features.backbones.onnx.reader.wire import (
    Malformed,
    Unsupported,
    write_bytes,
    write_text,
)
from pyimgano.features.backbones.onnx.reader.writer import write_model
from pyimgano.images.reading import open_at_once

#: What protocol buffers can hold.
MOST_BYTES = (1 << 31) - 1
_MODEL_METADATA = 14
_FLOAT = 1


@dataclass(frozen=True)
class OnnxModel:
    """An ONNX model: its file's bytes, and what was understood of them."""

    data: bytes
    name: str
    input_name: str
    #: One number or None (any) per axis; empty where the file says nothing.
    input_shape: Shape
    outputs: tuple[str, ...]
    metadata: Mapping[str, str]
    graph: Graph
    #: Element type, by ONNX's number, and dimensions of each output.
    ends: Mapping[str, tuple[int, int]]
    _taken: set[tuple[int, ...]] = field(default_factory=set)

    def written(self) -> bytes:
        """The model for an engine, written from what was understood."""
        return write_model(fold(self.graph), self.ends)

    def check_batch(self, shape: tuple[int, ...]) -> None:
        """Refuse a batch (n, 3, height, width) that the model cannot take, or that takes too
        much.
        """
        if shape in self._taken:
            return
        try:
            walk(self.graph, shape)
        except (Misfit, Refused) as error:
            raise InvalidInputError(
                f"ONNX model {self.name!r} cannot take an image of {shape[2]} x {shape[3]} pixels:"
                f" {error}"
            ) from None
        self._taken.add(shape)

    def output_shapes(self, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]] | None:
        """Shape of each output for a batch of this shape; None if the model does not take it."""
        try:
            outputs = walk(self.graph, shape).outputs
        except (Misfit, Refused):
            return None
        return {name: value.shape for name, value in outputs.items()}


def load_onnx(model: str | os.PathLike[str] | bytes, *, name: str = "model.onnx") -> OnnxModel:
    """Read a model, a file or the content of one, and check that it turns RGB images into maps.

    A WeightsError names the file: there is none; it is no ONNX model, or one cut short; anything in
    it is not understood; weights are in other files; there are operators that networks of feature
    maps do not need, or parameters that they should not have; or not one float32 input (n, 3,
    height, width).
    """
    if not isinstance(model, bytes):
        name, model = Path(model).name, _read(model)
    title = f"ONNX model {name!r}"
    try:
        graph, metadata = read_model(model)
    except Malformed as error:
        raise WeightsError(f"{title} is no ONNX file, or is damaged: {error}") from None
    except Unsupported as error:
        raise WeightsError(f"{title} cannot be used: {error}") from None
    except External as error:
        raise WeightsError(
            f"{title} keeps its weights in other files ({error}): save it as one file"
        ) from None
    taken = _check_input(graph, title)
    if not graph.outputs:
        raise WeightsError(f"{title} has no outputs")
    try:
        check_order(graph)
        ends = nominal_ends(graph)
    except Refused as error:
        raise WeightsError(f"{title} cannot be used: {error}") from None
    return OnnxModel(model, name, *taken, graph.outputs, metadata, graph, ends)


def with_metadata(data: bytes, metadata: Mapping[str, str]) -> bytes:
    """A model with entries added to its metadata; fields of the format may simply be appended."""
    parts: list[bytes | memoryview] = [data]
    for key, value in metadata.items():
        parts += write_bytes(_MODEL_METADATA, write_text(1, key), write_text(2, value))
    return b"".join(parts)


def _check_input(graph: Graph, title: str) -> tuple[str, Shape]:
    if len(graph.inputs) != 1:
        raise WeightsError(
            f"{title} must have one input, a batch of images; it has {len(graph.inputs)}:"
            f" {', '.join(graph.inputs) or 'none'}"
        )
    ((name, (kind, shape)),) = graph.inputs.items()
    if kind != _FLOAT or (shape and (len(shape) != 4 or shape[1] not in (3, None))):
        shown = "x".join("?" if side is None else str(side) for side in shape)
        raise WeightsError(
            f"input {name!r} of {title} must be float32 (n, 3, height, width), RGB; it is"
            f" {'float32' if kind == _FLOAT else f'of ONNX type {kind}'} ({shown})"
        )
    return name, shape


def _read(path: str | os.PathLike[str]) -> bytes:
    shown = os.fspath(path)
    try:
        with open(path, "rb", opener=open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise WeightsError(f"ONNX model {shown!r} does not exist or is not a file")
            if status.st_size > MOST_BYTES:
                raise WeightsError(
                    f"ONNX model {shown!r} has {status.st_size:,} bytes; the format ends at 2 GiB"
                )
            return file.read(status.st_size)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise WeightsError(f"ONNX model {shown!r} does not exist or is not a file") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise WeightsError(f"ONNX model {shown!r} cannot be read: {reason}") from error
