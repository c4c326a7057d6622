"""Patch features from an ONNX model: no torch needed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, WeightsError
from pyimgano.features.base import PatchGrid, equal_sizes
from pyimgano.features.normalization import Normalization, resolve_normalization
from pyimgano.features.onnx_engines import DEFAULT_ENGINE, create_engine
from pyimgano.features.onnx_file import OnnxModel, load_onnx
from pyimgano.features.pooling import aggregate_arrays
from pyimgano.registry import unknown_name
from pyimgano.utils.checks import check_count

Array = NDArray[np.float32]


class OnnxFeatures:
    """Named outputs of an ONNX model, pooled as PatchCore does.

    The model takes float32 (n, 3, height, width), RGB, scaled by ``normalization``, and gives
    feature maps (n, channels, height, width). ``pyimgano export-backbone`` writes such models.
    Everything is computed on the CPU, and in float32 unless ``engine`` says otherwise.

    Parameters
    ----------
    model
        File, or the content of one.
    layers
        Names of outputs, in the order in which their channels are joined; patches lie on the
        finest one's grid. None: all outputs in the order of the file.
    normalization
        ``"imagenet"`` or (mean, std) of RGB in [0, 1]. A model that ``export-backbone`` wrote
        says what it needs, and anything else is refused.
    engine
        ``"opencv"`` (cv2.dnn, core install), ``"onnxruntime"`` (extra ``onnx``), ``"openvino"``
        or, with the network in bfloat16, ``"openvino-bf16"`` (extra ``openvino``).
    batch_size
        Images per pass; a model made for single images gets them one by one.
    name
        What a model that comes as bytes is called in messages and descriptions.

    Attributes
    ----------
    backbone : str
        The network's name where the model says it, else that of the file.
    weights_info : dict
        ``weights``, the model's file name, and size and SHA-256 of its content.

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
    Threads may share an extractor. With ``"opencv"`` they take turns inside the network.
    Pickling takes the model's bytes along and reads them anew.
    """

    needs_fit = False

    def __init__(
        self,
        model: str | os.PathLike[str] | bytes,
        *,
        layers: Sequence[str] | None = None,
        normalization: Normalization = "imagenet",
        engine: str = DEFAULT_ENGINE,
        batch_size: int = 8,
        name: str = "model.onnx",
    ) -> None:
        check_count("batch_size", batch_size)
        self._model = load_onnx(model, name=name)
        self.engine = engine
        self.layers = _resolve_layers(self._model, layers)
        self.normalization = resolve_normalization(normalization)
        _check_normalization(self._model, self.normalization)
        mean, std = (np.array(part, dtype=np.float32) for part in self.normalization)
        self._mean, self._std = mean[:, None, None], std[:, None, None]
        self._size = self._model.input.shape[2:] or (None, None)
        self.batch_size = self._largest_batch(batch_size)
        digest = hashlib.sha256(self._model.data).hexdigest()
        self.weights_info = {
            "weights": self._model.name,
            "weights_bytes": len(self._model.data),
            "weights_sha256": digest,
        }
        self.backbone = self._exported().get("backbone", self._model.name)
        self._picks = [self._model.outputs.index(layer) for layer in self.layers]
        self._engine = create_engine(engine, self._model)

    def onnx_bytes(self) -> bytes:
        """The model, as read: another ``OnnxFeatures`` can be made of it."""
        return self._model.data

    def fit(self, images: Iterable[Array], *, random_state: int = 0) -> Self:
        """Nothing to learn: the backbone stays as it is."""
        return self

    def extract_batch(self, images: Sequence[Array]) -> list[PatchGrid]:
        """Features of each image; images of equal size share a pass.

        Parameters
        ----------
        images
            float32 (H, W, 3), RGB in [0, 1].

        Returns
        -------
        list of PatchGrid
            On the grid of the finest layer.

        Raises
        ------
        InvalidInputError
            The model cannot take images of this size, or they are too small for it, or it would
            take more memory or time for them than a network of feature maps does.
        WeightsError
            An output is not a feature map, or holds NaN or infinity.
        """
        features: list[PatchGrid] = []
        for batch in equal_sizes(images, self.batch_size):
            self.check_size(*batch[0].shape[:2])
            features.extend(map(PatchGrid.of, self._forward(batch)))
        return features

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Nothing is fitted."""
        return {}

    def set_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Nothing is fitted."""

    def describe(self) -> dict[str, Any]:
        """Backbone, layers, normalization, engine, and the origin of the model.

        ``exported_from`` names the weights that ``export-backbone`` made the model of.
        """
        mean, std = self.normalization
        found: dict[str, Any] = {
            "backbone": self.backbone,
            "layers": list(self.layers),
            "normalization": [mean, std],
            "engine": self.engine,
            **self.weights_info,
        }
        keys = ("weights", "weights_sha256")
        if origin := {k: v for k, v in self._exported().items() if k in keys}:
            found["exported_from"] = origin
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        make = partial(
            OnnxFeatures,
            layers=self.layers,
            normalization=self.normalization,
            engine=self.engine,
            batch_size=self.batch_size,
            name=self._model.name,
        )
        return make, (self._model.data,)

    def _exported(self) -> dict[str, str]:
        """Metadata of a model that pyimgano exported; others may mean other things by them."""
        metadata = self._model.metadata
        return dict(metadata) if "pyimgano_version" in metadata else {}

    def _largest_batch(self, batch_size: int) -> int:
        fixed = self._model.input.shape[0] if self._model.input.shape else None
        if fixed not in (None, 1):
            raise WeightsError(
                f"ONNX model {self._model.name!r} takes batches of exactly {fixed} images: export"
                " it with a free batch size, or for single images"
            )
        return fixed or batch_size

    def check_size(self, height: int, width: int) -> None:
        """Refuse a size that the model is not made for."""
        if any(f not in (None, s) for f, s in zip(self._size, (height, width), strict=True)):
            wanted = tuple("any" if side is None else side for side in self._size)
            raise InvalidInputError(
                f"ONNX model {self._model.name!r} takes images of {wanted[0]} x {wanted[1]}"
                f" (height x width), not {height} x {width}: set image_size"
            )

    def _forward(self, images: Sequence[Array]) -> Array:
        height, width = images[0].shape[:2]
        batch = np.empty((len(images), 3, height, width), dtype=np.float32)
        for image, planes in zip(images, batch, strict=True):
            np.subtract(image.transpose(2, 0, 1), self._mean, out=planes)
        batch /= self._std
        self._model.check_batch(batch.shape)
        outputs = self._engine.run(batch)
        return aggregate_arrays(
            [self._as_map(self._model.outputs[i], outputs[i], batch) for i in self._picks]
        )

    def _as_map(self, layer: str, output: Any, batch: Array) -> Array:
        array = np.asarray(output)
        if array.ndim != 4 or len(array) != len(batch) or array.dtype != np.float32:
            raise WeightsError(
                f"output {layer!r} of ONNX model {self._model.name!r} is {array.dtype}"
                f" {array.shape}, not float32 feature maps (n, channels, height, width) of"
                f" {len(batch)} images: choose others with layers=[...]"
            )
        if 0 in array.shape:
            raise InvalidInputError(
                f"an image of {batch.shape[2]} x {batch.shape[3]} pixels is too small for ONNX"
                f" model {self._model.name!r}: output {layer!r} is {array.shape}"
            )
        # The sum is NaN or infinite if any value is; only then is it worth a second look.
        if not np.isfinite(array.sum(dtype=np.float64)) and not np.isfinite(array).all():
            raise WeightsError(
                f"output {layer!r} of ONNX model {self._model.name!r} holds NaN or infinity"
            )
        return array


def _resolve_layers(model: OnnxModel, layers: Sequence[str] | None) -> tuple[str, ...]:
    if layers is None:
        return model.outputs
    if isinstance(layers, str) or not layers:
        raise InvalidInputError(f"layers must be a list of output names, got {layers!r}")
    for name in layers:
        if name not in model.outputs:
            raise unknown_name(f"output of ONNX model {model.name!r}", name, model.outputs)
    return tuple(layers)


def _check_normalization(model: OnnxModel, given: tuple[list[float], list[float]]) -> None:
    """Refuse another normalization than the one that an exported model names."""
    if "pyimgano_version" not in model.metadata:
        return
    try:
        needed = resolve_normalization(json.loads(model.metadata["normalization"]))
    except (KeyError, ValueError) as error:
        raise WeightsError(
            f"ONNX model {model.name!r} names no valid normalization in its metadata: {error}"
        ) from None
    if needed != given:
        raise InvalidInputError(
            f"ONNX model {model.name!r} needs normalization=({needed[0]}, {needed[1]}),"
            f" got ({given[0]}, {given[1]})"
        )
