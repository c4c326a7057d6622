"""What every backbone must keep to, for third parties to run in their own tests."""

import copy
import json
import math
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import CheckFailedError
from pyimgano.features.backbones.base import Backbone, is_backbone
from pyimgano.features.normalization import normalised
from pyimgano.features.patches.layer_maps import check_info, layer_maps

Array = NDArray[np.float32]
#: Least side of the images, and by how much a larger one is larger at least.
_SIDE, _MORE = 160, 128
#: Relative to the largest value of a map: what sums in another order may differ by.
_TOLERANCE = 1e-4


def check_backbone(backbone: Backbone) -> None:
    """Check that a backbone keeps what detectors rely on.

    It has the facts about itself; it gives float32 maps of the channels and the stride that these
    say, for square, wide and odd sizes; the same ones each time, for an image alone as in a batch,
    and from copies and pickles; and it leaves the batch and earlier results alone.

    Parameters
    ----------
    backbone
        An object; images of about 160 to 300 pixels are passed through it.

    Raises
    ------
    CheckFailedError
        (an AssertionError) names every check that failed, and why.

    Examples
    --------
    >>> check_backbone(MyBackbone())  # doctest: +SKIP
    """
    if not is_backbone(backbone):
        raise CheckFailedError(
            f"{type(backbone).__name__} is no backbone: it needs info, a BackboneInfo, and"
            " layer_maps"
        )
    failed: dict[str, str] = {}
    for check in _CHECKS:
        if "check_info_holds_facts" in failed:  # the others rely on these
            break
        try:
            check(backbone)
        except Exception as error:  # whatever a backbone may raise
            gist = " ".join(str(error).split())
            failed[check.__name__.lstrip("_")] = f"{type(error).__name__}: {gist[:300]}"
    if failed:
        lines = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        raise CheckFailedError(f"{backbone.info.name} fails {len(failed)} checks: {lines}")


def _require(holds: object, text: str) -> None:
    if not holds:
        raise CheckFailedError(text)


def _images(backbone: Backbone, n: int = 1, larger: tuple[int, int] = (0, 0)) -> Array:
    """Normalised noise of the least size that the backbone takes, and so much larger."""
    multiple = backbone.info.size_multiple
    least = math.ceil(_SIDE / multiple) * multiple
    fixed = backbone.info.fixed_size
    size = [least + more if f is None else f for f, more in zip(fixed, larger, strict=True)]
    noise = np.random.default_rng(0).random((n, *size, 3), dtype=np.float32)
    return normalised(list(noise), backbone.info.normalization)


def _arrays(backbone: Backbone, batch: Array) -> list[Array]:
    """Maps in memory of their own, checked against the info."""
    return _copies(layer_maps(backbone, batch))


def _copies(maps: Sequence[Any]) -> list[Array]:
    return [
        (one if isinstance(one, np.ndarray) else one.detach().cpu().numpy()).copy() for one in maps
    ]


def _check_info_holds_facts(backbone: Backbone) -> None:
    check_info(backbone)
    info = backbone.info
    _require(info.size_multiple >= 1, f"size_multiple is {info.size_multiple}")
    names = [layer.name for layer in info.layers]
    _require(len({*names}) == len(names), f"two layers have one name: {names}")
    _require(all(layer.channels for layer in info.layers), "a layer has 0 channels")
    try:
        json.dumps(dict(info.origin))
    except (TypeError, ValueError) as error:
        raise CheckFailedError(f"origin is not ready for JSON: {error}") from error


def _check_maps_are_as_the_info_says(backbone: Backbone) -> None:
    for one in _arrays(backbone, _images(backbone, 2)):
        _require(np.isfinite(one).all(), "maps hold NaN or infinity")


def _check_larger_images_have_larger_maps(backbone: Backbone) -> None:
    info = backbone.info
    small = _arrays(backbone, _images(backbone))
    for number, layer in enumerate(info.layers):
        if not layer.stride:
            continue
        step = math.lcm(layer.stride, info.size_multiple)
        more = math.ceil(_MORE / step) * step
        for axis, larger in enumerate(((more, 0), (0, more))):
            if info.fixed_size[axis] is not None:
                continue
            found = _arrays(backbone, _images(backbone, 1, larger))[number]
            grown = found.shape[2 + axis] - small[number].shape[2 + axis]
            _require(
                grown * layer.stride == more,
                f"layer {layer.name!r} has {grown} more {('rows', 'columns')[axis]} for {more} more"
                f" pixels, which is not stride {layer.stride}",
            )


def _check_odd_sizes_are_taken(backbone: Backbone) -> None:
    multiple = backbone.info.size_multiple
    for one in _arrays(backbone, _images(backbone, 1, (multiple, 3 * multiple))):
        _require(np.isfinite(one).all(), "maps hold NaN or infinity")


def _check_the_same_batch_gives_the_same_maps(backbone: Backbone) -> None:
    batch = _images(backbone, 2)
    given = batch.copy()
    first = layer_maps(backbone, batch)
    kept = _copies(first)
    _require(np.array_equal(batch, given), "layer_maps changes the batch")
    layer_maps(backbone, -batch)
    _require(_equal(kept, _copies(first)), "a later call changes the maps of an earlier one")
    _require(_equal(kept, _arrays(backbone, batch)), "a second call gives other maps")


def _check_an_image_alone_gives_what_it_gives_in_a_batch(backbone: Backbone) -> None:
    batch = _images(backbone, 3)
    together = _arrays(backbone, batch)
    for number in range(len(batch)):
        alone = _arrays(backbone, batch[number : number + 1])
        for layer, one, all_of_them in zip(backbone.info.layers, alone, together, strict=True):
            off = float(np.abs(one[0] - all_of_them[number]).max())
            _require(
                off <= _TOLERANCE * float(np.abs(one).max()),
                f"layer {layer.name!r} is off by {off:.2g} where the image is in a batch",
            )


def _check_copies_give_the_same_maps(backbone: Backbone) -> None:
    batch = _images(backbone)
    expected = _arrays(backbone, batch)
    twin = pickle.loads(pickle.dumps(backbone))
    _require(_equal(_arrays(twin, batch), expected), "pickle gives other maps")
    _require(_equal(_arrays(copy.deepcopy(backbone), batch), expected), "deepcopy gives other maps")
    _require(twin.info.layers == backbone.info.layers, "pickle has another info")


def _equal(some: list[Array], others: list[Array]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))


_CHECKS: tuple[Callable[[Any], None], ...] = (
    _check_info_holds_facts,
    _check_maps_are_as_the_info_says,
    _check_larger_images_have_larger_maps,
    _check_odd_sizes_are_taken,
    _check_the_same_batch_gives_the_same_maps,
    _check_an_image_alone_gives_what_it_gives_in_a_batch,
    _check_copies_give_the_same_maps,
)
