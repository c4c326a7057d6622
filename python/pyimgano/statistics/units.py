"""What a test set is drawn in: single images, or the images of one part together."""

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyimgano.errors import InvalidInputError


@dataclass(frozen=True)
class Units:
    """The units of a test set, and the class that each is of.

    Attributes
    ----------
    of_image : ndarray
        int64 (n,): the unit of each image.
    classes : ndarray
        int64 (n_units,): 1 where one of the unit's images is anomalous, else 0.
    """

    of_image: NDArray[np.int64]
    classes: NDArray[np.int64]

    @classmethod
    def of(cls, labels: ArrayLike, groups: Sequence[str | None] | None = None) -> Self:
        """Each image its own unit, or, where images have a group, each group.

        Views of one part are no independent images: they are drawn, and count, together.

        Parameters
        ----------
        labels : array-like
            0 normal, 1 anomalous, (n,).
        groups : sequence of str or None, optional
            What part each image shows, n of them; None: an image of its own.

        Raises
        ------
        InvalidInputError
            There is no image, or not one group for each.
        """
        anomalous = np.asarray(labels, np.int64)
        n = len(anomalous)
        if n == 0 or (groups is not None and len(groups) != n):
            raise InvalidInputError(f"units need one group for each image, got {n} labels")
        names = [i if g is None else g for i, g in enumerate(groups or [None] * n)]
        numbers = {name: i for i, name in enumerate(dict.fromkeys(names))}
        of_image = np.array([numbers[name] for name in names], np.int64)
        classes = np.zeros(len(numbers), np.int64)
        np.maximum.at(classes, of_image, anomalous)
        return cls(of_image, classes)

    @cached_property
    def sizes(self) -> tuple[int, int]:
        """Normal and anomalous units."""
        anomalous = int(self.classes.sum())
        return len(self.classes) - anomalous, anomalous

    def smallest(self, known: NDArray[np.bool_] | None = None) -> int:
        """Units of the smaller class, of those that some known image is in."""
        units = self.of_image if known is None else self.of_image[known]
        counts = np.bincount(self.classes[np.unique(units)], minlength=2)
        return int(counts[counts > 0].min())

    def weights(self, n_resamples: int, name: str = "") -> NDArray[np.float64]:
        """How often each image is drawn, in each resample of the stratified bootstrap.

        Within each class as many units are drawn, with replacement, as it has: no resample loses a
        class. Units are drawn whole. The same classes and name give the same resamples: two
        detectors that were tested on the same images are resampled alike, in pairs.

        Parameters
        ----------
        n_resamples
            How many.
        name
            Seed of the random numbers: those of two categories are independent.

        Returns
        -------
        ndarray
            float64 (n_resamples, n_images): whole numbers.
        """
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        drawn = np.zeros((n_resamples, len(self.classes)))
        for label in (0, 1):
            members = np.flatnonzero(self.classes == label)
            if len(members):
                shares = np.full(len(members), 1 / len(members))
                drawn[:, members] = rng.multinomial(len(members), shares, n_resamples)
        return drawn[:, self.of_image]

    def variance(self, influences: NDArray[np.float64]) -> float:
        """Variance of a figure from the influence of each image on it.

        The sum over classes of ``k / (k - 1)`` times the squared deviations of the units' summed
        influences: DeLong's estimate for the AUROC of single images. A class of one unit adds
        nothing.
        """
        sums = np.bincount(self.of_image, influences, minlength=len(self.classes))
        total = 0.0
        for label in (0, 1):
            own = sums[self.classes == label]
            if len(own) > 1:
                total += len(own) / (len(own) - 1) * float(np.sum((own - own.mean()) ** 2))
        return total


def check_resamples(n: int) -> None:
    """Refuse a number of resamples that gives no interval; 0 asks for none."""
    if isinstance(n, bool) or not isinstance(n, int) or (n != 0 and not 100 <= n <= 100_000):
        raise InvalidInputError(f"intervals takes 100 to 100,000 resamples, or 0, got {n!r}")


def digest(weights: NDArray[np.float64]) -> str:
    """What resamples are known by: equal for runs that were resampled alike."""
    return hashlib.sha256(weights.astype("<u4").tobytes()).hexdigest()[:16]
