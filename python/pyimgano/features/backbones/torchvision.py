"""Any torchvision network as a backbone (extra ``torch``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyimgano.errors import InvalidInputError, UnknownNameError
from pyimgano.features.backbones.base import BackboneInfo
from pyimgano.features.backbones.known import Blocks, Request
from pyimgano.features.backbones.named import list_backbones
from pyimgano.features.backbones.torch_network import Made, TorchBackbone, torch_and
from pyimgano.features.backbones.torchvision_layers import Facts, find_facts
from pyimgano.features.backbones.torchvision_weights import load_weights
from pyimgano.features.normalization import Normalization, resolve_normalization
from pyimgano.registry import unknown_name

if TYPE_CHECKING:
    from torch import nn


class TorchvisionBackbone(TorchBackbone):
    """Named layers of a torchvision network.

    Parameters
    ----------
    backbone
        Name in ``torchvision.models``.
    layers
        Dotted module names. None: layer2 + layer3 of a ResNet, ``encoder.ln``, the last block
        through the norm, of a vision transformer (``vit_b_16``); an error for any other network.
    blocks
        Tells for a number of blocks which of them, as indices, a vision transformer gives if
        ``layers`` is None; it may leave that to the network by None.
    weights
        A local file of a state dict, a torchvision weights enum (or its name), or None for
        ImageNet's V1 weights, which torchvision downloads unless they are in its cache.
    pretrained
        False: seeded random weights, for tests; excludes ``weights``.
    normalization
        ``"imagenet"`` or (mean, std) of RGB in [0, 1].
    device
        Any torch device.
    engine
        What runs the network's ONNX export on the CPU in place of torch (extra ``export``):
        ``"opencv"``, ``"onnxruntime"`` or another of
        :class:`~pyimgano.features.backbones.onnx.backbone.OnnxBackbone`; None: torch.

    Raises
    ------
    MissingDependencyError
        torch or torchvision is not installed.
    WeightsError
        The weights cannot be had, or lack a layer in use; names the file and the layer.
    UnknownNameError
        No such backbone or layer.
    InvalidInputError
        A device that torch cannot compute on here; lists those there are. An engine and a device;
        a network whose export does not give the same maps.
    """

    def __init__(
        self,
        backbone: str = "wide_resnet50_2",
        *,
        layers: Sequence[str] | None = None,
        blocks: Blocks | None = None,
        weights: Any = None,
        pretrained: bool = True,
        normalization: Normalization = "imagenet",
        device: str = "cpu",
        engine: str | None = None,
    ) -> None:
        self.device = device
        mean_std = resolve_normalization(normalization)
        request = Request("torchvision", backbone, layers, weights, pretrained, mean_std)
        self.get_ready(request, blocks, engine)

    def make(self, request: Request, blocks: Blocks | None) -> Made:
        """See ``TorchBackbone.make``."""
        name = request.name
        torch, models = torch_and(
            "torchvision.models", extra="torch", backbone=name, device=self.device
        )
        network = _build(models, torch, name)
        layers = _resolve_layers(models, network, name, request.layers, blocks)
        body, facts = _cut(models, network, name, layers)
        origin = load_weights(
            body, backbone=name, weights=request.weights, pretrained=request.pretrained
        )
        info = BackboneInfo(
            name,
            facts.layers,
            resolve_normalization(request.normalization or "imagenet"),
            size_multiple=facts.size_multiple,
            origin=origin,
            fixed_size=facts.only_size,
        )
        return Made(body.eval().to(self.device), info, facts.last)


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
    models: Any,
    network: nn.Module,
    backbone: str,
    layers: Sequence[str] | None,
    blocks: Blocks | None,
) -> tuple[str, ...]:
    known = [name for name, _ in network.named_modules() if name]
    if layers is None:
        if isinstance(network, models.ResNet):
            return ("layer2", "layer3")
        if isinstance(network, models.VisionTransformer):
            from pyimgano.features.backbones.torchvision_vit import default_layers

            return default_layers(network, blocks)
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


def _cut(
    models: Any, network: nn.Module, backbone: str, layers: Sequence[str]
) -> tuple[nn.Module, Facts]:
    """The part of the network that the layers need, as a module that returns them by name."""
    from torchvision.models.feature_extraction import create_feature_extractor

    network.eval()
    if isinstance(network, models.VisionTransformer):
        from pyimgano.features.backbones.torchvision_vit import TransformerBody, layer_names

        if set(layers) <= set(layer_names(network)):
            whole = TransformerBody(network, layers)
            return whole, Facts(whole.infos, size_multiple=whole.patch)
    try:
        body: nn.Module = create_feature_extractor(
            network, {name: name for name in layers}, suppress_diff_warning=True
        )
    except Exception as error:  # torch.fx raises whatever the traced code raises
        raise UnknownNameError(
            f"layers {list(layers)} cannot be taken from {backbone}: {error}"
        ) from error
    return body, find_facts(body, layers, backbone)
