"""What backbones that are networks of torch share."""

from __future__ import annotations

import copy
import hashlib
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, WeightsError
from pyimgano.features.backbones.base import BackboneInfo
from pyimgano.features.backbones.known import (
    AskedBlocks,
    Blocks,
    Known,
    Request,
    recall,
    remember,
)
from pyimgano.features.backbones.onnx.engines import DEFAULT_ENGINE, ENGINES
from pyimgano.features.device import check_device
from pyimgano.registry import unknown_name
from pyimgano.utils.optional_deps import require

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pyimgano.features.backbones.onnx.backbone import OnnxBackbone

Size = tuple[int, int]
#: Sizes of images that a vision transformer is exported for; each export takes seconds and memory.
_MOST_SIZES = 4
#: One export at a time: threads that share a backbone wait for it.
_EXPORTING = threading.Lock()


@dataclass(frozen=True)
class Made:
    """A network of torch, ready to compute."""

    body: nn.Module  #: A batch in, a dict of the layers' outputs out.
    info: BackboneInfo
    #: Layers whose channels are the last axis; of all others they are the second.
    channels_last: frozenset[str] = frozenset()


class TorchBackbone(ABC):
    """A network of torch, cut after the last layer in use.

    Attributes
    ----------
    info : BackboneInfo
        ``origin`` says where the weights came from, with the SHA-256 of a file.
    body : torch.nn.Module
        The network: a batch in, a dict of the layers' outputs out. Where an engine runs it, and an
        earlier run has exported it, it is made when it is first asked for: torch is not imported
        before.
    device : str
        Where it computes.
    engine : str or None
        What runs the network's export in place of torch; None: torch.
    """

    info: BackboneInfo
    device: str
    engine: str | None = None

    @abstractmethod
    def make(self, request: Request, blocks: Blocks | None) -> Made:
        """Have torch build what is asked for, on the device."""

    def get_ready(self, request: Request, blocks: Blocks | None, engine: str | None) -> None:
        """Make the network, or recall what an earlier run knew of it if an engine runs it."""
        self._request, self._known = request, None
        if engine is not None:
            self._check_engine(engine)
            self._known = recall(request, blocks)
        if self._known is not None:
            self.info = self._known.info
            # By their names from now on: whoever chose among the blocks need not be kept.
            self._request = replace(request, layers=[one.name for one in self.info.layers])
            self.run_by(engine)
            return
        asked = AskedBlocks(blocks)
        self._take(self.make(request, asked))
        if engine is None:
            return
        found = Known(self.info, self.has_positions, self._made_sha256)
        self.run_by(engine)
        remember(request, found, asked)

    def as_parameters(self) -> dict[str, Any]:
        """The parameters by which a detector makes such a network itself.

        Raises as :meth:`unchanged_sha256` does, for what it makes would be another network.
        """
        self.unchanged_sha256()
        asked = self._request
        return {
            "backbone": asked.name,
            "layers": [one.name for one in self.info.layers],
            "weights": asked.weights,
            "pretrained": asked.pretrained,
            "normalization": self.info.normalization,
            "position_embedding": asked.position_embedding or "authors",
            "device": str(self.device),
            "engine": self.engine,
        }

    def _take(self, made: Made) -> None:
        self.body, self.info, self._channels_last = made.body, made.info, made.channels_last
        self._made_sha256 = _sha256(made.body)

    @cached_property
    def body(self) -> nn.Module:
        """The network."""
        made = self.make(self._request, None)
        self._channels_last = made.channels_last
        if (wanted := self.parameters_sha256()) != (found := _sha256(made.body)):
            raise WeightsError(
                f"the parameters of {self.info.name} changed since an export of it was taken from"
                f" the cache: their SHA-256 is {found}, and was {wanted}"
            )
        return made.body

    def _check_engine(self, engine: str) -> None:
        if engine not in ENGINES:
            raise unknown_name("engine", engine, ENGINES)
        if str(self.device) != "cpu":
            raise InvalidInputError(
                f"engine={engine!r} computes on the CPU: leave out device={str(self.device)!r}, or"
                " the engine"
            )

    def run_by(self, engine: str | None) -> None:
        """Have an engine run the network, as an ONNX model; None: torch, as it does already.

        The network is exported, and compared with torch, unless that was done before
        (``docs/onnx.md``): at once, or, a vision transformer, whose model is for one size of image,
        once it sees a size. Names of engines are those of ``OnnxBackbone``.

        Raises
        ------
        UnknownNameError
            No such engine; lists those there are.
        InvalidInputError, WeightsError
            The device is not the CPU; the network cannot be exported, or its export does not give
            the same maps.
        MissingDependencyError
            The engine, or what the export needs (extra ``export``), is not installed.
        """
        if engine is None:
            return
        self._check_engine(engine)
        self._exports: dict[Size | None, OnnxBackbone] = {}
        if not self.has_positions:
            self._exported(engine, None)
        self.engine = engine
        self.info = replace(self.info, origin={**self.info.origin, "engine": engine})

    def _exported(self, engine: str, size: Size | None) -> OnnxBackbone:
        """The network's export, for images of a size where it is not for any."""
        from pyimgano.features.backbones.onnx.cached import cached_export

        with _EXPORTING:
            if (found := self._exports.get(size)) is None:
                if len(self._exports) == _MOST_SIZES:
                    seen = ", ".join(f"{h} x {w}" for h, w in filter(None, self._exports))
                    raise InvalidInputError(
                        f"engine={engine!r} runs {self.info.name} for {_MOST_SIZES} sizes of images"
                        f" at most, and it has seen {seen}: set image_size, or leave out the engine"
                    )
                found = self._exports[size] = cached_export(self, engine=engine, size=size)
        return found

    def layer_maps(self, batch: NDArray[np.float32]) -> list[Tensor] | list[NDArray[np.float32]]:
        """The maps of each layer: see :class:`~pyimgano.extend.Backbone`.

        Tensors on the device, or arrays where an engine runs the network.
        """
        if self.engine is None:
            return self.maps_by_torch(batch)
        height, width = batch.shape[-2:]
        size = (height, width) if self.has_positions else None
        return self._exported(self.engine, size).layer_maps(batch)

    def maps_by_torch(self, batch: NDArray[np.float32]) -> list[Tensor]:
        """Those that torch computes, whatever the engine, on the device."""
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
        return output.permute(0, 3, 1, 2) if layer in self._channels_last else output

    def body_at(self, height: int, width: int) -> nn.Module:
        """A copy of the body for images of one size alone, which can be exported.

        A vision transformer's positions of that size, rotary ones too, are buffers in it:
        constants, where the body itself computes them anew for each image.
        """
        body: Any = copy.deepcopy(self.body).eval()
        if hasattr(body, "fix"):
            body.fix(height, width)
        found: nn.Module = body
        return found

    def to_device(self, device: str) -> None:
        """Go on with a copy of the network on another device."""
        self.device = device
        self.body = copy.deepcopy(self.body).to(device)

    def to_onnx(
        self,
        *,
        engine: str | None = None,
        image_size: int | tuple[int, int] = 256,
        used_at: tuple[int, int] | None = None,
    ) -> OnnxBackbone:
        """The same backbone as an ONNX model, for detectors that are to run without torch.

        The model is exported in memory (extra ``export``), its maps are compared with this one's,
        and its bytes are ``to_onnx().onnx_bytes()``. It is traced and checked at ``image_size``,
        one side of a square or (height, width), checked at a further (height, width) ``used_at``,
        and takes images of any size; that of a vision transformer takes those of ``used_at``, or
        ``image_size`` where that is None, alone. ``engine`` runs it, as in ``OnnxBackbone``; None:
        the engine that runs the network already, or ``"opencv"``. A
        WeightsError or InvalidInputError tells that the network cannot be exported, or that its
        export does not give the same maps.
        """
        from pyimgano.features.backbones.onnx.export import export_backbone

        engine = engine or self.engine or DEFAULT_ENGINE
        return export_backbone(self, engine=engine, image_size=image_size, used_at=used_at)

    @property
    def has_positions(self) -> bool:
        """Whether it is a vision transformer, whose export is for images of one size alone."""
        if self._known is not None:
            return self._known.has_positions
        return hasattr(self.body, "fix") and self.info.size_multiple > 1

    def parameters_sha256(self) -> str:
        """SHA-256 of the parameters in use: names, shapes and values, in the order of names."""
        return _sha256(self.body) if self._known is None else self._known.parameters_sha256

    def unchanged_sha256(self) -> str:
        """The same, of a network whose parameters are those that it was made with.

        Raises
        ------
        InvalidInputError
            They were changed since, by training it further, say: nobody could make it anew.
        """
        found = self.parameters_sha256()
        if self._known is None and found != self._made_sha256:
            raise InvalidInputError(
                f"the parameters of backbone {self.info.name!r} were changed after it was made, and"
                " a file holds no parameters: write them to a file of weights (torch.save), and"
                " make the backbone with weights=FILE"
            )
        return found


def _sha256(body: nn.Module) -> str:
    found = hashlib.sha256()
    for name, tensor in sorted(body.state_dict().items()):
        array = np.ascontiguousarray(tensor.cpu().numpy())
        found.update(f"{name}{array.dtype.str}{array.shape}".encode())
        found.update(array.data)
    return found.hexdigest()


def torch_and(module: str, *, extra: str, backbone: str, device: str) -> tuple[Any, ModuleType]:
    """torch, and the module that has the network, both of which may be missing.

    A MissingDependencyError says what to install, or to use in its place; an InvalidInputError,
    that torch cannot compute on the device here.
    """
    try:
        torch = require("torch", extra=extra, purpose=f"backbone {backbone!r}")
        found = require(module, extra=extra, purpose=f"backbone {backbone!r}")
    except ImportError as error:
        raise type(error)(
            f'{error}; or use backbone="embedded" (--backbone embedded), which needs neither torch'
            " nor weights"
        ) from error
    check_device(torch, device)
    return torch, found
