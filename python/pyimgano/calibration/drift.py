"""Sequential tests of whether a stream of images has changed, with a stated rate of false alarms.

Values that a signal has (a score, a brightness) become conformal p-values: the share of all values
so far, those learnt included, that are as large or larger, ties broken at random. As long as the
values are exchangeable, p-values are independent and uniform, whatever the values' distribution (V.
Vovk, A. Gammerman, G. Shafer, "Algorithmic Learning in a Random World", 2005, section 8.2). A
martingale bets against that, by the "Simple Jumper" (V. Vovk et al., "Retrain or not retrain:
conformal test martingales for change-point detection", COPA 2021, section 3), and is started anew
with each value, the stakes summed up as Shiryaev and Roberts do: without a change it takes at least
``n`` values, on average, until the sum first reaches ``n`` (J. Shin, A. Ramdas, A. Rinaldo,
"E-detectors: a nonparametric framework for sequential change detection", NEJSDS 2024, section 2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

#: Slopes of the bets, and the share of the stakes that is laid anew with each value.
_SLOPES, _JUMP = (-2.0, -1.0, 0.0, 1.0, 2.0), 0.01
#: Values are told apart where they differ by a five-hundredth of themselves, or near zero by 2e-6.
_ZERO, _STEPS, _HALF = 1e-3, 500, 2**14
#: A share of marked images up to this is no change, and what the bets take it for if it is more.
_USUAL, _SHARES = 0.05, (0.1, 0.2, 0.5, 0.9)


class Place(NamedTuple):
    """The image that a value is of: number of its record, and its path."""

    record: int
    path: str


@dataclass(frozen=True)
class Change:
    """A change that was found.

    Attributes
    ----------
    begin, seen
        The image with which it began by the best guess, and the one with which it was certain
        enough.
    rises
        Whether values are higher than before.
    before, since
        Means of the values before it began, those learnt included, and since; ``before`` is NaN
        where there are none.
    """

    begin: Place
    seen: Place
    rises: bool
    before: float
    since: float


class _Guess:
    """Where one bet began to win: Page's cumulative sum, and the values since."""

    def __init__(self) -> None:
        self.gain, self.n, self.total = 0.0, 0, 0.0
        self.begin = Place(0, "")

    def add(self, factor: float, place: Place, value: float) -> None:
        if self.gain == 0.0:
            self.begin, self.n, self.total = place, 0, 0.0
        self.gain = max(0.0, self.gain + math.log(factor)) if factor > 0 else 0.0
        self.n += 1
        self.total += value

    def change(self, seen: Place, rises: bool, n: int, total: float) -> Change:
        rest = n - self.n
        before = (total - self.total) / rest if rest else math.nan
        return Change(self.begin, seen, rises, before, self.total / self.n)


class ValueTest:
    """Tells when values of one kind have left those before them.

    Memory does not grow with the number of values.

    Parameters
    ----------
    learnt
        Values that are known before the first; they count as values before it.
    limit
        Without a change there are at least so many values, on average, before one is told.
    seed
        Of the random order of equal values.
    """

    def __init__(self, learnt: Sequence[float] = (), *, limit: float, seed: int = 0) -> None:
        self._limit, self._rng = limit, np.random.default_rng(seed)
        self._counts = [0] * (2 * _HALF + 1)  # a Fenwick tree
        self._n_all, self._total = 0, 0.0
        self._stakes = np.zeros(len(_SLOPES))
        self._guesses = [_Guess() for _ in _SLOPES]
        for value in learnt:
            self._insert(value)

    def add(self, value: float, place: Place) -> Change | None:
        """Take the next value; the change if it is told with this one."""
        key = self._insert(value)
        below, to_key = self._up_to(key - 1), self._up_to(key)
        # The value counts among its equals.
        p = (self._n_all - to_key + self._rng.random() * (to_key - below)) / self._n_all
        stakes = (1 - _JUMP) * self._stakes + (_JUMP * self._stakes.sum() + 1) / len(_SLOPES)
        factors = [1 + slope * (p - 0.5) for slope in _SLOPES]
        self._stakes = stakes * factors
        for guess, factor in zip(self._guesses, factors, strict=True):
            guess.add(factor, place, value)
        if self._stakes.sum() < self._limit:
            return None
        best = max(range(len(_SLOPES)), key=lambda i: self._guesses[i].gain)
        return self._guesses[best].change(place, _SLOPES[best] < 0, self._n_all, self._total)

    def _insert(self, value: float) -> int:
        """Count a value, and give its rank among all that can be, from 1."""
        step = round(_STEPS * math.asinh(value / _ZERO))
        key = node = min(max(step, 1 - _HALF), _HALF) + _HALF
        while node < len(self._counts):
            self._counts[node] += 1
            node += node & -node
        self._n_all += 1
        self._total += value
        return key

    def _up_to(self, key: int) -> int:
        """Values counted up to this rank."""
        found = 0
        while key:
            found += self._counts[key]
            key &= key - 1
        return found


class ShareTest:
    """Tells when more than one image in twenty is marked, by likelihood ratios of higher shares.

    Parameters
    ----------
    limit
        Where each image is marked with a probability of at most 0.05, whatever came before, at
        least so many pass, on average, before a change is told.
    """

    def __init__(self, *, limit: float) -> None:
        self._limit, self._n, self._total = limit, 0, 0.0
        self._stakes = np.zeros(len(_SHARES))
        self._guesses = [_Guess() for _ in _SHARES]

    def add(self, marked: bool, place: Place) -> Change | None:
        """Take the next image; the change if it is told with this one."""
        factors = [q / _USUAL if marked else (1 - q) / (1 - _USUAL) for q in _SHARES]
        self._stakes = (self._stakes + 1 / len(_SHARES)) * factors
        for guess, factor in zip(self._guesses, factors, strict=True):
            guess.add(factor, place, float(marked))
        self._n += 1
        self._total += marked
        if self._stakes.sum() < self._limit:
            return None
        best = max(self._guesses, key=lambda guess: guess.gain)
        return best.change(place, True, self._n, self._total)
