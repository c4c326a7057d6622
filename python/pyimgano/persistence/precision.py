"""What it changes to keep a memory bank in half precision."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.kernels import KnnIndex

_MOST_ROWS = 1000


def to_half(bank: NDArray[np.float32]) -> NDArray[np.float16]:
    """The bank in float16; an error where a value is beyond its range."""
    with np.errstate(over="ignore"):
        half = bank.astype(np.float16)
    if not np.isfinite(half).all():
        largest = float(np.abs(bank).max())
        raise InvalidInputError(
            f'bank_dtype="float16" ends at 65,504 and the bank has a value of {largest:g}:'
            ' use "float32"'
        )
    return half


def measure_change(bank: NDArray[np.float32], half: NDArray[np.float16]) -> dict[str, Any]:
    """How far the distances to the bank move, measured on some of its own rows."""
    n = len(bank)
    picked = np.sort(np.random.default_rng(0).permutation(n)[:_MOST_ROWS])
    own = np.arange(n, dtype=np.int64)
    queries, groups = bank[picked], own[picked]
    exact, near = (
        KnnIndex(rows, groups=own).query(queries, 1, groups=groups)[0][:, 0]
        for rows in (bank, half.astype(np.float32))
    )
    usable = np.isfinite(exact) & (exact > 0)
    change = np.abs(near[usable].astype(np.float64) / exact[usable] - 1.0)
    return {
        "measured": "distance of bank rows (float32, drawn with seed 0) to the nearest other row,"
        " in the float16 bank relative to the float32 bank; rows with equals are left out",
        "rows": len(change),
        "largest_relative": float(change.max(initial=0.0)),
        "median_relative": float(np.median(change)) if len(change) else 0.0,
    }
