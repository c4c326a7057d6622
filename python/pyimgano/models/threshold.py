"""The threshold that a share of normal images may exceed."""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, ThresholdWarning


def check_contamination(contamination: float) -> float:
    """Refuse anything outside (0, 1)."""
    if not 0.0 < contamination < 1.0:
        raise InvalidInputError(f"contamination must be above 0 and below 1, got {contamination}")
    return float(contamination)


def conformal_threshold(
    scores: NDArray[np.float64],
    contamination: float,
    *,
    what: str = "threshold_",
    stacklevel: int = 4,
) -> float:
    """The ceil((n + 1)(1 - contamination))-th smallest of n held-out normal scores.

    A further normal image from the same source exceeds it with a probability of at most
    ``contamination`` (split conformal prediction; Vovk et al., 2005; Laxhammar & Falkman, 2010).

    Parameters
    ----------
    scores
        float64 (n,), each from a detector that did not see its image.
    contamination
        Share of normal images allowed above the threshold.
    what
        Name used in warnings.
    stacklevel
        Of the warnings, so that they point at the call of ``fit``.

    Returns
    -------
    float
        To be used as ``score > threshold``. With too few scores for ``contamination`` it is the
        maximum, with one score infinity, both with a :class:`ThresholdWarning`.
    """
    n = len(scores)
    check_contamination(contamination)
    if n <= 1:
        warnings.warn(
            f"{what} is infinite: no training image can be held out of {n}",
            ThresholdWarning,
            stacklevel=stacklevel,
        )
        return math.inf
    # Rounded, for (9 + 1) * (1 - 0.1) must be rank 9 and not 10.
    rank = math.ceil(round((n + 1) * (1.0 - contamination), 9))
    if rank > n:
        needed = math.ceil(round(1.0 / contamination, 9)) - 1
        warnings.warn(
            f"{what} is the highest of {n} training scores: a share of {contamination:g} needs at"
            f" least {needed} training images",
            ThresholdWarning,
            stacklevel=stacklevel,
        )
        rank = n
    return float(np.sort(scores)[rank - 1])
