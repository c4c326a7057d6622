"""The released networks: files that come with the package, each known by its SHA-256.

A newer network is a further file and a further line here. Older ones stay, for the detector files
that need them.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from pyimgano.errors import BackboneError, WeightsError

#: SHA-256 of each, by name; new detectors get the last one.
NETWORKS = {"embedded-1": "5333c4fa19d8aabd4dd6c07a4cc658c28ebe5b1dd843a996aff7bf72eccfac43"}
NEWEST = next(reversed(NETWORKS))
FOLDER = Path(__file__).parent / "networks"

Weights = dict[str, NDArray[np.float32]]


def read_network(name: str) -> Weights:
    """The weights and biases of a released network, in float32.

    In the file a convolution's weights are int8 with a step per output channel, or float16; batch
    norm is folded into them. The loader of safetensors runs no code.

    Parameters
    ----------
    name
        One of `NETWORKS`.

    Raises
    ------
    BackboneError
        The file is missing, or is not the one that was released.
    """
    path = FOLDER / f"{name}.safetensors"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _broken(path, f"cannot be read ({error.strerror})") from error
    if hashlib.sha256(content).hexdigest() != NETWORKS[name]:
        raise _broken(path, "was changed or cut short: its SHA-256 is another")
    stored: dict[str, NDArray[Any]] = safetensors.numpy.load(content)
    steps = {k: stored.pop(k) for k in [*stored] if k.endswith(".step")}
    found = {k: np.ascontiguousarray(v, np.float32) for k, v in stored.items()}
    for key, step in steps.items():
        found[key.removesuffix("step") + "weight"] *= step[:, None, None, None]
    return found


def _broken(path: Path, what: str) -> BackboneError:
    return BackboneError(f"pyimgano's own network, {path}, {what}: reinstall pyimgano")


def name_of(sha256: str) -> str:
    """The released network of that SHA-256.

    Raises
    ------
    WeightsError
        This version of the package has none.
    """
    for name, known in NETWORKS.items():
        if known == sha256:
            return name
    raise WeightsError(
        f"the embedded network of SHA-256 {sha256} is not in this version of pyimgano, which has"
        f" {', '.join(NETWORKS)}: install the version that the detector was fitted with, or a newer"
        " one"
    )
