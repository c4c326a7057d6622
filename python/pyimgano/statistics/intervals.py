"""Limits around a figure: from its standard error, from those of its parts, and over seeds."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

#: Of every interval.
CONFIDENCE = 0.95


class Interval(NamedTuple):
    """Two limits; the same where nothing was seen to vary."""

    low: float
    high: float

    @property
    def known(self) -> bool:
        """False where it has no width, which is no certainty."""
        return self.low < self.high


def two_sided_quantile(dof: float = math.inf) -> float:
    """How many standard errors the limits are away: Student's t, the normal law for infinity."""
    if math.isinf(dof):
        return statistics.NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    from scipy.special import stdtrit  # here, for it takes long to import

    return float(stdtrit(dof, (1 + CONFIDENCE) / 2))


def normal_interval(
    value: float, error: float, *, bias: float = 0.0, dof: float = math.inf, share: bool = True
) -> Interval:
    """Limits that are symmetric about a figure, or, for a share, about its logit.

    On the scale of ``log(x / (1 - x))`` limits stay between 0 and 1, and a figure near 1 has more
    room below than above. Error and bias are carried over to that scale by its slope.

    Parameters
    ----------
    value, error, bias
        The figure, its standard error, and how much too large it is on average.
    dof
        Degrees of freedom of the error.
    share
        Whether the figure is one between 0 and 1.
    """
    reach = two_sided_quantile(dof) * error
    if not share or not 0 < value < 1:
        return Interval(value - bias - reach, value - bias + reach)
    slope = 1 / (value * (1 - value))
    centre = math.log(value / (1 - value)) - bias * slope
    return Interval(_share(centre - reach * slope), _share(centre + reach * slope))


def mean_interval(values: Sequence[float], intervals: Sequence[Interval]) -> Interval:
    """Limits of the mean of independent figures, from their own limits.

    The squared distances of the lower limits add up, and so do those of the upper ones. Figures
    that were not seen to vary add nothing.

    References
    ----------
    G. Y. Zou, A. Donner, "Construction of confidence limits about effect measures", Statistics in
    Medicine 27, 2008.
    """
    mean, n = statistics.fmean(values), len(values)
    pairs = list(zip(values, intervals, strict=True))
    down = math.sqrt(sum(max(0.0, v - i.low) ** 2 for v, i in pairs)) / n
    up = math.sqrt(sum(max(0.0, i.high - v) ** 2 for v, i in pairs)) / n
    return Interval(mean - down, mean + up)


def seeds_interval(values: Sequence[float]) -> Interval | None:
    """Limits of the mean over seeds, by Student's t; None for fewer than two.

    It says how much the mean would change with other seeds on the same test images, and nothing of
    other images.
    """
    if len(values) < 2:
        return None
    error = statistics.stdev(values) / math.sqrt(len(values))
    return normal_interval(statistics.fmean(values), error, dof=len(values) - 1, share=False)


def known_limits(intervals: Mapping[str, Interval | None]) -> dict[str, list[float]]:
    """Those that have a width, as plain data."""
    return {k: list(found) for k, found in intervals.items() if found and found.known}


def _share(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0
