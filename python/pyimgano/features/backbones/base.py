"""What a backbone is: images in, maps of features out, and the facts about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

#: Mean and standard deviation of the three channels.
MeanStd = tuple[Sequence[float], Sequence[float]]


@dataclass(frozen=True)
class LayerInfo:
    """Facts about the maps of one layer.

    Attributes
    ----------
    name
        Name of the layer, as users write it in ``layers=[...]``.
    channels
        Number of channels; 0 where it is not known before an image was seen.
    stride
        Pixels of the image between two neighbouring values of a map; 0 where it is not known, or
        where maps have the same size for all images.
    averaged
        Whether the maps are means over neighbouring values already: detectors do not average them
        again.
    """

    name: str
    channels: int
    stride: int
    averaged: bool = False


@dataclass(frozen=True)
class BackboneInfo:
    """Facts about a backbone.

    Attributes
    ----------
    name
        Name in messages and results.
    layers
        The layers that :meth:`Backbone.layer_maps` gives, in its order.
    normalization
        Mean and standard deviation, three numbers each, of what the batch was scaled with: RGB in
        [0, 1] less the mean, divided by the standard deviation.
    size_multiple
        Height and width of a batch must be multiples of it.
    origin
        Further facts for results and detector files, ready for JSON, such as where the weights
        came from.
    fixed_size
        Height and width of a batch where the backbone takes no other; None: any.
    """

    name: str
    layers: tuple[LayerInfo, ...]
    normalization: MeanStd
    size_multiple: int = 1
    origin: Mapping[str, Any] = field(default_factory=dict)
    fixed_size: tuple[int | None, int | None] = (None, None)


class Backbone(Protocol):
    """A network, or anything else that gives a map of features for each of its layers.

    Threads may share one: :meth:`layer_maps` changes nothing that shows. Detectors copy and pickle
    it with everything it holds.
    """

    info: BackboneInfo

    def layer_maps(self, batch: NDArray[np.float32]) -> Sequence[NDArray[np.float32] | Tensor]:
        """The maps of each layer.

        Parameters
        ----------
        batch
            float32 (n, 3, H, W), contiguous, RGB scaled as ``info.normalization`` says.

        Returns
        -------
        list
            For each of ``info.layers`` float32 (n, channels, h, w): NumPy arrays, or torch tensors
            on any device.

        Raises
        ------
        InvalidInputError
            Images of this size cannot be used; whatever else is raised is the backbone's fault.
        """
        ...


def is_backbone(value: object) -> bool:
    """Whether an object has what a backbone has; a class is none."""
    has_info = isinstance(getattr(value, "info", None), BackboneInfo)
    return has_info and callable(getattr(value, "layer_maps", None)) and not isinstance(value, type)
