"""The threshold that a share of normal images may exceed."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, ThresholdWarning
from pyimgano.models.fitted_tail import fitted_interval, fitted_limit
from pyimgano.models.parameters import COMMON

#: Share of the good parts that the default threshold may flag. Of the rates that were compared
#: (docs/thresholds.md) it is the lowest that few photos can show, and each lower one let far more
#: defects pass.
DEFAULT_TARGET = 0.1


@dataclass(frozen=True)
class HeldOutThreshold:
    """A threshold from normal images that were held out, to be used as ``score > value``."""

    value: float
    rate: FalsePositiveRate  #: What is known of its false-positive rate.
    #: Number of the image whose score it is; None where no single image sets it.
    set_by: int | None


def held_out_threshold(
    scores: NDArray[np.float64],
    target: float,
    *,
    groups: NDArray[np.int64] | None = None,
    of: str = "training",
    stacklevel: int = 4,
) -> HeldOutThreshold:
    """The threshold that a share of ``target`` of further normal images exceeds.

    With enough scores it is the ceil((n + 1)(1 - target))-th smallest: a further normal image from
    the same source exceeds it with a probability of at most ``target``, whatever the law of the
    scores (split conformal prediction; Vovk et al., 2005; Laxhammar & Falkman, 2010). With fewer it
    is the limit of a fitted tail (:mod:`~pyimgano.models.fitted_tail`), with a
    :class:`ThresholdWarning`; with one it is infinity, also with a warning.

    Parameters
    ----------
    scores
        float64 (n,), each from a detector that did not see its image.
    target
        Share of normal images allowed above the threshold.
    groups
        int64 (n,): images of one group show the same picture and count once, by the first of them.
        None: each image is a group of its own.
    of
        What kind of images the scores are of, for warnings.
    stacklevel
        Of the warnings, so that they point at the call of ``fit``.
    """
    COMMON["contamination"].check("contamination", target)
    first = np.arange(len(scores)) if groups is None else np.unique(groups, return_index=True)[1]
    counted = scores[first]
    n = len(counted)
    if n <= 1:
        seen = f"{len(scores)} {of} image{'s' * (len(scores) != 1)}"
        same = " that show the same picture" * (len(scores) > 1)
        warnings.warn(
            f"threshold_ is infinite: {seen}{same} cannot give one",
            ThresholdWarning,
            stacklevel=stacklevel,
        )
        return HeldOutThreshold(math.inf, FalsePositiveRate(target, n), None)
    if not FalsePositiveRate(target, n).attainable:
        rate = FalsePositiveRate(target, n, fitted=True)
        warnings.warn(
            f"threshold_ is an estimate: to show that {percent(target)} of the good images are"
            f" flagged takes {rate.n_needed} {of} images, here are {n}, so the tail of their scores"
            " is taken to follow a Gumbel law",
            ThresholdWarning,
            stacklevel=stacklevel,
        )
        return HeldOutThreshold(fitted_limit(counted, target), rate, None)
    rate = FalsePositiveRate(target, n)
    at = int(first[np.argsort(counted, kind="stable")[rate.rank - 1]])
    return HeldOutThreshold(float(scores[at]), rate, at)


@dataclass(frozen=True)
class FalsePositiveRate:
    """What is known of the share of normal images above a :func:`held_out_threshold`.

    The threshold is the ``rank``-th smallest of ``n`` held-out scores, or the limit of a tail that
    was fitted to them. If the scores of these
    images and of future normal ones are exchangeable and have no ties, the true false-positive
    rate, over the draw of the n images, follows the distribution Beta(n + 1 - rank, rank),
    whatever the distribution of the scores; ties make it lower. The figures of a fitted tail hold
    if the scores follow a Gumbel law beside that. Light that drifts or another batch of parts
    breaks the assumption, and no number of training images makes up for that.

    Parameters
    ----------
    target
        The rate asked for, in (0, 1).
    n
        Held-out normal images; such that show the same picture count once.
    fitted
        Whether the threshold is the limit of a fitted tail.

    References
    ----------
    V. Vovk, "Conditional validity of inductive conformal predictors", ACML 2012.
    A. N. Angelopoulos, S. Bates, "A Gentle Introduction to Conformal Prediction and
    Distribution-Free Uncertainty Quantification", 2021, section 3.2.

    Examples
    --------
    >>> rate = FalsePositiveRate(0.01, 199)
    >>> rate.rank, rate.expected
    (198, 0.01)
    >>> [round(end, 4) for end in rate.interval]
    [0.0012, 0.0277]
    >>> FalsePositiveRate(0.01, 64).attainable
    False
    """

    target: float
    n: int
    fitted: bool = False

    def __post_init__(self) -> None:
        COMMON["contamination"].check("contamination", self.target)
        if self.n < 0:
            raise InvalidInputError(f"n must be 0 or more, got {self.n}")

    @property
    def rank(self) -> int:
        """Which of the n scores, in rising order from 1, is the threshold; 0 for infinity."""
        # Rounded, for (9 + 1) * (1 - 0.1) must be rank 9 and not 10.
        wanted = math.ceil(round((self.n + 1) * (1.0 - self.target), 9))
        return 0 if self.n <= 1 else min(max(wanted, 1), self.n)

    @property
    def attainable(self) -> bool:
        """Whether n images are enough for the target, that is, (n + 1) * target is 1 or more."""
        return self.n > 1 and self.n >= self.n_needed

    @property
    def n_needed(self) -> int:
        """The fewest images with which the target can be attained."""
        return max(2, math.ceil(round(1.0 / max(self.target, 1e-300), 9)) - 1)

    @property
    def expected(self) -> float:
        """Mean of the false-positive rate; 0 for an infinite threshold."""
        if self.fitted:
            return self.target
        return (self.n + 1 - self.rank) / (self.n + 1) if self.rank else 0.0

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Ends between which the true rate lies with a probability of 95 %, 2.5 % on each side."""
        if not self.rank:
            return 0.0, 0.0
        if self.fitted:
            return fitted_interval(self.n, self.target)
        # Imported here: scoring images does not need it.
        from scipy.special import betaincinv

        a, b = self.n + 1 - self.rank, self.rank
        low, high = (float(betaincinv(a, b, p)) for p in (0.025, 0.975))
        return low, high

    def describe(self) -> str:
        """One or two sentences for people."""
        if not self.rank:
            return (
                f"nothing is flagged: {self.n} image{'s' * (self.n != 1)} cannot give a threshold,"
                f" {_of_100(self.target)} of 100 good parts takes at least {self.n_needed}"
            )
        low, high = self.interval
        text = (
            f"about {_of_100(self.expected)} of 100 good parts will be flagged"
            f" (95 % interval: {_of_100(low)} to {_of_100(high)}; {self.n} images)"
        )
        if self.fitted:
            text += (
                f", estimated by a fitted tail: fewer than {self.n_needed} images cannot show it"
            )
        return text

    def outlook(self) -> str:
        """What more images would bring, for people."""
        n = max(self.n_needed, 100, 2 * self.n)
        low, high = FalsePositiveRate(self.target, n).interval
        return f"with {n} good images the interval would be {_of_100(low)} to {_of_100(high)}"

    def assumed(self) -> dict[str, Any]:
        """What all other figures follow from, as plain data."""
        return {
            "target": float(self.target),
            "n_images": int(self.n),
            "fitted": bool(self.fitted),
        }

    def to_json(self) -> dict[str, Any]:
        """All figures as plain data."""
        return {
            **self.assumed(),
            "attainable": self.attainable,
            "n_needed": self.n_needed,
            "expected": self.expected,
            "interval_95": list(self.interval),
        }


def _of_100(share: float) -> str:
    """So many of 100, to two digits, and never as a power of ten."""
    text = f"{100 * share:.2g}"
    return f"{100 * share:.6f}".rstrip("0").rstrip(".") if "e" in text else text


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{100 * share:.3g} %"
