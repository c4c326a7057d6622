"""A threshold from the scores of a few labelled images."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyimgano.errors import InvalidInputError, InvalidTypeError
from pyimgano.models.threshold import held_out_threshold
from pyimgano.registry import unknown_name

OBJECTIVES = ("f1", "youden", "fpr", "recall")


def fit_threshold(
    normal_scores: ArrayLike,
    anomaly_scores: ArrayLike,
    objective: str = "f1",
    *,
    target: float | None = None,
) -> float:
    """The threshold that suits labelled scores best, to be used as ``score > threshold``.

    For ``"f1"``, ``"youden"`` and ``"recall"`` every cut between two adjacent scores of both lists
    together is tried, and the two that flag everything and nothing. Equal scores are never parted.

    Parameters
    ----------
    normal_scores, anomaly_scores : array-like, shapes (n,) and (m,)
        Finite scores of normal and of anomalous images, which the detector was not trained on.
    objective : {"f1", "youden", "fpr", "recall"}
        - ``"f1"``: the highest F1.
        - ``"youden"``: the highest recall minus false-positive rate.
        - ``"fpr"``: :func:`~pyimgano.models.threshold.held_out_threshold` of `normal_scores`: a
          further normal image exceeds it with a probability of at most `target`;
          `anomaly_scores` may be empty and change nothing.
        - ``"recall"``: the lowest false-positive rate with a recall of at least `target` on
          `anomaly_scores`.

        Of equally good cuts that with the fewest false alarms is taken, and of those the one that
        finds the most.
    target : float, optional
        Rate above 0 and below 1 for ``"fpr"``, from 0 to 1 for ``"recall"``.

    Returns
    -------
    float
        Midway between the two scores next to the cut; the lower one where the midpoint is rounded
        to the higher. The highest score if nothing is to be flagged, and the next number below the
        lowest score if everything is. In the scores' own precision if they are all float32.

    Raises
    ------
    InvalidInputError
        (a ValueError) on NaN or infinity, another shape, an empty list that the objective needs,
        a `target` that is missing, not wanted or out of its range.
    UnknownNameError
        (a ValueError) on an unknown `objective`.

    Notes
    -----
    The rates of ``"f1"``, ``"youden"`` and ``"recall"`` hold on the scores given; that of ``"fpr"``
    on further normal images.

    References
    ----------
    W. J. Youden, "Index for rating diagnostic tests", Cancer 3, 1950.

    Examples
    --------
    >>> round(fit_threshold([0.1, 0.2, 0.3], [0.9, 0.8]), 3)
    0.55
    """
    wanted = _check_target(objective, target)
    normal = _scores("normal_scores", normal_scores)
    anomaly = _scores("anomaly_scores", anomaly_scores)
    if normal.size == 0:
        raise InvalidInputError("normal_scores is empty")
    if anomaly.size == 0 and objective != "fpr":
        raise InvalidInputError(f"anomaly_scores is empty: objective {objective!r} needs some")
    if objective == "fpr":
        return held_out_threshold(normal, wanted, of="normal").value
    dtype = np.result_type(normal, anomaly) if anomaly.size else normal.dtype
    levels = np.unique(np.concatenate([normal, anomaly]).astype(dtype))
    # Cut i flags levels[i:]: cut 0 everything, the last one nothing.
    false_alarms = _flagged(normal, levels)
    found = _flagged(anomaly, levels)
    if objective == "f1":
        value = 2 * found / (found + false_alarms + anomaly.size)
    elif objective == "youden":
        value = found * normal.size - false_alarms * anomaly.size
    else:
        missed = _count(1.0 - wanted, anomaly.size)
        value = np.where(anomaly.size - found <= missed, -false_alarms, -normal.size - 1)
    best = np.flatnonzero(value == value.max())
    cut = best[np.lexsort((-found[best], false_alarms[best]))[0]]
    return _between(levels, int(cut))


def _flagged(scores: NDArray[Any], levels: NDArray[Any]) -> NDArray[np.int64]:
    """How many scores each cut flags, (len(levels) + 1,)."""
    below = np.searchsorted(np.sort(scores.astype(levels.dtype)), levels)
    return np.append(scores.size - below, 0).astype(np.int64)


def _count(rate: float, total: int) -> int:
    """The most images that a rate allows: 0.29 of 100 are 29, though 0.29 * 100 is below."""
    return int(np.floor(round(rate * total, 9)))


def _between(levels: NDArray[Any], cut: int) -> float:
    if cut == 0:
        with np.errstate(over="ignore"):  # below the lowest number there is only -inf
            return float(np.nextafter(levels[0], levels.dtype.type(-np.inf)))
    if cut == len(levels):
        return float(levels[-1])
    low, high = levels[cut - 1], levels[cut]
    half = levels.dtype.type(0.5)
    middle = low * half + high * half  # the sum of the two might overflow
    return float(middle if low <= middle < high else low)


def _scores(name: str, values: ArrayLike) -> NDArray[Any]:
    array: NDArray[Any] = np.asarray(values)
    if array.size == 0 and array.dtype.kind == "f":
        array = array.reshape(-1)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise InvalidTypeError(f"{name} must be real numbers, got {array.dtype}")
    if array.ndim != 1:
        raise InvalidInputError(f"{name} must have shape (n,), got shape {array.shape}")
    finite = np.isfinite(array)
    if not finite.all():
        at = int(np.argmin(finite))
        raise InvalidInputError(f"{name} must be finite: {name}[{at}] is {array[at]}")
    return array if array.dtype == np.float32 else array.astype(np.float64)


def _check_target(objective: str, target: float | None) -> float:
    if objective not in OBJECTIVES:
        raise unknown_name("objective", objective, OBJECTIVES)
    if objective in ("f1", "youden"):
        if target is not None:
            raise InvalidInputError(f"target has no meaning for objective {objective!r}")
        return 0.0
    if target is None:
        raise InvalidInputError(f"objective {objective!r} needs target, a rate from 0 to 1")
    if objective == "fpr" and not 0.0 < target < 1.0:
        raise InvalidInputError(f"target must be above 0 and below 1, got {target}")
    if not 0.0 <= target <= 1.0:
        raise InvalidInputError(f"target must be from 0 to 1, got {target}")
    return float(target)
