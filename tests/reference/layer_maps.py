"""Layer maps joined by whole arrays, every product and sum rounded to float32 in one order."""

import numpy as np


def join(maps, pooled=True, nearest=False):
    """(n, h_i, w_i, c_i) each, float32: (n, h, w, sum of c_i) on the grid of the most places."""
    height, width = max((m.shape[1:3] for m in maps), key=lambda size: size[0] * size[1])
    parts = []
    for one in maps:
        values = mean_of_nine(one) if pooled else one
        if nearest:
            rows, columns = (
                np.arange(n) * s // n for n, s in ((height, one.shape[1]), (width, one.shape[2]))
            )
            values = values[:, rows][:, :, columns]
        else:
            values = between(values, height, 1)
            values = between(values, width, 2)
        parts.append(values)
    return np.concatenate(parts, axis=3)


def mean_of_nine(values):
    """Sums down the columns, then along the rows: the middle, the one before, the one after."""
    for axis in (1, 2):
        around = [(1, 1) if i == axis else (0, 0) for i in range(4)]
        padded = np.pad(values, around)
        n = values.shape[axis]
        before, after = (np.take(padded, np.arange(n) + i, axis=axis) for i in (0, 2))
        values = (values + before) + after
    return values * np.float32(1 / 9)


def between(values, wanted, axis):
    """Linear interpolation along an axis, in float32."""
    n = values.shape[axis]
    if n == wanted:
        return values
    places = np.arange(wanted, dtype=np.float32) + np.float32(0.5)
    at = np.maximum(np.float32(n) / np.float32(wanted) * places - np.float32(0.5), np.float32(0))
    low = np.minimum(at.astype(np.int64), n - 1)
    high = np.minimum(low + 1, n - 1)
    share = (at - low).astype(np.float32)
    share = share.reshape([-1 if i == axis else 1 for i in range(4)])
    ends = np.take(values, low, axis=axis), np.take(values, high, axis=axis)
    return ends[0] * (np.float32(1) - share) + ends[1] * share
