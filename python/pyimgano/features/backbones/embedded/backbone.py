"""The network that comes with the package as a backbone: no torch, no download."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.features.backbones.base import BackboneInfo
from pyimgano.features.backbones.embedded.engines import DEFAULT_ENGINE, embedded_engine
from pyimgano.features.backbones.embedded.graph import DEFAULT_LAYERS, LAYERS
from pyimgano.features.backbones.embedded.networks import NETWORKS, NEWEST, read_network
from pyimgano.features.normalization import IMAGENET
from pyimgano.kernels import join_maps
from pyimgano.registry import unknown_name

Array = NDArray[np.float32]


class EmbeddedBackbone:
    """A small network of our own, trained to answer as an ImageNet ResNet-18 does.

    It takes images of any size, on the CPU. ``docs/embedded-network.md`` says how it was made.

    Parameters
    ----------
    layers
        Out of ``"layer1"`` (64 channels, stride 8), ``"layer2"`` (128, stride 8) and ``"layer3"``
        (256, stride 16); None: the last two.
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

    The network's own layer1 has stride 4. It is brought to the grid of layer2 by a low pass,
    without which a value would depend on where an edge falls within the stride (Zhang, "Making
    convolutional networks shift-invariant again", ICML 2019).
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
        maps = self._engine.run(batch)
        names = (layer.name for layer in self.info.layers)
        return [_halved(m) if n == "layer1" else m for n, m in zip(names, maps, strict=True)]

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


def _halved(maps: Array) -> Array:
    """Maps (n, c, h, w) at half the size, rounded up.

    They are means over 4 x 4 places, of which the inner ones count twice in each direction. Zeros
    beyond the border count.
    """
    smooth = join_maps([np.ascontiguousarray(maps.transpose(0, 2, 3, 1))])
    height, width = smooth.shape[1:3]
    if height % 2 or width % 2:
        smooth = np.pad(smooth, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)))
    rows = smooth[:, ::2] + smooth[:, 1::2]
    found: Array = (rows[:, :, ::2] + rows[:, :, 1::2]) * np.float32(0.25)
    return found.transpose(0, 3, 1, 2)


def _resolve_layers(layers: Sequence[str] | None) -> tuple[str, ...]:
    known = [layer.name for layer in LAYERS]
    if layers is None:
        return DEFAULT_LAYERS
    if isinstance(layers, str) or not layers:
        raise InvalidInputError(f"layers must be a list of layer names, got {layers!r}")
    for name in layers:
        if name not in known:
            raise unknown_name("layer of embedded", name, known)
    return tuple(dict.fromkeys(layers))
