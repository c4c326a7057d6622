"""A backbone of torch as an ONNX model, cut after the last layer in use."""

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
from pyimgano.features.backbones.onnx.backbone import OnnxBackbone
from pyimgano.features.backbones.onnx.engines import DEFAULT_ENGINE, in_float32
from pyimgano.features.backbones.onnx.file import with_metadata
from pyimgano.features.normalization import normalised
from pyimgano.features.patches.layer_maps import LayerPatches
from pyimgano.kernels import version
from pyimgano.utils.optional_deps import require

if TYPE_CHECKING:
    from pyimgano.features.backbones.torch_network import TorchBackbone

Size = tuple[int, int]
#: Largest difference between the maps of the network and of its export at a place, as a share of
#: the longest vector of a layer.
TOLERANCE = 1e-4
# Known to every engine in use, and to those of some years ago.
_OPSET = 17
_INPUT = "image"
_SMALL = ((32, 40), (64, 64))


def export_backbone(
    backbone: TorchBackbone,
    *,
    engine: str = DEFAULT_ENGINE,
    image_size: int | Size = 256,
    used_at: Size | None = None,
) -> OnnxBackbone:
    """The same backbone without torch, for any number of images, checked against it.

    Its layers become the outputs, under their names. ``engine`` runs the model from now on, and, in
    float32, in the check. A network of convolutions is traced at ``image_size``, one side of a
    square or both, and the model takes any size: it must give the network's maps (within
    `TOLERANCE`) there, at ``used_at``, and at a larger and a small size. A vision transformer's
    model takes images of ``used_at`` (``image_size`` if that is None) alone, with the position
    embeddings of that size. Other maps, or a size that the network does not take, are an
    InvalidInputError; a network that torch cannot export, or the engine cannot read, is a
    WeightsError.
    """
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    if min(size) < 1:
        raise InvalidInputError(f"image_size must be at least 1 pixel, got {image_size}")
    backbone = _on_cpu(backbone)
    if backbone.has_positions and getattr(backbone.body, "encoder", None) is not None:
        # Its attention is one operator, which torch does not export, and prints the graph instead.
        raise WeightsError(
            f"{backbone.info.name} cannot be exported to ONNX: torchvision's vision transformers"
            " cannot be exported: take the same network from timm"
        )
    if backbone.has_positions:
        size = used_at or size
        LayerPatches(backbone).check_size(*size)
    exported = OnnxBackbone(
        with_metadata(_trace(backbone, size), metadata_of(backbone)),
        layers=_names(backbone),
        normalization=backbone.info.normalization,
        engine=in_float32(engine),
        name=file_name(backbone),
    )
    sizes = [size]
    if not backbone.has_positions:
        # Networks that compute with the traced size (Swin) differ at some sizes and not at others.
        sizes += [(size[0] + 37, size[1] + 90), *([used_at] if used_at else [])]
        sizes += _that_fit(backbone, _SMALL)
    for one in sizes:
        _check(backbone, exported, one)
    if engine == in_float32(engine):
        return exported
    return OnnxBackbone(exported.onnx_bytes(), engine=engine, name=file_name(backbone))


def file_name(backbone: TorchBackbone) -> str:
    """What an export is called."""
    return f"{backbone.info.name.replace(':', '-')}.onnx"


def _names(backbone: TorchBackbone) -> list[str]:
    return [layer.name for layer in backbone.info.layers]


def _on_cpu(backbone: TorchBackbone) -> TorchBackbone:
    """The same one on the CPU: on a GPU convolutions may be rounded to TF32."""
    import torch

    if torch.device(backbone.device).type == "cpu":
        return backbone
    found = copy.copy(backbone)
    found.to_device("cpu")
    return found


def _trace(backbone: TorchBackbone, size: Size) -> bytes:
    import torch

    # Imported by torch only at the end of a long export, whose error does not say what to do.
    require("onnx", extra="export", purpose="exporting a backbone")
    names, fixed = _names(backbone), backbone.has_positions
    body = backbone.body_at(*size) if fixed else copy.deepcopy(backbone.body)

    class Outputs(torch.nn.Module):
        """Maps in a tuple, in the order of the layers."""

        def __init__(self) -> None:
            super().__init__()
            self.body = body

        def forward(self, image: Any) -> tuple[Any, ...]:
            maps = self.body(image)
            return tuple(backbone.as_map(layer, maps[layer]) for layer in names)

    axes = {_INPUT: {0: "n", 2: "height", 3: "width"}} | {
        layer: {0: "n", 2: f"height_{i}", 3: f"width_{i}"} for i, layer in enumerate(names)
    }
    if fixed:
        axes = {name: {0: "n"} for name in axes}
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
                (torch.zeros(1, 3, *size),),
                file,
                input_names=[_INPUT],
                output_names=names,
                dynamic_axes=axes,
                opset_version=_OPSET,
                **options,
            )
            return file.read_bytes()
    except InvalidInputError:
        raise
    except Exception as error:  # whatever the traced code or the exporter raises
        gist = str(error).partition("\n")[0]
        raise WeightsError(f"{backbone.info.name} cannot be exported to ONNX: {gist}") from error


def metadata_of(backbone: TorchBackbone) -> dict[str, str]:
    """What an export says of the network that it was made of."""
    origin = backbone.info.origin
    further = {key: origin[key] for key in ("position_embedding",) if key in origin}
    return {
        **further,
        "pyimgano_version": version(),
        "backbone": backbone.info.name,
        "layers": json.dumps(_names(backbone)),
        "weights": origin["weights"],
        "weights_sha256": origin["weights_sha256"] or "",
        "normalization": json.dumps(list(backbone.info.normalization)),
    }


def _that_fit(backbone: TorchBackbone, sizes: Sequence[Size]) -> list[Size]:
    """Those sizes that are not too small for the network."""

    def fits(size: Size) -> bool:
        try:
            maps = backbone.maps_by_torch(np.zeros((1, 3, *size), np.float32))
        except InvalidInputError:
            return False
        return all(0 not in one.shape for one in maps)

    return [size for size in sizes if fits(size)]


def _check(backbone: TorchBackbone, exported: OnnxBackbone, size: Size) -> None:
    """Two images of noise of a size."""
    noise = np.random.default_rng(0).random((2, *size, 3), dtype=np.float32)
    batch = normalised(list(noise), backbone.info.normalization)
    name = backbone.info.name
    wanted = backbone.maps_by_torch(batch)
    try:
        found = exported.layer_maps(batch)
    except InvalidInputError as error:
        raise InvalidInputError(f"the export of {name} does not work: {error}") from error
    for layer, tensor, b in zip(_names(backbone), wanted, found, strict=True):
        a = tensor.numpy()
        if a.shape != b.shape:
            off = f"maps of shape {b.shape} in place of {a.shape}"
        else:
            longest = float(np.linalg.norm(a, axis=1).max())
            share = float(np.linalg.norm(a - b, axis=1).max()) / max(longest, 1e-30)
            if share <= TOLERANCE:
                continue
            off = f"a relative error of {share:.1e}"
        raise InvalidInputError(
            f"the export of {name} gives {off} in layer {layer!r} for an image of"
            f" {size[0]} x {size[1]} under {exported.engine}: it cannot be used"
        )
