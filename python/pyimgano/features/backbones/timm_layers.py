"""Layers of a network of timm by their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pyimgano.errors import InvalidInputError, UnknownNameError
from pyimgano.features.backbones.base import LayerInfo

#: The last block of a transformer through the last norm, and what other blocks have for that.
NORM, NORMED = "norm", "+norm"


@dataclass(frozen=True)
class Layer:
    """A layer in use."""

    info: LayerInfo
    index: int  #: Of the block or stage.
    is_normed: bool = False  #: Whether the network's last norm is applied.


def choose_layers(
    network: Any,
    title: str,
    layers: Sequence[str] | None,
    blocks: Callable[[int], Sequence[int] | None] | None = None,
) -> list[Layer]:
    """The layers by their names, or the network's default ones: see ``TimmBackbone``."""
    known = _known(network, title)
    if layers is None:
        layers = _default(network, title, list(known), blocks)
    if isinstance(layers, str) or not layers:
        raise InvalidInputError(f"layers must be a list of layer names, got {layers!r}")
    for name in layers:
        if name not in known:
            raise UnknownNameError(f"{title} has no layer {name!r}: {_described(network, known)}")
    return [known[name] for name in layers]


def is_transformer(network: Any) -> bool:
    """Whether all that it gives are blocks with as many channels and one stride."""
    stages = _stages(network)
    names = [stage["module"] for stage in stages] == [f"blocks.{i}" for i in range(len(stages))]
    return names and len({(stage["num_chs"], stage["reduction"]) for stage in stages}) == 1


def strides(network: Any) -> list[int]:
    """Pixels from one place to the next, of each block or stage."""
    return [int(stage["reduction"]) for stage in _stages(network)]


def _stages(network: Any) -> list[dict[str, Any]]:
    found = network.feature_info
    return list(found if isinstance(found, list) else found.info)


def _known(network: Any, title: str) -> dict[str, Layer]:
    if not hasattr(network, "prune_intermediate_layers"):
        raise InvalidInputError(f"timm has no layers for {title} to give: choose another network")
    found: dict[str, Layer] = {}
    stages = _stages(network)
    for i, stage in enumerate(stages):
        one = LayerInfo(stage["module"], int(stage["num_chs"]), int(stage["reduction"]))
        found[one.name] = Layer(one, i)
    if _has_norm(network):
        for i, stage in enumerate(stages):
            one = LayerInfo(
                stage["module"] + NORMED, int(stage["num_chs"]), int(stage["reduction"])
            )
            found[one.name] = Layer(one, i, True)
        found[NORM] = Layer(LayerInfo(NORM, one.channels, one.stride), len(stages) - 1, True)
    return found


def _has_norm(network: Any) -> bool:
    """Some transformers have theirs after the tokens were averaged, which are no maps any more."""
    return is_transformer(network) and type(network.norm).__name__ != "Identity"


def _default(
    network: Any, title: str, known: list[str], blocks: Callable[[int], Sequence[int] | None] | None
) -> list[str]:
    if is_transformer(network):
        depth = len(_stages(network))
        picked = None if blocks is None else blocks(depth)
        if picked is not None:
            return [f"blocks.{i}" for i in picked]
        return [known[-1]]  # through the norm, where there is one
    if {"layer2", "layer3"} <= set(known):
        return ["layer2", "layer3"]
    raise InvalidInputError(
        f"backbone {title!r} has no default layers: pass layers=[...] out of"
        f" {_listed(_known(network, title))}"
    )


def _described(network: Any, known: dict[str, Layer]) -> str:
    if not is_transformer(network):
        return f"it has {_listed(known)}"
    depth = len(_stages(network))
    normed = ", each also as blocks.N+norm, and norm" if NORM in known else ""
    return f"it has blocks.0 to blocks.{depth - 1}{normed}"


def _listed(known: dict[str, Layer]) -> str:
    return ", ".join(
        f"{one.info.name} ({one.info.channels} channels, stride {one.info.stride})"
        for one in known.values()
    )
