"""Images scaled with the mean and standard deviation that a network expects."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.features.backbones.base import MeanStd

#: Mean and standard deviation of ImageNet's RGB channels, for images in [0, 1].
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
Normalization = str | MeanStd


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


def normalised(
    images: Sequence[NDArray[np.float32]], normalization: MeanStd
) -> NDArray[np.float32]:
    """A batch as backbones take it.

    Parameters
    ----------
    images
        float32 (H, W, 3), RGB in [0, 1], all of one size.
    normalization
        Mean and standard deviation.

    Returns
    -------
    ndarray
        float32 (n, 3, H, W), contiguous.
    """
    mean, std = (np.array(part, dtype=np.float32)[:, None, None] for part in normalization)
    height, width = images[0].shape[:2]
    batch = np.empty((len(images), 3, height, width), dtype=np.float32)
    for image, planes in zip(images, batch, strict=True):
        np.subtract(image.transpose(2, 0, 1), mean, out=planes)
    batch /= std
    return batch
