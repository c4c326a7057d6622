"""Which axis of a layer's output holds the channels: the one that images' size leaves alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyimgano.errors import InvalidInputError

if TYPE_CHECKING:
    from torch import nn

#: Heights and widths tried, in pairs: small ones cost little, some networks need more.
_PAIRS = (((64, 96), (96, 160)), ((256, 320), (320, 448)))
#: Of networks that take no other.
_FIXED = ((224, 224), (256, 256), (384, 384), (518, 518))

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Axes:
    """What is known of a cut network's outputs.

    Attributes
    ----------
    last
        Layers whose channels are the last axis; of all others they are the second.
    only_size
        Height and width of the images that the network takes, where it takes no other.
    """

    last: frozenset[str]
    only_size: tuple[int, int] | None = None


def find_axes(body: nn.Module, layers: Sequence[str], backbone: str) -> Axes:
    """Look at each layer's output at two sizes.

    Raises
    ------
    InvalidInputError
        The axis of a layer cannot be told; names the layer.
    """
    for pair in _PAIRS:
        one, two = (_shapes(body, size) for size in pair)
        if one is not None and two is not None:
            return Axes(frozenset(x for x in layers if _is_last(x, backbone, one[x], two[x])))
    for size in _FIXED:
        only = _shapes(body, size)
        if only is not None:
            last = (x for x in layers if _is_last_of_square(x, backbone, only[x]))
            return Axes(frozenset(last), size)
    return Axes(frozenset())  # what it needs shows when it is given an image


def _shapes(body: nn.Module, size: tuple[int, int]) -> Shapes | None:
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


def _is_last(layer: str, backbone: str, one: tuple[int, ...], two: tuple[int, ...]) -> bool:
    if len(one) != 4 or len(two) != 4:
        return False  # no map: an error of its own where its output is used
    same = [axis for axis in (1, 2, 3) if one[axis] == two[axis]]
    if 1 in same:
        return False
    if same != [3]:
        raise _unclear(layer, backbone, f"{one} and {two} at two sizes")
    return True


def _is_last_of_square(layer: str, backbone: str, shape: tuple[int, ...]) -> bool:
    if len(shape) != 4 or shape[2] == shape[3]:
        return False
    if shape[1] != shape[2]:
        raise _unclear(layer, backbone, f"{shape}")
    return True


def _unclear(layer: str, backbone: str, shapes: str) -> InvalidInputError:
    return InvalidInputError(
        f"layer {layer!r} of {backbone} gives {shapes}: none of its axes is that of channels,"
        " choose another layer"
    )
