"""Mean and standard deviation that a network expects its input to be scaled with."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pyimgano.errors import InvalidInputError

#: Mean and standard deviation of ImageNet's RGB channels, for images in [0, 1].
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
Normalization = str | tuple[Sequence[float], Sequence[float]]


def resolve_normalization(normalization: Normalization) -> tuple[list[float], list[float]]:
    """Per-channel mean and standard deviation out of ``"imagenet"`` or ``(mean, std)``."""
    if isinstance(normalization, str):
        if normalization != "imagenet":
            raise InvalidInputError(
                f'normalization must be "imagenet" or (mean, std), got {normalization!r}'
            )
        normalization = IMAGENET
    try:
        mean, std = ([float(v) for v in part] for part in normalization)
    except (TypeError, ValueError):
        raise InvalidInputError(
            f"normalization must be (mean, std) with 3 values each, got {normalization!r}"
        ) from None
    usable = all(map(math.isfinite, (*mean, *std))) and all(s > 0 for s in std)
    if len(mean) != 3 or len(std) != 3 or not usable:
        raise InvalidInputError(
            f"normalization must be 3 means and 3 positive standard deviations: {normalization!r}"
        )
    return mean, std
