"""Weights for a network of torch out of a local file."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pyimgano.errors import WeightsError
from pyimgano.utils.optional_deps import require

if TYPE_CHECKING:
    from torch import nn

#: What to do where weights cannot be downloaded.
WAYS_OUT = (
    'pass weights=FILE (--weights FILE) with a local file, or use backbone="embedded"'
    " (--backbone embedded)"
)


def read_state(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A local file's state dict, and ``weights`` (its name), their SHA-256 and size.

    The file is one of torch, or ends in ``.safetensors``. It is read once: what is decoded is what
    the hash is of. Nothing in it is run as code.
    """
    torch = safe_torch()
    name = os.fspath(path)
    if not Path(path).is_file():
        raise WeightsError(f"weights file {name!r} does not exist or is not a file")
    content = Path(path).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    try:
        if Path(path).suffix.lower() == ".safetensors":
            state = _safetensors(content)
        else:
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        first_line = str(error).partition("\n")[0]
        raise WeightsError(f"weights file {name!r} cannot be loaded: {first_line}") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(hasattr(v, "shape") for v in state.values()):
        raise WeightsError(f"weights file {name!r} does not hold a state dict of tensors")
    return state, origin(Path(path).name, len(content), digest)


def safe_torch() -> ModuleType:
    """torch, of a version that runs no code that a file of weights holds."""
    return require("torch", extra="torch", purpose="reading weights", reads_files=True)


def _safetensors(content: bytes) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def origin(name: str, n_bytes: int | None = None, sha256: str | None = None) -> dict[str, Any]:
    """Where weights came from, as a backbone's info has it."""
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
            layer = key.rpartition(".")[0] or key
            raise WeightsError(f"weights {source!r} lack layer {layer!r} of {backbone} ({key})")
        check_shape(key, state[key], tensor.shape, backbone=backbone, source=source)
        usable[key] = state[key]
    body.load_state_dict(usable)


def check_shape(key: str, found: Any, wanted: Any, *, backbone: str, source: str) -> None:
    """Refuse a tensor of another shape, with a WeightsError that names it."""
    if found.shape != wanted:
        raise WeightsError(
            f"weights {source!r} do not fit {backbone}: {key} is {tuple(found.shape)},"
            f" not {tuple(wanted)}"
        )
