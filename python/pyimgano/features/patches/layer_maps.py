"""Patches from the layers of a backbone."""

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import BackboneError, InvalidInputError
from pyimgano.features.backbones.base import Backbone, LayerInfo
from pyimgano.features.base import PatchGrid, Spacing, equal_sizes
from pyimgano.features.normalization import normalised, resolve_normalization
from pyimgano.features.patches.pooling import POOLED, Aggregation, aggregate, aggregate_arrays
from pyimgano.registry import unknown_name
from pyimgano.utils.foreign import asked
from pyimgano.utils.parameters import Count

Array = NDArray[np.float32]
#: A network without padding loses some values at the border; more than so many, and the stride in
#: its info is another than its maps have.
_LOST = 4


class LayerPatches:
    """Layers of a backbone on the grid of the finest one, pooled as PatchCore does.

    Threads may share an extractor as far as they may share its backbone.

    Parameters
    ----------
    backbone, layers
        What gives the maps, and names out of those of its layers, in the order in which their
        channels are joined; None: all of them.
    batch_size
        Images per pass.

    Raises
    ------
    BackboneError, UnknownNameError
        The backbone's info is none that a backbone can have; no such layer, lists those there are.
    """

    needs_fit = False
    #: How the layers are brought together, which is the detector's affair.
    aggregation: Aggregation = POOLED

    def __init__(
        self,
        backbone: Backbone,
        *,
        layers: Sequence[str] | None = None,
        batch_size: int = 8,
    ) -> None:
        Count().check("batch_size", batch_size)
        check_info(backbone)
        self.backbone = backbone
        self.batch_size = batch_size
        known = [layer.name for layer in backbone.info.layers]
        self._picks = _picks(backbone.info.name, known, layers)
        self.layers = tuple(known[i] for i in self._picks)

    @property
    def n_features_out(self) -> int | None:
        """Length of a patch's row; None where that shows when an image is seen."""
        channels = [self.backbone.info.layers[i].channels for i in self._picks]
        return sum(channels) if all(channels) else None

    @property
    def spacing(self) -> Spacing | None:
        """Where patches lie; None where the stride of a layer is not known."""
        info = self.backbone.info
        strides = [info.layers[i].stride for i in self._picks]
        if not all(strides):
            return None
        height, width = info.fixed_size
        side = height if height == width else None
        return Spacing(min(strides), math.lcm(info.size_multiple, *strides), side)

    def fit(self, images: Iterable[Array], *, random_state: int = 0) -> Self:
        """Nothing to learn: the backbone stays as it is."""
        return self

    def check_size(self, height: int, width: int) -> None:
        """Refuse a size that the backbone does not take."""
        info = self.backbone.info
        fixed, multiple = info.fixed_size, info.size_multiple
        if any(f not in (None, s) for f, s in zip(fixed, (height, width), strict=True)):
            wanted = "only of {} x {}".format(*("any" if f is None else f for f in fixed))
        elif height % multiple or width % multiple:
            below = f"{height // multiple * multiple} x {width // multiple * multiple}"
            above = f"{-(-height // multiple) * multiple} x {-(-width // multiple) * multiple}"
            near = above if min(height, width) < multiple else f"{below} or {above}"
            wanted = f"only of multiples of {multiple}, such as {near}"
        else:
            return
        raise InvalidInputError(
            f"{info.name} cannot take an image of {height} x {width} pixels (height x width),"
            f" {wanted}: set image_size"
        )

    def extract_batch(self, images: Sequence[Array]) -> list[PatchGrid]:
        """Patches of each image, float32 (H, W, 3), RGB in [0, 1]; images of equal size share a
        pass.

        An InvalidInputError tells that the backbone does not take images of this size, a
        BackboneError, that it fails or gives something else than its info says.
        """
        grids: list[PatchGrid] = []
        for same in equal_sizes(images, self.batch_size):
            self.check_size(*same[0].shape[:2])
            rows, parts = self._forward(same)
            grids.extend(replace(PatchGrid.of(one), parts=parts) for one in rows)
        return grids

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Nothing is fitted."""
        return {}

    def set_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Nothing is fitted."""

    def describe(self) -> dict[str, Any]:
        """Backbone, layers, and where the backbone comes from."""
        info = self.backbone.info
        return {"backbone": info.name, "layers": list(self.layers), **info.origin}

    def _forward(self, images: Sequence[Array]) -> tuple[Array, tuple[int, ...]]:
        """Features (n, h, w, d), and of which widths they consist."""
        info = self.backbone.info
        batch = normalised(images, info.normalization)
        maps = layer_maps(self.backbone, batch)
        chosen = [maps[i] for i in self._picks]
        join = aggregate_arrays if isinstance(chosen[0], np.ndarray) else aggregate
        rows = join(chosen, self.aggregation, [info.layers[i].averaged for i in self._picks])
        if not np.isfinite(rows).all():
            raise self._not_finite(chosen)
        return rows, self.aggregation.parts([one.shape[1] for one in chosen])

    def _not_finite(self, maps: Sequence[Any]) -> BackboneError:
        bad = [n for n, m in zip(self.layers, maps, strict=True) if not np.isfinite(m.sum().item())]
        name = self.backbone.info.name
        return BackboneError(f"{name}: layer {(bad or self.layers)[0]!r} holds NaN or infinity")


