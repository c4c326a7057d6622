"""Maps of several layers of a network, joined on one grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyimgano import _rust
from pyimgano.errors import InvalidInputError, InvalidTypeError
from pyimgano.kernels.arguments import float32_array, threads


def join_maps(
    maps: Sequence[ArrayLike],
    *,
    pooled: bool | Sequence[bool] = True,
    nearest: bool = False,
    n_threads: int | None = None,
) -> NDArray[np.float32]:
    """Bring maps of several layers to the finest one's grid and join their channels.

    Parameters
    ----------
    maps : sequence of array-like of float32, shape (n, h_i, w_i, c_i)
        Used in place where C-contiguous. The finest has the most places, of several the first. NaN
        and infinity make what they reach NaN or infinite.
    pooled : bool or sequence of bool
        Whether each map is averaged over 3 x 3 places first, or which of them are. Zeros beyond its
        border count: sums are always divided by 9.
    nearest : bool
        Whether places of the grid take the value of the place of a coarser map in which they
        begin. Else they are interpolated bilinearly, the centres of places at half-integers.
    n_threads : int, optional
        Threads to use: 1 to 1,024; default ``PYIMGANO_NUM_THREADS``, else one per core.

    Returns
    -------
    ndarray of float32, shape (n, h, w, sum of c_i)
        C-contiguous. The same bits for any number of threads and any instruction set.

    Raises
    ------
    InvalidInputError
        (a ValueError) without maps, on maps without places or channels, or of unequal n; not as
        many in ``pooled`` as maps.
    InvalidTypeError
        (a TypeError) if a map is not float32, or ``pooled`` neither a bool nor a sequence.

    References
    ----------
    K. Roth et al., "Towards total recall in industrial anomaly detection", CVPR 2022, section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from pyimgano.kernels import join_maps
    >>> fine = np.float32([1, 2, 3, 4]).reshape(1, 1, 4, 1)
    >>> coarse = np.float32([10, 20]).reshape(1, 1, 2, 1)
    >>> join_maps([fine, coarse], pooled=False)[0, 0]
    array([[ 1. , 10. ],
           [ 2. , 12.5],
           [ 3. , 17.5],
           [ 4. , 20. ]], dtype=float32)
    """
    given = [float32_array(f"map {i}", one, 4) for i, one in enumerate(maps)]
    if not given:
        raise InvalidInputError("there are no maps to join")
    for i, one in enumerate(given):
        if len(one) != len(given[0]) or 0 in one.shape[1:]:
            raise InvalidInputError(
                f"map {i} must be of {len(given[0])} images and have places and channels, got"
                f" shape {one.shape}"
            )
    height, width = max((one.shape[1:3] for one in given), key=lambda size: size[0] * size[1])
    which = _of_each(pooled, len(given))
    joined = [
        _rust.join_maps(
            [one for one, _ in run], (height, width), is_pooled, bool(nearest), threads(n_threads)
        )
        for is_pooled, run in groupby(zip(given, which, strict=True), key=lambda pair: pair[1])
    ]
    return joined[0] if len(joined) == 1 else np.concatenate(joined, axis=-1)


def _of_each(pooled: bool | Sequence[bool], n: int) -> list[bool]:
    """What ``pooled`` says of each of n maps."""
    if isinstance(pooled, (bool, np.bool_)):
        return [bool(pooled)] * n
    if not isinstance(pooled, Iterable):
        raise InvalidTypeError(f"pooled must be a bool, or one per map, got {pooled!r}")
    which = [bool(one) for one in pooled]
    if len(which) != n:
        values, maps = (
            f"{k} {word}{'s' * (k != 1)}" for k, word in ((len(which), "value"), (n, "map"))
        )
        raise InvalidInputError(f"pooled has {values} for {maps}")
    return which
