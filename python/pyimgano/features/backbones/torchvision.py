"""Any torchvision network as a backbone (extra ``torch``)."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, UnknownNameError
from pyimgano.features.backbones.base import BackboneInfo
from pyimgano.features.backbones.named import list_backbones
from pyimgano.features.backbones.torchvision_layers import find_facts
from pyimgano.features.backbones.torchvision_weights import load_weights
from pyimgano.features.device import check_device
from pyimgano.features.normalization import Normalization, resolve_normalization
from pyimgano.registry import unknown_name
from pyimgano.utils.optional_deps import require

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pyimgano.features.backbones.onnx.backbone import OnnxBackbone


class TorchvisionBackbone:
    """Named layers of a torchvision network.

    Parameters
    ----------
    backbone
        Name in ``torchvision.models``.
    layers
        Dotted module names. None: layer2 + layer3 of a ResNet; an error for any other network.
    weights
        A local file of a state dict, a torchvision weights enum (or its name), or None for
        ImageNet's V1 weights, which torchvision downloads unless they are in its cache.
    pretrained
        False: seeded random weights, for tests; excludes ``weights``.
    normalization
        ``"imagenet"`` or (mean, std) of RGB in [0, 1].
    device
        Any torch device.

    Attributes
    ----------
    info : BackboneInfo
        ``origin`` says where the weights came from, with the SHA-256 of a file.
    body : torch.nn.Module
        The network, cut after the last layer in use; gives a dict of the layers' outputs.

    Raises
    ------
    MissingDependencyError
        torch or torchvision is not installed.
    WeightsError
        The weights cannot be had, or lack a layer in use; names the file and the layer.
    UnknownNameError
        No such backbone or layer.
    InvalidInputError
        A device that torch cannot compute on here; lists those there are.
    """

    def __init__(
        self,
        backbone: str = "wide_resnet50_2",
        *,
        layers: Sequence[str] | None = None,
        weights: Any = None,
        pretrained: bool = True,
        normalization: Normalization = "imagenet",
        device: str = "cpu",
    ) -> None:
        purpose = f"backbone {backbone!r}"
        hint = (
            'or use backbone="embedded" (--backbone embedded), which needs neither torch nor'
            " weights"
        )
        try:
            torch = require("torch", extra="torch", purpose=purpose)
            models = require("torchvision.models", extra="torch", purpose=purpose)
        except ImportError as error:
            raise type(error)(f"{error}; {hint}") from error
        check_device(torch, device)
        self.device = device
        mean_std = resolve_normalization(normalization)
        network = _build(models, torch, backbone)
        names = _resolve_layers(models, network, backbone, layers)
        self.body = _cut(network, backbone, names)
        self._facts = find_facts(self.body, names, backbone)
        origin = load_weights(self.body, backbone=backbone, weights=weights, pretrained=pretrained)
        self.info = BackboneInfo(
            backbone, self._facts.layers, mean_std, origin=origin, fixed_size=self._facts.only_size
        )
        self.body.eval().to(device)

    def layer_maps(self, batch: NDArray[np.float32]) -> list[Tensor]:
        """The maps of each layer, on the device: see :class:`~pyimgano.extend.Backbone`."""
        import torch

        if self.body.training:  # as torchvision's cut networks are once they were deep-copied
            self.body.eval()
        with torch.inference_mode():
            try:
                maps = self.body(torch.from_numpy(batch).to(self.device))
            except (RuntimeError, AssertionError, ValueError) as error:
                height, width = batch.shape[-2:]
                raise InvalidInputError(
                    f"{self.info.name} cannot take an image of {height} x {width} pixels:"
                    f" {str(error).partition(chr(10))[0]}"
                ) from error
            return [self.as_map(one.name, maps[one.name]).float() for one in self.info.layers]

    def as_map(self, layer: str, output: Tensor) -> Tensor:
        """A layer's output as (n, channels, height, width), or an error if it is no map."""
        if getattr(output, "ndim", 0) != 4:
            shape = tuple(output.shape) if hasattr(output, "shape") else type(output).__name__
            raise InvalidInputError(
                f"layer {layer!r} of {self.info.name} gives {shape}, not a feature map"
                " (n, channels, height, width): choose a convolutional layer"
            )
        return output.permute(0, 3, 1, 2) if layer in self._facts.last else output

    def to_device(self, device: str) -> None:
        """Go on with a copy of the network on another device."""
        self.device = device
        self.body = copy.deepcopy(self.body).to(device)

    def to_onnx(
        self,
        *,
        engine: str = "opencv",
        image_size: int = 256,
        used_at: tuple[int, int] | None = None,
    ) -> OnnxBackbone:
        """The same backbone as an ONNX model, for detectors that are to run without torch.

        The model is exported in memory (extra ``export``), its maps are compared with this one's,
        and its bytes are ``to_onnx().onnx_bytes()``. It is traced and checked with a square image
        of side ``image_size``, and checked at a further (height, width) ``used_at``; it takes
        images of any size. ``engine`` runs it, as in ``OnnxBackbone``. A WeightsError or
        InvalidInputError tells that the network cannot be exported, or that its export does not
        give the same maps.
        """
        from pyimgano.features.backbones.onnx.export import export_backbone

        return export_backbone(self, engine=engine, image_size=image_size, used_at=used_at)

    def parameters_sha256(self) -> str:
        """SHA-256 of the parameters in use: names, shapes and values, in the order of names."""
        found = hashlib.sha256()
        for name, tensor in sorted(self.body.state_dict().items()):
            array = np.ascontiguousarray(tensor.cpu().numpy())
            found.update(f"{name}{array.dtype.str}{array.shape}".encode())
            found.update(array.data)
        return found.hexdigest()


def _build(models: Any, torch: Any, backbone: str) -> nn.Module:
    """The network with seeded random weights, without touching the global random state."""
    if backbone not in models.list_models(module=models):
        raise unknown_name("backbone", backbone, list_backbones())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        builder = models.get_model_builder(backbone)
        # These two build helper heads that would draw a download or a warning otherwise.
        extra = {"init_weights": True} if backbone in {"googlenet", "inception_v3"} else {}
        network: nn.Module = builder(weights=None, **extra)
    return network


def _resolve_layers(
    models: Any, network: nn.Module, backbone: str, layers: Sequence[str] | None
) -> tuple[str, ...]:
    known = [name for name, _ in network.named_modules() if name]
    if layers is None:
        if isinstance(network, models.ResNet):
            return ("layer2", "layer3")
        top = [name for name in known if name.count(".") <= 1]
        raise InvalidInputError(
            f"backbone {backbone!r} has no default layers: pass layers=[...] out of"
            f" {', '.join(top)}"
        )
    if isinstance(layers, str) or not layers:
        raise InvalidInputError(f"layers must be a list of layer names, got {layers!r}")
    for name in layers:
        if name not in known:
            raise unknown_name(f"layer of {backbone}", name, known)
    return tuple(layers)


def _cut(network: nn.Module, backbone: str, layers: Sequence[str]) -> nn.Module:
    """The part of the network that the layers need, as a module that returns them by name."""
    from torchvision.models.feature_extraction import create_feature_extractor

    network.eval()
    try:
        body: nn.Module = create_feature_extractor(
            network, {name: name for name in layers}, suppress_diff_warning=True
        )
    except Exception as error:  # torch.fx raises whatever the traced code raises
        raise UnknownNameError(
            f"layers {list(layers)} cannot be taken from {backbone}: {error}"
        ) from error
    return body
