"""What is known of a network of torch without having it, so that a run need not import torch.

A network is asked for by what its user says of it. What came of that is kept beside its export, and
recalled where the same is asked for again, by the same versions of the packages.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyimgano.errors import OutputError
from pyimgano.features.backbones.base import BackboneInfo, LayerInfo
from pyimgano.features.backbones.cache import keep_cached, package_versions, read_cached
from pyimgano.kernels import version

#: Tells for a number of blocks which of them a method takes; None leaves that to the network.
Blocks = Callable[[int], Sequence[int] | None]
#: Of what a description has: one of another format is not found.
_FORMAT = 2
#: Numbers of blocks, those of usual transformers, by which the choices of methods are told apart.
_DEPTHS = (12, 24, 32, 40)


@dataclass(frozen=True)
class Request:
    """What is asked for: a network, and what is said of it."""

    library: str  #: ``"torchvision"`` or ``"timm"``.
    name: str
    layers: Sequence[str] | None
    weights: Any
    pretrained: bool
    normalization: tuple[Sequence[float], Sequence[float]] | None
    position_embedding: str | None = None

    def key(self) -> str:
        """What tells two requests apart: of weights in a file their content."""
        facts = {
            **asdict(self),
            "weights": _weights(self.weights),
            "packages": package_versions(),
            "pyimgano": version(),
        }
        text = json.dumps(facts, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Known:
    """Facts about a network."""

    info: BackboneInfo
    has_positions: bool  #: Whether it is exported for one size of image at a time.
    parameters_sha256: str


class AskedBlocks:
    """A method's choice of blocks, and what it was asked."""

    def __init__(self, blocks: Blocks | None) -> None:
        self._blocks = blocks
        self.answer: tuple[int, list[int] | None] | None = None

    def __call__(self, depth: int) -> Sequence[int] | None:
        """The choice for so many blocks."""
        found = self.of(depth)
        self.answer = depth, found
        return found

    def of(self, depth: int) -> list[int] | None:
        """The same without a note of it."""
        found = None if self._blocks is None else self._blocks(depth)
        return None if found is None else [int(i) for i in found]


def recall(request: Request, blocks: Blocks | None) -> Known | None:
    """What an earlier run found out about what is asked for; None if there was none.

    None as well where that run's method chose other blocks.
    """
    asked = AskedBlocks(blocks)
    content = read_cached(_file(request, asked))
    if content is None:
        return None
    try:
        return _read(content, asked)
    except (KeyError, TypeError, ValueError):  # written by another state of the same version
        return None


def _read(content: bytes, asked: AskedBlocks) -> Known | None:
    facts = json.loads(content)
    info = facts["info"]
    if facts["blocks"] is not None:
        depth, picked = facts["blocks"]
        if asked.of(depth) != picked:
            return None
    info["layers"] = tuple(LayerInfo(**one) for one in info["layers"])
    info["normalization"] = tuple(info["normalization"])
    info["fixed_size"] = tuple(info["fixed_size"])
    return Known(BackboneInfo(**info), facts["has_positions"], facts["parameters_sha256"])


def remember(request: Request, known: Known, asked: AskedBlocks) -> None:
    """Keep it for later runs, if that can be: of the export, which is more, a warning tells."""
    facts = {**asdict(known), "blocks": asked.answer}
    text = json.dumps(facts, sort_keys=True)
    with suppress(OutputError):
        keep_cached(_file(request, asked), text.encode())


def _file(request: Request, asked: AskedBlocks) -> str:
    """Of its own for each choice of blocks, where the layers are left to that."""
    choices = [asked.of(depth) for depth in _DEPTHS] if request.layers is None else None
    text = json.dumps([_FORMAT, request.key(), choices])
    return f"{hashlib.sha256(text.encode()).hexdigest()}.network"


def _weights(weights: Any) -> list[Any]:
    """Name, and of a file the SHA-256 of its content."""
    if not isinstance(weights, (str, os.PathLike)) or not Path(weights).is_file():
        return [None if weights is None else str(weights), None]
    with open(weights, "rb") as file:
        return [Path(weights).name, hashlib.file_digest(file, "sha256").hexdigest()]
