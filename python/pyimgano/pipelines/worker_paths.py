"""Paths of a run, as workers see them that stand elsewhere."""

import base64
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pyimgano.features.build import is_onnx
from pyimgano.reporting.image_result import ImageResult, path_fields
from pyimgano.utils.parameters import Either, Parameter, PathLike


def absolute_parameters(detector: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """A detector's parameters, relative paths among them as seen from this process.

    A parameter is a path where its declaration says so and the file or folder is there; other text
    is a name, such as that of a network.
    """
    declared = getattr(type(detector), "PARAMETERS", {})

    def place(name: str, value: Any) -> Any:
        is_text = isinstance(value, (str, os.PathLike)) and _takes_path(declared.get(name))
        if not is_text or (name == "backbone" and not is_onnx(value)):
            return value
        return os.path.abspath(value) if os.path.exists(value) else value

    return {name: place(name, value) for name, value in given.items()}


def moved(image: ImageResult, root: str, to: str) -> ImageResult:
    """An image with its path below another root: how a result tells of the one it was given."""
    raw = image.path
    if image.path_base64:
        raw = os.fsdecode(base64.b64decode(image.path_base64))
    whole = os.path.join(root, "")
    if root == to or not raw.startswith(whole):
        return image
    fields: dict[str, Any] = path_fields(os.path.join(to, raw[len(whole) :]))
    return replace(image, **fields)


def _takes_path(kind: Parameter | None) -> bool:
    kinds = kind.kinds if isinstance(kind, Either) else (kind,)
    return any(isinstance(one, PathLike) for one in kinds)
