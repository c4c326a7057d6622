"""The network that comes with the package as a backbone: no torch, no download."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.features.backbones.base import BackboneInfo
from pyimgano.features.backbones.embedded.engines import DEFAULT_ENGINE, embedded_engine
from pyimgano.features.backbones.embedded.graph import LAYERS
from pyimgano.features.backbones.embedded.networks import NETWORKS, NEWEST, read_network
from pyimgano.features.normalization import IMAGENET
from pyimgano.registry import unknown_name

Array = NDArray[np.float32]


class EmbeddedBackbone:
    """A small network of our own, trained to answer as an ImageNet ResNet-18 does.

    It takes images of any size, on the CPU. ``docs/embedded-network.md`` says how it was made.

    Parameters
    ----------
    layers
        Out of ``"layer2"`` (128 channels, stride 8) and ``"layer3"`` (256, stride 16); None: both.
    engine
        What runs it: ``"rust"``, the package's own convolutions, or one of those of
        :class:`~pyimgano.features.backbones.onnx.backbone.OnnxBackbone`.
    network
        Which of the released networks.

    Attributes
    ----------
    info : BackboneInfo
        ``origin`` has ``network``, ``network_sha256`` and ``engine``.

    Raises
    ------
    BackboneError
        The network's file is missing, or is not the one that was released.
    UnknownNameError
        No such layer, engine or network; lists those there are.
    MissingDependencyError
        The engine is not installed.

    Notes
    -----
    Threads may share it; with ``"opencv"`` they take turns inside the network. With ``"rust"`` and
    ``"opencv"`` neither their number nor that of the images in a batch changes a map.
    """

    def __init__(
        self,
        *,
        layers: Sequence[str] | None = None,
        engine: str = DEFAULT_ENGINE,
        network: str = NEWEST,
    ) -> None:
        if network not in NETWORKS:
            raise unknown_name("embedded network", network, list(NETWORKS))
        names = _resolve_layers(layers)
        self._engine = embedded_engine(engine, network, read_network(network), names)
        known = {layer.name: layer for layer in LAYERS}
        self.info = BackboneInfo(
            "embedded",
            tuple(known[name] for name in names),
            IMAGENET,
            origin={
                "network": network,
                "network_sha256": NETWORKS[network],
                "engine": engine,
            },
        )

    def layer_maps(self, batch: Array) -> list[Array]:
        """The maps of each layer: see :class:`~pyimgano.extend.Backbone`."""
        return self._engine.run(batch)

    def as_parameters(self) -> dict[str, Any]:
        """The parameters by which a detector makes such a network itself."""
        layers = [layer.name for layer in self.info.layers]
        return {"backbone": "embedded", "layers": layers, "engine": self.info.origin["engine"]}

    def __reduce__(self) -> tuple[Any, ...]:
        origin = self.info.origin
        make = partial(
            EmbeddedBackbone,
            layers=[layer.name for layer in self.info.layers],
            engine=origin["engine"],
            network=origin["network"],
        )
        return make, ()


def _resolve_layers(layers: Sequence[str] | None) -> tuple[str, ...]:
    known = [layer.name for layer in LAYERS]
    if layers is None:
        return tuple(known)
    if isinstance(layers, str) or not layers:
        raise InvalidInputError(f"layers must be a list of layer names, got {layers!r}")
    for name in layers:
        if name not in known:
            raise unknown_name("layer of embedded", name, known)
    return tuple(dict.fromkeys(layers))
