"""Weights for a network of timm: its own, or a local file, of timm or of the network's authors."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pyimgano.errors import PyimganoError, WeightsError
from pyimgano.features.backbones.weights import WAYS_OUT, check_shape, read_state, safe_torch

if TYPE_CHECKING:
    from torch import nn


@contextmanager
def downloading(title: str, wanted: bool) -> Iterator[None]:
    """What stops timm from having its own weights, where these are wanted, as a WeightsError."""
    if wanted:
        safe_torch()
    try:
        yield
    except (PyimganoError, MemoryError):
        raise
    except Exception as error:  # of the hub, the network, the disk, the file
        if not wanted:
            raise
        raise WeightsError(
            f"weights of {title} cannot be downloaded ({str(error).partition(chr(10))[0]}):"
            f" {WAYS_OUT}"
        ) from error


def read_weights(
    network: nn.Module, file: Any, *, backbone: str, by_authors: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tensors of a file by the network's names, and where they come from.

    A file of the authors of a network is converted by timm. ``by_authors`` takes the periods of
    DINOv3's rotary positions from it, which timm computes. A WeightsError names the tensor that
    belongs to another network.
    """
    state, info = read_state(file)
    source = {"backbone": backbone, "source": info["weights"]}
    needed = network.state_dict()
    if by_authors:
        _take_periods(network, state)
    if not needed.keys() <= state.keys():
        _check_sizes(network, state, needed, **source)
        state = _converted(network, _without_zeros(state, needed, **source))
    blocks = {key for key in state if key.startswith("blocks.")}
    if more := sorted(blocks - needed.keys()):
        raise WeightsError(
            f"weights {info['weights']!r} have {more[0]}, which {backbone} has not: they are those"
            " of another network"
        )
    return state, info


def _converted(network: nn.Module, state: dict[str, Any]) -> dict[str, Any]:
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return state
    try:
        found: dict[str, Any] = convert(dict(state), network)
    except Exception:  # of a file that is none of this network's: what it lacks will be told
        return state
    return found


def _check_sizes(
    network: Any, state: Mapping[str, Any], needed: Mapping[str, Any], **source: str
) -> None:
    """Refuse what timm would resize without a word: patches, and the table of their positions."""
    for key in ("patch_embed.proj.weight", "pos_embed"):
        if key not in state or key not in needed:
            continue
        found, wanted = state[key], needed[key].shape
        # With the class token or without: timm knows to convert the one into the other.
        n_more = getattr(network, "num_prefix_tokens", 0) if key == "pos_embed" else 0
        is_one = found.ndim == 3 and abs(found.shape[1] - wanted[1]) <= n_more
        if key != "pos_embed" or not is_one or found.shape[2] != wanted[2]:
            check_shape(key, found, wanted, **source)


def _without_zeros(
    state: Mapping[str, Any], needed: Mapping[str, Any], **source: str
) -> dict[str, Any]:
    """DINOv3's tensors without biases of attention, which most of its networks have as zeros.

    timm has such networks without them, and others with them.
    """
    if "storage_tokens" not in state or any(key.endswith("attn.q_bias") for key in needed):
        return dict(state)
    found = {}
    for key, tensor in state.items():
        if not key.endswith("attn.qkv.bias"):
            found[key] = tensor
            continue
        query, _, value = tensor.chunk(3)  # the authors have those of keys masked
        if query.any() or value.any():
            raise WeightsError(
                f"weights {source['source']!r} have biases in {key}, which {source['backbone']}"
                " has not: use the network whose name in timm has 'dinov3_qkvb' in place of"
                " 'dinov3'"
            )
    return found


def _take_periods(network: Any, state: Mapping[str, Any]) -> None:
    periods = state.get("rope_embed.periods")
    own: Any = getattr(getattr(network, "rope", None), "periods", None)
    if periods is not None and own is not None and own.shape == periods.shape:
        own.copy_(periods)
