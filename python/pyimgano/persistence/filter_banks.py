"""Filter banks in a detector file, of patches and of whole images."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pyimgano.features.patches.filter_bank import FilterBank
from pyimgano.features.patches.pooled import PooledFilterBank
from pyimgano.persistence.container import Tensors, take
from pyimgano.persistence.source import PREFIX, Source

_LARGEST = 1e6


def describe_bank(features: FilterBank, *_: Any) -> dict[str, Any]:
    """Header entries of a filter bank."""
    return features.describe()


def restore_bank(source: Source) -> FilterBank:
    """The filter bank with what it has learnt."""
    return _bank(source.entry, source.tensors)


def _bank(entry: Mapping[str, Any], tensors: Tensors) -> FilterBank:
    own = {k: v for k, v in entry.items() if k not in ("kind", "backbone")}
    own["neighborhoods"] = tuple(own["neighborhoods"])
    features = FilterBank(**own)
    features.set_state(_bank_state(features, tensors))
    return features


def _bank_state(features: FilterBank, tensors: Tensors) -> Tensors:
    """The tensors of a filter bank, of the right shapes and in ranges that stay finite."""
    n = features.n_measured
    levels = (features.levels,)
    wanted: dict[str, tuple[tuple[int, ...], type, float, float]] = {
        "mean": ((n,), np.float32, -_LARGEST, _LARGEST),
        "scale": ((n,), np.float32, 0.0, _LARGEST),
        "axes": ((n, min(features.n_components, n)), np.float32, -1.001, 1.001),
        "energy": (levels, np.float32, 1e-6, _LARGEST),
        "light_mean": ((6,), np.float64, -10.0, 10.0),
        "light_shrink": ((6,), np.float64, 0.0, 1.0),
        "light_reach": ((6,), np.float64, 0.0, 100.0),
    }
    return {
        name: take(tensors, f"{PREFIX}{name}", shape, dtype, low, high)
        for name, (shape, dtype, low, high) in wanted.items()
    }


def describe_pooled(
    features: PooledFilterBank, params: Mapping[str, Any], _: bool
) -> dict[str, Any]:
    """Header entries of a pooled filter bank."""
    found = features.describe()
    found["patches"] = {"kind": "filterbank", **found["patches"]}
    return {"given": params.get("feature_extractor") is not None, **found}


def restore_pooled(source: Source) -> PooledFilterBank:
    """The filter bank with what it has learnt."""
    entry = source.entry
    patches = _bank(entry["patches"], source.tensors)
    features = PooledFilterBank(entry["image_size"], max_pixels=entry["max_pixels"])
    features.set_state(patches.get_state(), patches)
    if entry["given"]:
        source.params["feature_extractor"] = features
    return features
