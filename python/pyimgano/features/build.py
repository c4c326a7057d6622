"""The feature extractor that a backbone's name stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyimgano.errors import InvalidInputError
from pyimgano.features.base import PatchFeatures

#: The backbone that needs no torch, no weights file and no network.
EMBEDDED = "embedded"


def build_features(
    backbone: str,
    *,
    layers: Sequence[str] | None = None,
    weights: Any = None,
    pretrained: bool = True,
    normalization: Any = "imagenet",
    device: str = "cpu",
    batch_size: int = 8,
) -> PatchFeatures:
    """Build an extractor; ``embedded`` ignores ``pretrained`` and refuses weights and layers."""
    if backbone == EMBEDDED:
        if weights is not None or layers is not None:
            raise InvalidInputError('backbone="embedded" has no weights and no layers to choose')
        from pyimgano.features.embedded import EmbeddedFeatures

        return EmbeddedFeatures()
    from pyimgano.features.torchvision_backbone import TorchvisionFeatures

    return TorchvisionFeatures(
        backbone,
        layers=layers,
        weights=weights,
        pretrained=pretrained,
        normalization=normalization,
        device=device,
        batch_size=batch_size,
    )