def check_info(backbone: Backbone) -> None:
    """Refuse facts about a backbone that cannot be: a BackboneError names it."""
    info = backbone.info
    counts = [n for one in info.layers for n in (_whole(one, "channels"), _whole(one, "stride"))]
    fixed = info.fixed_size
    is_pair = isinstance(fixed, (tuple, list)) and len(fixed) == 2
    if not counts or None in counts or not _whole(info, "size_multiple") or not is_pair:
        raise BackboneError(
            f"backbone {info.name!r}: its info needs layers, with whole numbers of channels and"
            f" pixels, and has {info.layers!r}, size_multiple={info.size_multiple!r},"
            f" fixed_size={fixed!r}"
        )
    try:
        if isinstance(info.normalization, str):  # a word that only detectors know
            raise InvalidInputError(
                f"normalization must be (mean, std), got {info.normalization!r}"
            )
        resolve_normalization(info.normalization)
    except InvalidInputError as error:
        raise BackboneError(f"backbone {info.name!r}: its info's {error}") from error


def _whole(info: object, name: str) -> int | None:
    """One of the facts, where it is a whole number from 0."""
    value = getattr(info, name, None)
    return value if type(value) is int and value >= 0 else None


def layer_maps(backbone: Backbone, batch: Array) -> Sequence[Any]:
    """The maps of a backbone, of a normalised batch, float32 (n, 3, H, W), checked against its
    info.

    A BackboneError tells that it fails, or gives something else than its info says; an
    InvalidInputError, that it does not take images of this size.
    """
    info = backbone.info
    what = f"{info.name} (a batch of shape {batch.shape})"
    maps: Any = asked(what, backbone.layer_maps, batch, error_class=BackboneError)
    if not isinstance(maps, (list, tuple)) or len(maps) != len(info.layers):
        found = f"{len(maps)} maps" if isinstance(maps, (list, tuple)) else type(maps).__name__
        raise BackboneError(f"{info.name} gives {found} for its {len(info.layers)} layers")
    for layer, one in zip(info.layers, maps, strict=True):
        _check_map(info.name, layer, one, batch.shape)
    if len({isinstance(one, np.ndarray) for one in maps}) > 1:
        raise BackboneError(f"{info.name} gives NumPy arrays and torch tensors together")
    return maps


def _check_map(name: str, layer: LayerInfo, one: Any, given: tuple[int, ...]) -> None:
    torch = sys.modules.get("torch")  # imported by whoever gives its tensors
    if not isinstance(one, np.ndarray) and not (torch and isinstance(one, torch.Tensor)):
        what = f"{type(one).__name__}, neither a NumPy array nor a torch tensor"
    elif one.ndim != 4 or len(one) != given[0] or str(one.dtype).rpartition(".")[2] != "float32":
        shape = tuple(one.shape)
        what = (
            f"{one.dtype} {shape}, not float32 feature maps (n, channels, height, width) of"
            f" {given[0]} images"
        )
    elif 0 in one.shape:
        raise InvalidInputError(
            f"an image of {given[2]} x {given[3]} pixels is too small for {name}: layer"
            f" {layer.name!r} is {tuple(one.shape)}"
        )
    elif layer.channels not in (0, one.shape[1]):
        what = f"{one.shape[1]} channels, its info says {layer.channels}"
    elif layer.stride and any(
        abs(got - side / layer.stride) >= _LOST
        for got, side in zip(one.shape[2:], given[2:], strict=True)
    ):
        what = (
            f"maps of {one.shape[2]} x {one.shape[3]} for images of {given[2]} x {given[3]}, its"
            f" info says stride {layer.stride}"
        )
    else:
        return
    raise BackboneError(f"{name}: layer {layer.name!r} gives {what}")


def _picks(name: str, known: Sequence[str], layers: Sequence[str] | None) -> list[int]:
    if layers is None:
        return list(range(len(known)))
    if isinstance(layers, str) or not layers:
        raise InvalidInputError(f"layers must be a list of layer names, got {layers!r}")
    for layer in layers:
        if layer not in known:
            raise unknown_name(f"layer of {name}", layer, known)
    return [list(known).index(layer) for layer in layers]
