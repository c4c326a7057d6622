"""Checks of what the kernels are given."""

import operator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyimgano import _rust
from pyimgano.errors import InvalidInputError, InvalidTypeError

FloatMap: TypeAlias = NDArray[np.float32] | NDArray[np.float64]


def integer(name: str, value: Any) -> int:
    """`value` as an int of up to 64 bits; floats and the like are refused."""
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidTypeError(f"{name} must be an int, got {type(value).__name__}") from None
    if abs(number) > np.iinfo(np.int64).max:
        raise InvalidInputError(f"{name} must fit int64, got {number}")
    return number


def at_least(name: str, value: Any, least: int) -> int:
    """`value` as an int that is not below `least`."""
    number = integer(name, value)
    if number < least:
        raise InvalidInputError(f"{name} must be at least {least}, got {number}")
    return number


def threads(n_threads: int | None) -> int | None:
    """A number of threads, or None for the default."""
    return None if n_threads is None else _rust.resolve_threads(at_least("n_threads", n_threads, 1))


def image(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """A C-contiguous image; copied only where `array` is not one already."""
    if array.ndim != 2:
        raise InvalidInputError(f"{name} must have shape (H, W), got shape {array.shape}")
    return np.require(array, requirements=["C", "A"])


def mask_image(name: str, mask: ArrayLike) -> NDArray[np.uint8]:
    """A C-contiguous uint8 image; copied only where `mask` is not one already."""
    array = np.asarray(mask)
    if array.dtype not in (np.bool_, np.uint8):
        raise InvalidTypeError(
            f"{name} must be bool or uint8, got {array.dtype}: cast with {name}.astype(bool)"
        )
    return image(name, array).view(np.uint8)


def score_map(name: str, scores: ArrayLike) -> FloatMap:
    """A C-contiguous float32 or float64 image; copied only where `scores` is not one already."""
    array = np.asarray(scores)
    if array.dtype not in (np.float32, np.float64) or not array.dtype.isnative:
        raise InvalidTypeError(
            f"{name} must be float32 or float64, got {array.dtype}: "
            f"cast with {name}.astype(np.float32)"
        )
    return image(name, array)


def float32_map(name: str, scores: ArrayLike) -> NDArray[np.float32]:
    """A C-contiguous float32 image; copied only where `scores` is not one already."""
    array = np.asarray(scores)
    if array.dtype != np.float32 or not array.dtype.isnative:
        raise InvalidTypeError(
            f"{name} must be float32, got {array.dtype}: cast with {name}.astype(np.float32)"
        )
    return image(name, array)


def same_shape(name: str, one: NDArray[Any], other_name: str, other: NDArray[Any]) -> None:
    """Refuses two arrays of different shapes."""
    if one.shape != other.shape:
        raise InvalidInputError(
            f"{name} and {other_name} must have one shape, got {one.shape} and {other.shape}"
        )


def float32_rows(name: str, values: ArrayLike) -> NDArray[np.float32]:
    """A C-contiguous float32 matrix; copied only where `values` is not one already."""
    return float32_array(name, values, 2)


def float32_array(name: str, values: ArrayLike, ndim: int) -> NDArray[np.float32]:
    """A C-contiguous float32 array of `ndim` axes; copied only where `values` is none already."""
    array = np.asarray(values)
    if array.dtype != np.float32 or not array.dtype.isnative:
        raise InvalidTypeError(
            f"{name} must be float32, got {array.dtype}: cast with {name}.astype(np.float32)"
        )
    if array.ndim != ndim:
        raise InvalidInputError(f"{name} must be {ndim}-dimensional, got shape {array.shape}")
    return np.require(array, requirements=["C", "A"])


def group_ids(groups: ArrayLike | None) -> NDArray[np.int64] | None:
    """One int64 id per row."""
    if groups is None:
        return None
    array = np.asarray(groups)
    if array.dtype.kind not in "iub" and array.size:
        raise InvalidTypeError(
            f"groups must be integers, got {array.dtype}: number them with "
            "np.unique(groups, return_inverse=True)[1]"
        )
    if array.ndim != 1:
        raise InvalidInputError(f"groups must be 1-dimensional, got shape {array.shape}")
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
        raise InvalidInputError("groups must fit int64")
    return np.require(array, dtype=np.int64, requirements=["C", "A"])
