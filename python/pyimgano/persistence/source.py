"""What an extractor is made of again."""

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
    """A file's extractor on the way back."""

    entry: Mapping[str, Any]  #: What the header says of it.
    params: dict[str, Any]  #: The detector's parameters, completed on the way.
    tensors: Tensors  #: Those of the file; an extractor's are taken out.
    weights: str | os.PathLike[str] | None = None  #: The file of weights that the user names.
    folder: Path = Path()  #: Where the detector file is.
    allow_onnx: bool = False  #: Whether an ONNX model may be read.
