"""A figure of a test set together with how it varies, for intervals and paired tests."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyimgano.statistics.auroc import auroc_influences, perfect_auroc_limit
from pyimgano.statistics.intervals import (
    Interval,
    mean_interval,
    normal_interval,
    two_sided_quantile,
)
from pyimgano.statistics.units import Units


@dataclass(frozen=True)
class Estimate:
    """A figure, its units, and what it varies by: influences of images, or resampled figures.

    Means and differences of estimates on the same images are estimates: what the two have in
    common cancels, which is what makes a paired comparison sharper than two intervals.

    Attributes
    ----------
    value : float
        The figure.
    units : Units
        What the test set is drawn in.
    influences : ndarray or None
        float64 (n,): see :meth:`Units.variance`.
    resampled : ndarray or None
        float64 (n_resamples,): the figure of each resample, where there are no influences.
    share : bool
        Whether the figure is one between 0 and 1.
    closed : bool
        Whether it is an AUROC, of which the error follows the normal law, as DeLong's test has it;
        else Student's t by the smaller class.
    """

    value: float
    units: Units
    #: Units of the smaller class: one says nothing of how others would vary.
    smallest: int
    influences: NDArray[np.float64] | None = None
    resampled: NDArray[np.float64] | None = None
    share: bool = True
    closed: bool = False

    @classmethod
    def of_auroc(cls, labels: ArrayLike, scores: ArrayLike, units: Units) -> Self | None:
        """The AUROC of image scores; None where a class is missing."""
        found = auroc_influences(labels, scores)
        if found is None:
            return None
        return cls(found[0], units, units.smallest(), influences=found[1], closed=True)

    @classmethod
    def of_mean(cls, per_image: ArrayLike, units: Units) -> Self | None:
        """The mean of one number per image, NaN for images without; None where all are NaN."""
        numbers = np.asarray(per_image, np.float64)
        known = np.isfinite(numbers)
        if not known.any():
            return None
        value = float(numbers[known].mean())
        influences = np.where(known, numbers - value, 0.0) / known.sum()
        share = bool(np.all((numbers[known] >= 0) & (numbers[known] <= 1)))
        return cls(value, units, units.smallest(known), influences, share=share)

    @classmethod
    def of_resampled(cls, value: float, resampled: ArrayLike, units: Units) -> Self:
        """A figure from its values on resamples."""
        figures = np.asarray(resampled, np.float64)
        known = figures[np.isfinite(figures)]
        share = bool(0 <= value <= 1 and np.all((known >= 0) & (known <= 1)))
        return cls(value, units, units.smallest(), resampled=figures, share=share)

    def __sub__(self, other: "Estimate") -> "Estimate":
        """The difference of two figures of the same images."""
        return replace(_combined([self, other], [1.0, -1.0]), share=False)

    @cached_property
    def error(self) -> float:
        """Standard error; NaN where a class has a single unit."""
        if self.smallest < 2:
            return math.nan
        if self.influences is not None:
            return math.sqrt(self.units.variance(self.influences))
        figures = self._figures
        # A resample of k units varies k / (k - 1) times too little.
        return float(figures.std(ddof=1)) * math.sqrt(self.smallest / (self.smallest - 1))

    @cached_property
    def bias(self) -> float:
        """By how much resampled figures are larger than the figure, on average."""
        return 0.0 if self.influences is not None else float(self._figures.mean()) - self.value

    @property
    def interval(self) -> Interval | None:
        """Limits over the draw of test images; None where nothing can be said.

        An AUROC of 1 has a lower limit by the numbers of units (:func:`perfect_auroc_limit`).
        """
        if math.isnan(self.error):
            return None
        if self.error == 0 and self.value == 1 and self.closed and self.share:
            limit = perfect_auroc_limit(*self.units.sizes, two_sided_quantile())
            return Interval(limit, 1.0)
        if self.error == 0:
            return Interval(self.value, self.value)
        return normal_interval(
            self.value, self.error, bias=self.bias, dof=self.dof, share=self.share
        )

    @property
    def dof(self) -> float:
        """Degrees of freedom of the error."""
        return math.inf if self.closed else max(1, self.smallest - 1)

    @property
    def p_value(self) -> float:
        """Two-sided, for a difference of 0: how likely one so large is if there is none.

        NaN where the standard error is unknown or 0 for a difference that is not.
        """
        centre = abs(self.value - self.bias)
        if self.closed or not self.error > 0:
            return _normal_p(centre, self.error)
        from scipy.special import stdtr  # here, for it takes long to import

        return float(2 * stdtr(self.dof, -centre / self.error))

    @property
    def _figures(self) -> NDArray[np.float64]:
        figures = np.empty(0) if self.resampled is None else self.resampled
        known = figures[np.isfinite(figures)]
        return known if len(known) > 1 else np.full(2, math.nan)


def mean_estimate(estimates: Sequence[Estimate | None]) -> Estimate | None:
    """The mean of figures on the same images, such as those of several seeds.

    None where that of one is not known, or where they do not vary by the same.
    """
    known = [one for one in estimates if one is not None]
    alike = {(one.closed, one.influences is None, len(one.units.of_image)) for one in known}
    if len(known) < len(estimates) or len(alike) != 1:
        return None
    return _combined(known, [1 / len(known)] * len(known))


def joint_interval(estimates: Sequence[Estimate | None]) -> Interval | None:
    """Limits of the mean of figures on different images, such as those of several categories.

    None where those of one are not known.
    """
    limits = [None if one is None else one.interval for one in estimates]
    known = [one for one in limits if one is not None]
    if not known or len(known) < len(limits):
        return None
    if len(known) == 1:
        return known[0]
    return mean_interval([one.value for one in estimates if one is not None], known)


def joint_p_value(differences: Sequence[Estimate | None]) -> float:
    """Of the mean of differences on different images: see :attr:`Estimate.p_value`.

    By the normal law, with errors as wide as the intervals have them. NaN where the error of one is
    not known.
    """
    known = [one for one in differences if one is not None]
    if not known or len(known) < len(differences):
        return math.nan
    centre = abs(math.fsum(one.value - one.bias for one in known))
    reaches = [two_sided_quantile(one.dof) * one.error for one in known]
    return _normal_p(centre, math.hypot(*reaches) / two_sided_quantile())


def _normal_p(centre: float, error: float) -> float:
    if error > 0:
        return 2 * statistics.NormalDist().cdf(-centre / error)
    return 1.0 if error == centre == 0 else math.nan


def _combined(estimates: Sequence[Estimate], factors: Sequence[float]) -> Estimate:
    first = estimates[0]
    value = math.fsum(f * e.value for f, e in zip(factors, estimates, strict=True))
    if len(estimates) == 1:
        return first
    closed = [e.influences for e in estimates]
    drawn = [e.resampled for e in estimates]
    return replace(
        first,
        value=value,
        influences=_sum(closed, factors),
        resampled=_sum(drawn, factors),
        share=all(e.share for e in estimates),
    )


def _sum(
    arrays: Sequence[NDArray[np.float64] | None], factors: Sequence[float]
) -> NDArray[np.float64] | None:
    known = [a for a in arrays if a is not None]
    if len(known) < len(arrays):
        return None
    total: NDArray[np.float64] = np.asarray(factors) @ np.stack(known)
    return total
