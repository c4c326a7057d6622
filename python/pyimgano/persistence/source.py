"""What an extractor is made of again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyimgano.persistence.container import Tensors

#: What the names of an extractor's tensors begin with.
PREFIX = "features."


@dataclass(frozen=True)
class Source:
    """A file's extractor on the way back.

    Attributes
    ----------
    entry
        What the header says of it.
    params
        The detector's parameters, completed on the way.
    tensors
        Those of the file; an extractor's are taken out.
    weights
        The file of weights that the user names.
    folder
        Where the detector file is.
    allow_onnx
        Whether an ONNX model may be read.
    """

    entry: Mapping[str, Any]
    params: dict[str, Any]
    tensors: Tensors
    weights: str | os.PathLike[str] | None = None
    folder: Path = Path()
    allow_onnx: bool = False
