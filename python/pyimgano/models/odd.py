"""Good photos that look odd: the ones a person should look at before they are learnt from."""

import math

import numpy as np
from numpy.typing import NDArray

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
