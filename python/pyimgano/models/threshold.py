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
from pyimgano.utils.checks import check_number


def check_contamination(contamination: float) -> float:
    """Refuse anything outside (0, 1)."""
    return check_number("contamination", contamination, 0, 1, open_low=True, open_high=True)


def conformal_threshold(
    scores: NDArray[np.float64],
    contamination: float,
    *,
    of: str = "training",
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
    of
        What kind of images the scores are of, for warnings.
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
            f"threshold_ is infinite: {n} {of} image{'s' * (n != 1)} cannot give one",
            ThresholdWarning,
            stacklevel=stacklevel,
        )
        return math.inf
    rate = FalsePositiveRate(contamination, n)
    if not rate.attainable:
        warnings.warn(
            f"threshold_ is the highest of {n} {of} scores: a share of {contamination:g} needs at"
            f" least {rate.n_needed} {of} images",
            ThresholdWarning,
            stacklevel=stacklevel,
        )
    return float(np.sort(scores)[rate.rank - 1])


@dataclass(frozen=True)
class FalsePositiveRate:
    """What is known of the share of normal images above a :func:`conformal_threshold`.

    The threshold is the ``rank``-th smallest of ``n`` held-out scores. If the scores of these
    images and of future normal ones are exchangeable and have no ties, the true false-positive
    rate, over the draw of the n images, follows the distribution Beta(n + 1 - rank, rank),
    whatever the distribution of the scores; ties make it lower. Light that drifts or another
    batch of parts breaks the assumption, and no number of training images makes up for that.

    Parameters
    ----------
    target
        The rate asked for, in (0, 1).
    n
        Held-out normal images.

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

    def __post_init__(self) -> None:
        check_contamination(self.target)
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
        """Whether n images are enough for the target: (n + 1) * target is 1 or more."""
        return self.n > 1 and self.n >= self.n_needed

    @property
    def n_needed(self) -> int:
        """The fewest images with which the target can be attained."""
        return max(2, math.ceil(round(1.0 / max(self.target, 1e-300), 9)) - 1)

    @property
    def expected(self) -> float:
        """Mean of the false-positive rate; 0 for an infinite threshold."""
        return (self.n + 1 - self.rank) / (self.n + 1) if self.rank else 0.0

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Ends between which the true rate lies with a probability of 95 %, 2.5 % on each side."""
        if not self.rank:
            return 0.0, 0.0
        # Imported here: scoring images does not need it.
        from scipy.special import betaincinv

        a, b = self.n + 1 - self.rank, self.rank
        low, high = (float(betaincinv(a, b, p)) for p in (0.025, 0.975))
        return low, high

    def describe(self) -> str:
        """One or two sentences for people."""
        if not self.rank:
            return (
                f"a false-positive rate of {_percent(self.target)} is unattainable with {self.n}"
                f" image{'s' * (self.n != 1)}: nothing is flagged; at least {self.n_needed} are"
                " needed"
            )
        low, high = self.interval
        text = (
            f"expected false-positive rate {_percent(self.expected)}, 95 % interval"
            f" {_percent(low)} to {_percent(high)} ({self.n} images)"
        )
        if self.attainable:
            return text
        return (
            f"{text}; {_percent(self.target)} is unattainable with {self.n} images (smallest:"
            f" {_percent(1 / (self.n + 1))}), it needs at least {self.n_needed}"
        )

    def assumed(self) -> dict[str, Any]:
        """What all other figures follow from, as plain data."""
        return {"target": float(self.target), "n_images": int(self.n)}

    def to_json(self) -> dict[str, Any]:
        """All figures as plain data."""
        return {
            **self.assumed(),
            "attainable": self.attainable,
            "n_needed": self.n_needed,
            "expected": self.expected,
            "interval_95": list(self.interval),
        }


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
