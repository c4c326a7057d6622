"""Weights for a torchvision network: a local file, or torchvision's own."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pyimgano.errors import InvalidInputError, WeightsError
from pyimgano.registry import unknown_name
from pyimgano.utils.optional_deps import require

if TYPE_CHECKING:
    from torch import nn

_WAYS_OUT = (
    'pass weights=FILE (--weights FILE) with a local file, or use backbone="embedded"'
    " (--backbone embedded)"
)


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
        return _info("random (pretrained=False)")
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


def read_state(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A local file's state dict, and ``weights`` (its name), their SHA-256 and size.

    The file is read once: what is decoded is what the hash is of.
    """
    torch = _torch()
    name = os.fspath(path)
    if not Path(path).is_file():
        raise WeightsError(f"weights file {name!r} does not exist or is not a file")
    content = Path(path).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        first_line = str(error).partition("\n")[0]
        raise WeightsError(f"weights file {name!r} cannot be loaded: {first_line}") from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(hasattr(v, "shape") for v in state.values()):
        raise WeightsError(f"weights file {name!r} does not hold a state dict of tensors")
    return state, _info(Path(path).name, len(content), digest)


def _torch() -> ModuleType:
    return require("torch", extra="torch", purpose="reading weights", reads_files=True)


def _fetch(member: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    _torch()
    try:
        state = member.get_state_dict(progress=True, check_hash=True)
    except Exception as error:  # urllib, ssl, socket, disk, hash: whatever stops a download
        raise WeightsError(
            f"weights {member} cannot be downloaded from {member.url} ({error}): {_WAYS_OUT}"
        ) from error
    return state, _info(str(member))


def _info(name: str, n_bytes: int | None = None, sha256: str | None = None) -> dict[str, Any]:
    return {"weights": name, "weights_bytes": n_bytes, "weights_sha256": sha256}


def fill(body: nn.Module, state: dict[str, Any], *, backbone: str, source: str) -> None:
    """Fill a network; every parameter it holds must be in ``state``, with its shape."""
    needed = body.state_dict()
    usable = {}
    for key, tensor in needed.items():
        if key not in state:
            if key.endswith("num_batches_tracked"):
                usable[key] = tensor
                continue
            layer = key.rpartition(".")[0]
            raise WeightsError(f"weights {source!r} lack layer {layer!r} of {backbone} ({key})")
        if state[key].shape != tensor.shape:
            raise WeightsError(
                f"weights {source!r} do not fit {backbone}: {key} is {tuple(state[key].shape)},"
                f" not {tuple(tensor.shape)}"
            )
        usable[key] = state[key]
    body.load_state_dict(usable)
