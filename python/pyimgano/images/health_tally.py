"""How many images of a run are unlike the good photos, and in what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

_ANY, _NEARLY_ALL = " than any good photo", " than nearly all good photos"


class HealthTally:
    """Counts the warnings of one image after the other."""

    def __init__(self) -> None:
        self.n_images = 0
        self._counts: Counter[str] = Counter()
        #: Kinds of which some image is within the reach of an odd one among the good photos.
        self._within: set[str] = set()

    def add(self, warnings: Iterable[str]) -> None:
        """Count one image by what is told of it, without the figures."""
        self.n_images += 1
        for line in warnings:
            what = line.partition(":")[0]
            kind = what.removesuffix(_ANY).removesuffix(_NEARLY_ALL)
            self._counts[kind] += 1
            if what.endswith(_NEARLY_ALL):
                self._within.add(kind)

    def lines(self) -> list[str]:
        """One line per kind of warning, the most frequent first."""
        return [
            f"{count} of {self.n_images} image{'s' * (self.n_images != 1)}"
            f" {'is' if count == 1 else 'are'} {kind}"
            f"{_NEARLY_ALL if kind in self._within else _ANY}"
            for kind, count in sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        ]
