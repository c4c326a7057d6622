"""What a person should know of the good photos that a detector learnt from."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.models.base import Detector
from pyimgano.models.pixel_threshold import PixelThreshold
from pyimgano.models.threshold import FalsePositiveRate

# The numbers below were chosen with the real sets cookie and screw in sight, and the nine synthetic
# ones.
#: A gap in the sorted scores parts odd photos from the rest where the score above it is so many
#: times as far from the median as the score below it.
_GAP = 1.5
#: Photos above the gap are at most this share of all: below ten photos gaps say nothing.
_MOST_APART = 0.1
#: Named even where no gap is: the highest scores set the threshold.
_LEAST = 3


def odd_images(
    scores: NDArray[np.float64], groups: NDArray[np.int64] | None = None
) -> tuple[list[int], int]:
    """Numbers of the photos to look at, the oddest first, and how many stand apart from the rest.

    These are a tenth of the photos, at most three, and more where more stand apart: photos above a
    gap in the sorted held-out scores, with one below it for comparison. There is none below four
    photos, which have nothing to be compared with. Of photos of one group, which show the same
    picture, the first is named.
    """
    first = np.arange(len(scores)) if groups is None else np.unique(groups, return_index=True)[1]
    n = len(first)
    if n < 4 or not np.isfinite(scores[first]).all():
        return [], 0
    order = first[np.argsort(-scores[first], kind="stable")]
    above = scores[order] - np.median(scores[first])
    most = math.floor(_MOST_APART * n)
    apart = 0
    for k in range(1, most + 1):
        if above[k - 1] > 0 and above[k - 1] >= _GAP * max(above[k], 0.0):
            apart = k
    least = min(_LEAST, math.ceil(_MOST_APART * n))
    named = max(least, apart + 1 if apart else 0)
    return order[:named].tolist(), apart


@dataclass(frozen=True)
class OddPhoto:
    """A good photo that a person should look at."""

    number: int  #: Among the training images.
    name: str
    score: float  #: Held out.
    apart: bool  #: Whether a gap parts its score from those of the others.


@dataclass(frozen=True)
class GoodPhotos:
    """What a fit says of the photos it learnt from."""

    names: list[str]  #: Of the photos that were learnt from.
    scores: list[float]  #: Held out, of each.
    left_out: list[str]  #: Because the user asked for it.
    odd: list[OddPhoto]  #: Those to look at, the oddest first.
    twins: list[list[str]]  #: Groups of photos that show the same picture.
    #: Photos that were taken unlike the others, by number, and in what.
    unhealthy: dict[int, tuple[str, ...]]
    threshold: float  #: Of the detector, as the two below.
    source: str
    rate: FalsePositiveRate | None
    notes: list[str]  #: Warnings.
    pixel_threshold: PixelThreshold | None = None
    #: The share of each photo that counts; None: there is no region of interest.
    inside: float | None = None

    def rows(self) -> list[tuple[str, str, str]]:
        """Name, score and what there is to say of each photo that a person should look at."""
        odd = {photo.number: photo for photo in self.odd}
        found = []
        for i in dict.fromkeys([*odd, *self.unhealthy]):
            why = ["looks odd"] if i in odd and odd[i].apart else []
            if self.scores[i] == self.threshold:
                why.append("sets the threshold")
            why += self.unhealthy.get(i, ())
            found.append((self.short(i), f"{self.scores[i]:.2f}", "; ".join(why)))
        return found

    def lines(self) -> list[str]:
        """What else people should know, a line each."""
        found = [f"left out, as asked for: {self._short(name)}" for name in self.left_out]
        if self.inside is not None:
            found.append(f"{100 * self.inside:.1f} % of each photo count: the region of interest")
        if any(photo.apart for photo in self.odd):
            found.append(
                "a photo that shows no good part raises the threshold and hides defects:"
                " --leave-out NAME leaves it out, --leave-out odd all that look odd"
            )
        for group in self.twins:
            first, *others = map(self._short, group)
            more = " ..." if len(others) > 3 else ""
            equal = f"{first} = {', '.join(others[:3])}{more}"
            found.append(f"{len(group)} photos show the same picture and count as one: {equal}")
        return found

    def short(self, number: int) -> str:
        """The name of a photo, without the folder that all of them are in."""
        return self._short(self.names[number])

    def _short(self, name: str) -> str:
        """A name without the folder that all of them are in."""
        shared = os.path.commonprefix([*self.names, *self.left_out])  # noqa: RUF071 (of any text)
        folder = os.path.dirname(shared)
        return name[len(folder) + 1 :] if folder and name.startswith(folder) else name

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "n_images": len(self.names),
            "left_out_as_asked": self.left_out,
            "odd": [
                {"file": photo.name, "score": photo.score, "apart": photo.apart}
                for photo in self.odd
            ],
            "same_picture": self.twins,
            "taken_unlike_the_others": {
                self.names[number]: list(told) for number, told in self.unhealthy.items()
            },
            "scores": [
                {"file": name, "score": None if math.isnan(score) else score}
                for name, score in zip(self.names, self.scores, strict=True)
            ],
        }


def describe_good(
    detector: Detector, left_out: Sequence[str] = (), notes: Sequence[str] = ()
) -> GoodPhotos:
    """What a detector that was just fitted says of its training images."""
    scores = detector.decision_scores_
    # A detector of somebody's own may not know which image is which.
    names = detector.training_names_ or [f"image {i}" for i in range(len(scores))]
    same = getattr(detector, "twins_", np.arange(len(scores)))
    odd, n_apart = odd_images(scores, same)
    groups, counts = np.unique(same, return_counts=True)
    twins = [
        [names[i] for i in np.flatnonzero(same == group).tolist()]
        for group in groups[counts > 1].tolist()
    ]
    region = getattr(detector, "region_", None)
    return GoodPhotos(
        names=list(names),
        scores=scores.tolist(),
        left_out=list(left_out),
        odd=[
            OddPhoto(i, names[i], float(scores[i]), place < n_apart) for place, i in enumerate(odd)
        ],
        twins=twins,
        unhealthy={} if detector.health_ is None else detector.health_.odd_ones(),
        threshold=detector.threshold_,
        source=detector.threshold_source_,
        rate=detector.false_positive_rate_,
        notes=list(notes),
        pixel_threshold=detector.pixel_threshold_,
        inside=None if region is None else region.share,
    )
