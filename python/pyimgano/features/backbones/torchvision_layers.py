"""Facts about the layers of a cut network: channels, their axis, stride, and the size it takes.

The axis of the channels is the one that the size of an image leaves alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyimgano.errors import InvalidInputError
from pyimgano.features.backbones.base import LayerInfo
from pyimgano.features.backbones.shapes import Sample, Shapes, Size, stride, take_samples

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Facts:
    """What is known of a cut network's outputs."""

    layers: tuple[LayerInfo, ...]  #: In the order asked for.
    #: Layers whose channels are the last axis; of all others they are the second.
    last: frozenset[str] = frozenset()
    #: Height and width of the images that the network takes, where it takes no other.
    only_size: Size | tuple[None, None] = (None, None)
    size_multiple: int = 1  #: Of which sides of images must be multiples.


def find_facts(body: nn.Module, layers: Sequence[str], backbone: str) -> Facts:
    """Look at each layer's output at two sizes.

    A layer of which the axis of channels cannot be told is an InvalidInputError that names it.
    """
    samples = take_samples(lambda size: _shapes(body, size))
    last = frozenset(x for x in layers if samples and _is_last(samples, x, backbone))
    infos = []
    for name in layers:
        if not samples or len(samples[0].shapes[name]) != 4:
            infos.append(LayerInfo(name, 0, 0))  # what it gives shows when it is given an image
            continue
        axis, grid = (3, (1, 2)) if name in last else (1, (2, 3))
        channels = samples[0].shapes[name][axis]
        infos.append(LayerInfo(name, channels, stride(samples, name, grid)))
    only = samples[0].size if len(samples) == 1 else (None, None)
    return Facts(tuple(infos), last, only)


def _shapes(body: nn.Module, size: Size) -> Shapes | None:
    """Shapes of the outputs for an image; None where the network cannot take the size."""
    import torch
    from torch.func import functional_call

    with torch.inference_mode():
        for device in ("meta", "cpu"):  # shapes alone cost nothing; not all code can do with them
            state = {name: one.to(device) for name, one in body.state_dict().items()}
            image = torch.zeros(1, 3, *size, device=device)
            try:
                outputs: dict[str, Any] = functional_call(body, state, (image,))
            except Exception:  # whatever its code raises or asserts
                continue
            return {name: tuple(getattr(one, "shape", ())) for name, one in outputs.items()}
    return None


def _is_last(samples: Sequence[Sample], layer: str, backbone: str) -> bool:
    shapes = [sample.shapes[layer] for sample in samples]
    if any(len(shape) != 4 for shape in shapes):
        return False  # no map: an error of its own where its output is used
    one = shapes[0]
    if len(shapes) == 1:  # of a square
        is_first, is_last = one[2] == one[3], one[1] == one[2]
        seen = f"{one}"
    else:
        same = [axis for axis in (1, 2, 3) if one[axis] == shapes[1][axis]]
        is_first, is_last = 1 in same, same == [3]
        seen = f"{one} and {shapes[1]} at two sizes"
    if not is_first and not is_last:
        raise InvalidInputError(
            f"layer {layer!r} of {backbone} gives {seen}: none of its axes is that of channels,"
            " choose another layer"
        )
    return not is_first
