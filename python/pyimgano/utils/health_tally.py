"""How many images of a run are unlike the good photos, and in what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


class HealthTally:
    """Counts the warnings of one image after the other.

    Attributes
    ----------
    n_images
        Images counted so far.
    """

    def __init__(self) -> None:
        self.n_images = 0
        self._counts: Counter[str] = Counter()

    def add(self, warnings: Iterable[str]) -> None:
        """Count one image by what is told of it, without the figures."""
        self.n_images += 1
        self._counts.update({line.partition(":")[0] for line in warnings})

    def lines(self) -> list[str]:
        """One line per kind of warning, the most frequent first."""
        return [
            f"{count} of {self.n_images} image{'s' * (self.n_images != 1)}"
            f" {'is' if count == 1 else 'are'} {what}"
            for what, count in sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        ]
