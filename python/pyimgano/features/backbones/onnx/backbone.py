"""ONNX models as backbones: no torch needed."""

import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, WeightsError
from pyimgano.features.backbones.base import BackboneInfo, LayerInfo
from pyimgano.features.backbones.onnx.engines import DEFAULT_ENGINE, create_engine
from pyimgano.features.backbones.onnx.file import OnnxModel, load_onnx
from pyimgano.features.backbones.onnx.tokens import TokenGrid, find_grid, split_name
from pyimgano.features.backbones.shapes import FIXED, Sample, stride, take_samples
from pyimgano.features.normalization import Normalization, resolve_normalization
from pyimgano.registry import unknown_name

Array = NDArray[np.float32]


class OnnxBackbone:
    """Named outputs of an ONNX model.

    The model takes float32 (n, 3, height, width), RGB, scaled by ``normalization``, and gives
    feature maps (n, channels, height, width), or tokens (n, some + h * w, channels) as transformers
    do: class token and registers are dropped. ``pyimgano export-backbone`` writes such models.
    Everything is computed on the CPU, and in float32 unless ``engine`` says otherwise.

    Parameters
    ----------
    model
        File, or the content of one.
    layers
        Names of outputs. None: all outputs in the order of the file. ``"NAME[5:]"`` leaves out the
        first five tokens of one whose number of tokens does not tell.
    normalization
        ``"imagenet"`` or (mean, std) of RGB in [0, 1]. A model that ``export-backbone`` wrote
        says what it needs, and anything else is refused. None: that, or ``"imagenet"``.
    engine
        ``"opencv"`` (cv2.dnn, core install; by the model's operators either of
        ``"opencv-classic"`` and ``"opencv-new"``), ``"onnxruntime"`` (extra ``onnx``),
        ``"openvino"`` or, with the network in bfloat16, ``"openvino-bf16"`` (extra ``openvino``).
    name
        What a model that comes as bytes is called in messages and descriptions.

    Attributes
    ----------
    info : BackboneInfo
        Its name is the network's where the model says it, else that of the file; ``origin`` has
        ``normalization``, ``engine`` (of OpenCV's two the one that runs it), ``weights`` (the
        model's file name), size and SHA-256 of its content, and ``exported_from``, which names the
        weights that ``export-backbone`` made the model of.

    Raises
    ------
    WeightsError
        No such file; no ONNX model, a damaged one, or one with anything that is not understood or
        not needed (``docs/onnx.md``); one that the engine cannot read; inputs or outputs that are
        not images and feature maps.
    UnknownNameError
        No such engine or output; lists those there are.
    MissingDependencyError
        The engine is not installed.

    Notes
    -----
    Threads may share a backbone. With ``"opencv"`` they take turns inside the network.
    Pickling takes the model's bytes along and reads them anew.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | bytes,
        *,
        layers: Sequence[str] | None = None,
        normalization: Normalization | None = None,
        engine: str = DEFAULT_ENGINE,
        name: str = "model.onnx",
    ) -> None:
        self._model = load_onnx(model, name=name)
        self.engine, self._engine = create_engine(engine, self._model)
        names = _resolve_layers(self._model, layers)
        mean_std = _resolve_normalization(self._model, normalization)
        self._takes_one = _takes_one(self._model)
        exported = self._exported()
        self._grids = _token_grids(self._model, names)
        fixed = _size(self._model)
        patches = [] if all(fixed) else [grid.patch for grid in self._grids.values()]
        self.info = BackboneInfo(
            exported.get("backbone", self._model.name),
            tuple(self._facts(names)),
            mean_std,
            size_multiple=math.lcm(*patches),
            origin=self._origin(mean_std, exported),
            fixed_size=fixed,
        )

    def onnx_bytes(self) -> bytes:
        """The model, as read: another ``OnnxBackbone`` can be made of it."""
        return self._model.data

    def layer_maps(self, batch: Array) -> list[Array]:
        """The maps of each layer: see :class:`~pyimgano.extend.Backbone`.

        Raises
        ------
        InvalidInputError
            The model cannot take images of this size, or would take more memory or time for them
            than a network of feature maps does.
        """
        if self._takes_one and len(batch) > 1:
            each = zip(*(self.layer_maps(one[None]) for one in batch), strict=True)
            return [np.concatenate(maps) for maps in each]
        self._model.check_batch(batch.shape)
        outputs = self._engine.run(batch)
        maps = []
        for layer in self.info.layers:
            output = np.asarray(outputs[self._model.outputs.index(self._output(layer.name))])
            grid = self._grids.get(layer.name)
            maps.append(output if grid is None else grid.as_map(output, batch.shape[2:]))
        return maps

    def _output(self, layer: str) -> str:
        return split_name(layer, self._model.outputs)[0]

    def _facts(self, names: Sequence[str]) -> Iterator[LayerInfo]:
        """Channels and strides as the shapes of the outputs tell them."""
        samples = _samples(self._model)
        for name in names:
            shape = samples[0].shapes[self._output(name)] if samples else ()
            if (grid := self._grids.get(name)) is not None:
                yield LayerInfo(name, shape[2], grid.patch)
            elif len(shape) == 4:
                yield LayerInfo(name, shape[1], stride(samples, name))
            else:
                yield LayerInfo(name, 0, 0)

    def _origin(
        self, mean_std: tuple[list[float], list[float]], exported: dict[str, str]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {
            "normalization": list(mean_std),
            "engine": self.engine,
            "weights": self._model.name,
            "weights_bytes": len(self._model.data),
            "weights_sha256": hashlib.sha256(self._model.data).hexdigest(),
        }
        keys = ("weights", "weights_sha256", "position_embedding")
        if origin := {k: v for k, v in exported.items() if k in keys}:
            found["exported_from"] = origin
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        make = partial(
            OnnxBackbone,
            layers=[layer.name for layer in self.info.layers],
            normalization=self.info.normalization,
            engine=self.engine,
            name=self._model.name,
        )
        return make, (self._model.data,)

    def _exported(self) -> dict[str, str]:
        """Metadata of a model that pyimgano exported; others may mean other things by them."""
        metadata = self._model.metadata
        return dict(metadata) if "pyimgano_version" in metadata else {}


def _takes_one(model: OnnxModel) -> bool:
    fixed = model.input_shape[0] if model.input_shape else None
    if fixed not in (None, 1):
        raise WeightsError(
            f"ONNX model {model.name!r} takes batches of exactly {fixed} images: export it with a"
            " free batch size, or for single images"
        )
    return fixed == 1


def _size(model: OnnxModel) -> tuple[int | None, int | None]:
    height, width = model.input_shape[2:] or (None, None)
    return height, width


def _only(model: OnnxModel) -> list[tuple[int, int]]:
    """Sizes to try where the model may take no other."""
    height, width = _size(model)
    return list(dict.fromkeys((height or h, width or w) for h, w in FIXED))


def _samples(model: OnnxModel) -> list[Sample]:
    return take_samples(lambda size: model.output_shapes((1, 3, *size)), _only(model))


def _token_grids(model: OnnxModel, names: Sequence[str]) -> dict[str, TokenGrid]:
    """The layout of each layer that gives tokens."""
    meant = {name: split_name(name, model.outputs) for name in names}
    of_tokens = [name for name, (output, _) in meant.items() if model.ends[output][1] == 3]
    for name, (output, said) in meant.items():
        if said is not None and name not in of_tokens:
            raise InvalidInputError(
                f"layer {name!r}: output {output!r} of ONNX model {model.name!r} gives no tokens"
                " (n, tokens, channels)"
            )
    if not of_tokens:
        return {}
    tried = [(size, model.output_shapes((1, 3, *size))) for size in _only(model)]
    return {
        name: find_grid(
            *meant[name],
            [(size, shapes[meant[name][0]]) for size, shapes in tried if shapes is not None],
            f"ONNX model {model.name!r}",
        )
        for name in of_tokens
    }


def _resolve_layers(model: OnnxModel, layers: Sequence[str] | None) -> tuple[str, ...]:
    if layers is None:
        return model.outputs
    if isinstance(layers, str) or not layers:
        raise InvalidInputError(f"layers must be a list of output names, got {layers!r}")
    for name in layers:
        if split_name(name, model.outputs)[0] not in model.outputs:
            raise unknown_name(f"output of ONNX model {model.name!r}", name, model.outputs)
    return tuple(layers)


def _resolve_normalization(
    model: OnnxModel, given: Normalization | None
) -> tuple[list[float], list[float]]:
    """What is given, or what an exported model names, for which nothing else will do."""
    if "pyimgano_version" not in model.metadata:
        return resolve_normalization("imagenet" if given is None else given)
    try:
        needed = resolve_normalization(json.loads(model.metadata["normalization"]))
    except (KeyError, ValueError) as error:
        raise WeightsError(
            f"ONNX model {model.name!r} names no valid normalization in its metadata: {error}"
        ) from None
    found = needed if given is None else resolve_normalization(given)
    if needed != found:
        raise InvalidInputError(
            f"ONNX model {model.name!r} needs normalization=({needed[0]}, {needed[1]}),"
            f" got ({found[0]}, {found[1]})"
        )
    return needed
