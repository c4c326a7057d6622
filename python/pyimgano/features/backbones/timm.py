"""Any network of timm as a backbone (extra ``timm``): vision transformers, and others."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from difflib import get_close_matches
from math import lcm
from typing import TYPE_CHECKING, Any

from pyimgano.errors import InvalidInputError, UnknownNameError
from pyimgano.features.backbones.base import BackboneInfo
from pyimgano.features.backbones.known import Blocks, Request
from pyimgano.features.backbones.timm_layers import Layer, choose_layers, is_transformer, strides
from pyimgano.features.backbones.timm_weights import downloading, read_weights
from pyimgano.features.backbones.torch_network import Made, TorchBackbone, torch_and
from pyimgano.features.backbones.weights import fill, origin
from pyimgano.features.normalization import Normalization, resolve_normalization
from pyimgano.utils.parameters import Choice

if TYPE_CHECKING:
    from torch import nn

#: What stands before a network's name in ``backbone="timm:NAME"``.
TIMM_PREFIX = "timm:"
#: As a parameter of detectors.
POSITION_EMBEDDING = Choice(
    "authors",
    "timm",
    help="how a vision transformer's position embedding is resized to the image: as in its"
    " authors' code (DINOv2), or as timm does for all",
)


class TimmBackbone(TorchBackbone):
    """Layers of a network of timm: blocks of a vision transformer, or stages of another.

    A block gives one vector per patch; those of the class token and of registers are dropped.

    Parameters
    ----------
    name
        Name in timm, such as ``vit_small_patch14_dinov2``, with or without ``timm:``.
    layers
        ``blocks.N`` (from 0) of a vision transformer, as it leaves the block; ``blocks.N+norm``,
        the same through the network's last norm; ``norm``, the last block through it. Of another
        network the names that timm has for its stages. None: ``norm`` of a transformer, layer2 +
        layer3 of a ResNet; an error for any other network.
    blocks
        Tells for a number of blocks which of them, as indices, a transformer gives if ``layers`` is
        None; it may leave that to the network by None.
    weights
        A local file: of timm (``.safetensors`` or a state dict of torch), or of the authors of
        DINOv2 or DINOv3 as it is. None: timm downloads the network's own.
    pretrained
        False: seeded random weights, for tests; excludes ``weights``.
    normalization
        (mean, std) of RGB in [0, 1], or ``"imagenet"``; None: what the network was trained with.
    position_embedding
        ``"authors"``: tables of DINOv2 are resized as in its code, and DINOv3's periods are those
        of a file that has them; ``"timm"``: both as in timm. Without effect on other networks.
    device
        Any torch device.
    engine
        What runs the network's ONNX export on the CPU in place of torch (extra ``export``):
        ``"opencv"``, ``"onnxruntime"`` or another of
        :class:`~pyimgano.features.backbones.onnx.backbone.OnnxBackbone`; None: torch.

    Attributes
    ----------
    info, body, device
        As in :class:`~pyimgano.features.backbones.torch_network.TorchBackbone`. For an export,
        :meth:`body_at` gives the module with a constant table of positions.

    Raises
    ------
    MissingDependencyError
        torch or timm is not installed.
    WeightsError
        The weights cannot be had, or are those of another network; names the file and the layer.
    UnknownNameError
        No such network or layer.
    InvalidInputError
        A device that torch cannot compute on here; lists those there are. An engine and a device;
        a network whose export does not give the same maps.
    """

    def __init__(
        self,
        name: str,
        *,
        layers: Sequence[str] | None = None,
        blocks: Blocks | None = None,
        weights: Any = None,
        pretrained: bool = True,
        normalization: Normalization | None = None,
        position_embedding: str = "authors",
        device: str = "cpu",
        engine: str | None = None,
    ) -> None:
        title = TIMM_PREFIX + name.removeprefix(TIMM_PREFIX)
        POSITION_EMBEDDING.check("position_embedding", position_embedding)
        if not pretrained and weights is not None:
            raise InvalidInputError("pretrained=False and weights=... exclude each other")
        self.device = device
        mean_std = None if normalization is None else resolve_normalization(normalization)
        request = Request("timm", title, layers, weights, pretrained, mean_std, position_embedding)
        self.get_ready(request, blocks, engine)

    def make(self, request: Request, blocks: Blocks | None) -> Made:
        """See ``TorchBackbone.make``."""
        title, positions = request.name, request.position_embedding
        torch, timm = torch_and("timm", extra="timm", backbone=title, device=self.device)
        network = _build(torch, timm, title, request.weights, request.pretrained)
        config, by_authors = network.pretrained_cfg, positions == "authors"
        chosen = choose_layers(network, title, request.layers, blocks)
        size_multiple, fixed_size = _sizes(network)
        body, source = _filled(
            network, chosen, title, request.weights, request.pretrained, by_authors
        )
        info = BackboneInfo(
            title,
            tuple(layer.info for layer in chosen),
            resolve_normalization(request.normalization or (config["mean"], config["std"])),
            size_multiple=size_multiple,
            origin={**source, "position_embedding": positions},
            fixed_size=fixed_size,
        )
        return Made(body.eval().to(self.device), info)


def _build(torch: Any, timm: Any, title: str, weights: Any, pretrained: bool) -> Any:
    """The network, without touching the global random state."""
    name = title.removeprefix(TIMM_PREFIX)
    if "/" in name or ":" in name or not timm.is_model(name):
        near = get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
        hint = (
            f"; did you mean {' or '.join(repr(TIMM_PREFIX + n) for n in near)}?" if near else "."
        )
        raise UnknownNameError(f"unknown backbone {title!r}{hint} timm.list_models() has all names")
    from pyimgano.features.backbones.timm_body import Unfilled

    download = pretrained and weights is None
    given = {"pretrained": True} if download else {"pretrained": False, "num_classes": 0}
    drawn = nullcontext() if weights is None else Unfilled()
    with torch.random.fork_rng(devices=[]), downloading(title, download), drawn:
        torch.manual_seed(0)
        try:  # images of any size, where the network can
            return timm.create_model(name, dynamic_img_size=True, **given)
        except TypeError:
            return timm.create_model(name, **given)
        except RuntimeError as error:
            if "pretrained tag" not in str(error):
                raise
            raise UnknownNameError(f"{title}: {error}") from error


def _filled(
    network: Any,
    layers: Sequence[Layer],
    title: str,
    weights: Any,
    pretrained: bool,
    by_authors: bool,
) -> tuple[nn.Module, dict[str, Any]]:
    """The network cut after the layers, with its weights, and where they come from."""
    from pyimgano.features.backbones.timm_body import TimmBody

    if weights is not None:
        state, source = read_weights(network, weights, backbone=title, by_authors=by_authors)
    elif pretrained:
        tag = network.pretrained_cfg.get("tag") or ""
        state, source = None, origin(f"{network.pretrained_cfg['architecture']}.{tag}".rstrip("."))
    else:
        state, source = None, origin("random (pretrained=False)")
    body = TimmBody(network, layers)
    if state is not None:
        fill(network, state, backbone=title, source=source["weights"])
    has_registers = getattr(network, "reg_token", None) is not None
    is_dinov2 = "dinov2" in title and not has_registers
    body.place_positions("dinov2" if by_authors and is_dinov2 else "timm")
    return body, source


def _sizes(network: Any) -> tuple[int, tuple[int | None, int | None]]:
    """What sides of images must be a multiple of, and the only size, where there is one."""
    patches: Any = getattr(network, "patch_embed", getattr(network, "stem", None))
    multiple = 1
    if is_transformer(network):
        # The stride is a hybrid's too, whose patches are of the maps of a convolutional network.
        sides = getattr(patches, "patch_size", ())
        multiple = lcm(*strides(network), *(sides if isinstance(sides, tuple) else ()))
    if not getattr(patches, "strict_img_size", False):
        return multiple, (None, None)
    height, width = patches.img_size
    return multiple, (height, width)
