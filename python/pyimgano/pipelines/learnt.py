"""Test images that are training images: the detector's digests prove it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyimgano.types import ImageInput
from pyimgano.utils.text import shown


def is_learnt(detector: Any, image: ImageInput) -> bool:
    """Whether a detector has learnt from the very same picture, as far as it knows."""
    known = getattr(detector, "has_learnt", None)
    return known is not None and bool(known(image))


def say_learnt(learnt: Sequence[str], total: int, so: str) -> list[str]:
    """A note on images that were learnt from, and what follows; none where there is no such one."""
    if not learnt:
        return []
    are = "is an image" if len(learnt) == 1 else "are images"
    return [
        f"{len(learnt)} of {total} {are} that the detector has learnt from, such as"
        f" {shown(learnt[0])}: {so}"
    ]
