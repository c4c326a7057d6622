"""Tensors out of a detector file, each of the shape and range that it must have."""

from typing import Any

from numpy.typing import NDArray

from pyimgano.persistence.container import Malformed, Tensors


def take(
    tensors: Tensors,
    name: str,
    shape: tuple[int | None, ...],
    dtype: type | tuple[type, ...],
    low: float,
    high: float,
) -> NDArray[Any]:
    """Take a tensor out, which must have a shape (None: any length from 1), a dtype, and a
    range.
    """
    array = tensors.pop(name, None)
    if array is None:
        raise Malformed(f"lacks the tensor {name!r}")
    dtypes = dtype if isinstance(dtype, tuple) else (dtype,)
    fits = array.ndim == len(shape) and all(
        have == want if want is not None else have > 0
        for have, want in zip(array.shape, shape, strict=True)
    )
    if not fits or array.dtype.type not in dtypes:
        wanted = f"{' or '.join(d.__name__ for d in dtypes)} {shape}"
        raise Malformed(f"tensor {name!r} is {array.dtype} {array.shape}, not {wanted}")
    # min and max are NaN if any value is, and a comparison with NaN is false.
    if array.size and not (low <= float(array.min()) and float(array.max()) <= high):
        raise Malformed(f"tensor {name!r} has values outside {low:g} to {high:g}, or NaN")
    return array
