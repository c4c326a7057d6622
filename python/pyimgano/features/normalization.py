"""Images scaled with the mean and standard deviation that a network expects."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pyimgano.features.backbones.base import MeanStd
from pyimgano.utils import parameters

#: Mean and standard deviation of ImageNet's RGB channels, for images in [0, 1].
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
Normalization = str | MeanStd


def resolve_normalization(normalization: Normalization) -> tuple[list[float], list[float]]:
    """Per-channel mean and standard deviation out of ``"imagenet"`` or ``(mean, std)``."""
    found = parameters.Normalization().check("normalization", normalization)
    mean, std = IMAGENET if found == "imagenet" else found
    return list(map(float, mean)), list(map(float, std))


def normalised(
    images: Sequence[NDArray[np.float32]], normalization: MeanStd
) -> NDArray[np.float32]:
    """A batch as backbones take it, float32 (n, 3, H, W), contiguous.

    The images are float32 (H, W, 3), RGB in [0, 1], all of one size.
    """
    mean, std = (np.array(part, dtype=np.float32)[:, None, None] for part in normalization)
    height, width = images[0].shape[:2]
    batch = np.empty((len(images), 3, height, width), dtype=np.float32)
    for image, planes in zip(images, batch, strict=True):
        np.subtract(image.transpose(2, 0, 1), mean, out=planes)
    batch /= std
    return batch
