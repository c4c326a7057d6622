"""A torchvision backbone as an ONNX model, cut after the last layer in use."""

from __future__ import annotations

import copy
import inspect
import json
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyimgano.errors import InvalidInputError, WeightsError
from pyimgano.features.onnx_backbone import OnnxFeatures
from pyimgano.features.onnx_engines import DEFAULT_ENGINE
from pyimgano.features.onnx_file import with_metadata
from pyimgano.kernels import version
from pyimgano.utils.optional_deps import require

if TYPE_CHECKING:
    from pyimgano.features.torchvision_backbone import TorchvisionFeatures

#: Largest difference between the features of the network and of its export, as a share of the
#: longest feature vector.
TOLERANCE = 1e-4
# Known to every engine in use, and to those of some years ago.
_OPSET = 17
_INPUT = "image"
_SMALL = ((32, 40), (64, 64))


def export_features(
    features: TorchvisionFeatures,
    *,
    engine: str = DEFAULT_ENGINE,
    image_size: int = 256,
    used_at: tuple[int, int] | None = None,
) -> OnnxFeatures:
    """The same extractor without torch, checked against the original.

    Parameters
    ----------
    features
        What to export; its layers become the outputs, under their names.
    engine
        What runs the model from now on, and in the check.
    image_size
        Side of the square image that the export is traced with.
    used_at
        Height and width that the features must agree at as well.

    Returns
    -------
    OnnxFeatures
        Takes any number of images of any size.

    Raises
    ------
    MissingDependencyError
        The package onnx is not installed.
    WeightsError
        torch cannot export the network, or the engine cannot read it.
    InvalidInputError
        The export does not give the network's features (within `TOLERANCE`), at ``image_size``,
        ``used_at``, or a larger or a small size.
    """
    if image_size < 1:
        raise InvalidInputError(f"image_size must be at least 1 pixel, got {image_size}")
    features = _on_cpu(features)
    exported = OnnxFeatures(
        with_metadata(_trace(features, image_size), _metadata(features)),
        layers=features.layers,
        normalization=features.normalization,
        engine=engine,
        batch_size=features.batch_size,
        name=f"{features.backbone}.onnx",
    )
    sizes = [(image_size, image_size)] * 2  # in one batch
    # Networks that compute with the traced size (Swin) differ at some sizes and not at others.
    sizes += [(image_size + 37, image_size + 90), *([used_at] if used_at else [])]
    _check(features, exported, sizes + _that_fit(features, _SMALL))
    return exported


def _on_cpu(features: TorchvisionFeatures) -> TorchvisionFeatures:
    """The same extractor on the CPU: on a GPU convolutions may be rounded to TF32."""
    import torch

    if torch.device(features.device).type == "cpu":
        return features
    found = copy.copy(features)
    found.to_device("cpu")
    return found


def _trace(features: TorchvisionFeatures, image_size: int) -> bytes:
    import torch

    # Imported by torch only at the end of a long export, whose error does not say what to do.
    require("onnx", extra="export", purpose="exporting a backbone")
    body = copy.deepcopy(features.body)

    class Outputs(torch.nn.Module):
        """Maps in a tuple, in the order of the layers."""

        def __init__(self) -> None:
            super().__init__()
            self.body = body

        def forward(self, image: Any) -> tuple[Any, ...]:
            maps = self.body(image)
            return tuple(features.as_map(layer, maps[layer]) for layer in features.layers)

    free = {0: "n", 2: "height", 3: "width"}
    axes = {_INPUT: free} | {
        layer: {0: "n", 2: f"height_{i}", 3: f"width_{i}"}
        for i, layer in enumerate(features.layers)
    }
    options: dict[str, Any] = {}
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        # The exporter that every supported torch has; the other one needs onnxscript.
        options["dynamo"] = False
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            warnings.catch_warnings(),
            torch.inference_mode(),
        ):
            file = Path(folder) / "model.onnx"
            # That this exporter is the older one, and that traced sizes are constants: the check
            # below tries other sizes.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                Outputs().eval(),
                (torch.zeros(1, 3, image_size, image_size),),
                file,
                input_names=[_INPUT],
                output_names=list(features.layers),
                dynamic_axes=axes,
                opset_version=_OPSET,
                **options,
            )
            return file.read_bytes()
    except InvalidInputError:
        raise
    except Exception as error:  # whatever the traced code or the exporter raises
        gist = str(error).partition("\n")[0]
        raise WeightsError(f"{features.backbone} cannot be exported to ONNX: {gist}") from error


def _metadata(features: TorchvisionFeatures) -> dict[str, str]:
    info = features.weights_info
    return {
        "pyimgano_version": version(),
        "backbone": features.backbone,
        "layers": json.dumps(list(features.layers)),
        "weights": info["weights"],
        "weights_sha256": info["weights_sha256"] or "",
        "normalization": json.dumps(list(features.normalization)),
    }


def _that_fit(
    features: TorchvisionFeatures, sizes: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Those sizes that are not too small for the network."""

    def fits(size: tuple[int, int]) -> bool:
        try:
            features.extract_batch([np.zeros((*size, 3), np.float32)])
        except InvalidInputError:
            return False
        return True

    return [size for size in sizes if fits(size)]


def _check(
    features: TorchvisionFeatures, exported: OnnxFeatures, sizes: Sequence[tuple[int, int]]
) -> None:
    """One image of noise of each size."""
    rng = np.random.default_rng(0)
    images = [rng.random((*size, 3), dtype=np.float32) for size in sizes]
    wanted = features.extract_batch(images)
    try:
        got = exported.extract_batch(images)
    except InvalidInputError as error:
        raise InvalidInputError(
            f"the export of {features.backbone} does not work: {error}"
        ) from error
    for size, a, b in zip(sizes, wanted, got, strict=True):
        if (a.shape, a.rows.shape) != (b.shape, b.rows.shape):
            off = f"shape {b.array.shape} in place of {a.array.shape}"
        else:
            longest = float(np.linalg.norm(a.rows, axis=-1).max())
            share = float(np.linalg.norm(a.rows - b.rows, axis=-1).max()) / max(longest, 1e-30)
            if share <= TOLERANCE:
                continue
            off = f"a relative error of {share:.1e}"
        raise InvalidInputError(
            f"the export of {features.backbone} gives {off} for an image of"
            f" {size[0]} x {size[1]} under {exported.engine}: it cannot be used"
        )
