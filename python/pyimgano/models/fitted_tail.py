"""A limit for false-positive rates that so few images cannot show: a fitted tail.

1. An image's score is the highest of many patch distances, and maxima follow a Gumbel law
   (E. J. Gumbel, "Statistics of Extremes", 1958), whatever the law of the distances.
2. Its location and scale are a straight line through the sorted scores over the law's own
   quantiles. The highest tenth is left out of the line: an odd photo does not move the limit.
3. The limit is as many scales above the location as makes a further score exceed it with the
   target rate, on average over what so few scores can look like. That number depends on how many
   scores there are, not on the law's location and scale; seeded draws from the law give it, and the
   spread of the rate with it.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

#: Share of the scores, the highest ones, that the line is not drawn through.
_TRIM = 0.1
_DRAWS = 2000
#: With more scores than this the line is as good as known.
_MOST_SIMULATED = 1000


def fitted_limit(scores: NDArray[np.float64], target: float) -> float:
    """The limit that a further score exceeds with a probability of ``target``, by a fitted tail.

    The scores are float64 (n,), n >= 2, finite.
    """
    location, scale = _line(np.sort(scores))
    limit = location + _scales_above(len(scores), target) * scale
    return max(float(limit), float(np.min(scores)))


def fitted_interval(n: int, target: float) -> tuple[float, float]:
    """Ends between which the rate of a :func:`fitted_limit` of n scores lies with 95 %."""
    location, scale = _drawn(min(n, _MOST_SIMULATED))
    rates = _exceeding(location + _scales_above(n, target) * scale)
    low, high = np.quantile(rates, (0.025, 0.975))
    return float(low), float(high)


def _line(ordered: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Location and scale of sorted scores (..., n), by least squares."""
    n = ordered.shape[-1]
    kept = n - min(math.ceil(_TRIM * n), n - 2)
    positions = (np.arange(1, kept + 1) - 0.44) / (n + 0.12)  # Gringorten's, for this law
    quantiles = -np.log(-np.log(positions))
    centred = quantiles - quantiles.mean()
    used = ordered[..., :kept]
    scale = used @ centred / (centred @ centred)
    return used.mean(axis=-1) - scale * quantiles.mean(), scale


@lru_cache(maxsize=64)
def _drawn(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Location and scale that n scores of the standard law seem to have, (draws,) each."""
    drawn = np.random.default_rng(0).gumbel(size=(_DRAWS, n))
    drawn.sort(axis=-1)
    return _line(drawn)


@lru_cache(maxsize=256)
def _scales_above(n: int, target: float) -> float:
    location, scale = _drawn(min(n, _MOST_SIMULATED))
    low, high = -10.0, 10.0
    while _exceeding(location + high * scale).mean() > target and high < 1e6:
        high *= 2.0
    for _ in range(60):
        middle = (low + high) / 2
        if _exceeding(location + middle * scale).mean() > target:
            low = middle
        else:
            high = middle
    return high


def _exceeding(level: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of the standard law above a level."""
    with np.errstate(over="ignore"):
        return np.asarray(-np.expm1(-np.exp(-level)))
