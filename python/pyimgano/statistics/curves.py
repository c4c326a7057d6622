"""Areas and best points of curves, for many sets of weights at once."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: How often each image counts, (b, n), to figures by key, (b,).
Resample: TypeAlias = Callable[[NDArray[np.float64]], Mapping[str, NDArray[np.float64]]]
Rows: TypeAlias = NDArray[np.float64]

#: Resamples that are worked on together: bounds the memory.
_CHUNK = 64


def ranking_figures(defect: Rows, normal: Rows) -> tuple[Rows, Rows, Rows]:
    """AUROC, average precision and best F1 of curves.

    Parameters
    ----------
    defect, normal : ndarray
        float64 (b, k): how much of each class is flagged at falling thresholds; all of it at the
        last one.

    Returns
    -------
    auroc, average_precision, f1_max : ndarrays
        float64 (b,); NaN where a class is missing.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        recall, fall_out = defect / defect[:, -1:], normal / normal[:, -1:]
        precision = np.where(defect > 0, defect / (defect + normal), 0.0)
        auroc = area_under(fall_out, recall)
        rise = np.diff(recall, axis=1, prepend=0.0)
        f1 = 2 * defect / (defect + normal + defect[:, -1:])
    missing = (defect[:, -1] == 0) | (normal[:, -1] == 0)
    figures = (auroc, np.sum(rise * precision, axis=1), f1.max(axis=1))
    auroc, average, best = (np.where(missing, np.nan, f) for f in figures)
    return auroc, average, best


def area_under(x: Rows, y: Rows, limit: float = 1.0) -> Rows:
    """Area under curves from (0, 0) through rising points up to ``x = limit``, divided by it.

    ``x`` and ``y`` are (b, k), ``y`` is interpolated linearly at the limit.
    """
    before_x, before_y = _shifted(x), _shifted(y)
    width = x - before_x
    cut = np.clip(limit - before_x, 0.0, width)
    share = np.divide(cut, width, out=np.zeros_like(cut), where=width > 0)
    areas = cut * (before_y + share * (y - before_y) / 2)
    total: Rows = areas.sum(axis=1) / limit
    return total


def in_chunks(resample: Resample, weights: Rows) -> dict[str, Rows]:
    """All resamples, some at a time."""
    parts = [resample(weights[i : i + _CHUNK]) for i in range(0, len(weights), _CHUNK)]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


class ScoreSweep:
    """The figures of image scores, for images that count more or less than once.

    Parameters
    ----------
    labels, scores : array-like
        0 normal, 1 anomalous; finite; (n,).
    """

    def __init__(self, labels: ArrayLike, scores: ArrayLike) -> None:
        values = np.asarray(scores, np.float64)
        self._order = np.argsort(-values, kind="stable")
        ordered = values[self._order]
        # Equal scores are one step: only the last of them is a point of the curve.
        self._last = np.flatnonzero(np.append(ordered[1:] < ordered[:-1], True))
        self._anomalous = np.asarray(labels)[self._order] == 1

    def __call__(self, weights: Rows) -> dict[str, Rows]:
        """Figures by key, (b,), for weights (b, n)."""
        ordered = weights[:, self._order]
        defect = np.cumsum(ordered * self._anomalous, axis=1)[:, self._last]
        normal = np.cumsum(ordered * ~self._anomalous, axis=1)[:, self._last]
        auroc, average, best = ranking_figures(defect, normal)
        return {"auroc": auroc, "average_precision": average, "f1_max": best}


def _shifted(rows: Rows) -> Rows:
    return np.pad(rows, ((0, 0), (1, 0)))[:, :-1]
