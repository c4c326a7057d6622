"""Weights for a torchvision network: a local file, or torchvision's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyimgano.errors import InvalidInputError, WeightsError
from pyimgano.features.backbones.weights import WAYS_OUT, fill, origin, read_state, safe_torch
from pyimgano.registry import unknown_name

if TYPE_CHECKING:
    from torch import nn


def load_weights(
    body: nn.Module, *, backbone: str, weights: Any, pretrained: bool
) -> dict[str, Any]:
    """Fill a cut network; every parameter it holds must be in the weights.

    They are a file, a torchvision enum member or its name, or None for the default; with
    ``pretrained=False`` the network stays as it is. Returns ``weights`` (name), ``weights_bytes``
    and ``weights_sha256`` (None unless a file).
    """
    if not pretrained:
        if weights is not None:
            raise InvalidInputError("pretrained=False and weights=... exclude each other")
        return origin("random (pretrained=False)")
    if _is_file_name(weights, backbone):
        state, info = read_state(weights)
    else:
        state, info = _fetch(_resolve_enum(weights, backbone))
    fill(body, state, backbone=backbone, source=info["weights"])
    return info


def _is_file_name(weights: Any, backbone: str) -> bool:
    """A string is a file unless it names one of the backbone's weights."""
    if isinstance(weights, os.PathLike):
        return True
    return isinstance(weights, str) and _enum_by_name(weights, backbone) is None


def _enum_by_name(name: str, backbone: str) -> Any:
    from torchvision.models import get_model_weights

    members = get_model_weights(backbone).__members__
    return members.get(name.rpartition(".")[2]) if Path(name).suffix != ".pth" else None


def _resolve_enum(weights: Any, backbone: str) -> Any:
    from torchvision.models import get_model_weights

    available = get_model_weights(backbone)
    if weights is None:
        # PatchCore's published results rest on the V1 weights; V2 is better at ImageNet only.
        return available.__members__.get("IMAGENET1K_V1", available.DEFAULT)
    if isinstance(weights, str):
        return _enum_by_name(weights, backbone)
    if weights not in list(available):
        raise unknown_name(f"weights of {backbone}", str(weights), available.__members__)
    return weights


def _fetch(member: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    safe_torch()
    try:
        state = member.get_state_dict(progress=True, check_hash=True)
    except Exception as error:  # urllib, ssl, socket, disk, hash: whatever stops a download
        raise WeightsError(
            f"weights {member} cannot be downloaded from {member.url} ({error}): {WAYS_OUT}"
        ) from error
    return state, origin(str(member))
