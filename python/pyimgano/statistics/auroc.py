"""The closed form for the area under the ROC curve."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def auroc_influences(
    labels: ArrayLike, scores: ArrayLike
) -> tuple[float, NDArray[np.float64]] | None:
    """The AUROC, and the influence of each image on it.

    An anomalous image's placement is the share of normal images that it outscores, ties counted
    half; a normal image's the share of anomalous ones that outscore it. The influence is the
    distance of the placement from the AUROC, divided by the number of images of that class.

    Parameters
    ----------
    labels : array-like
        0 normal, 1 anomalous, (n,).
    scores : array-like
        (n,), finite.

    Returns
    -------
    auroc : float
        In [0, 1].
    influences : ndarray
        float64 (n,).

    Or None, where a class is missing.

    References
    ----------
    E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, "Comparing the areas under two or more
    correlated receiver operating characteristic curves", Biometrics 44, 1988; X. Sun, W. Xu, "Fast
    implementation of DeLong's algorithm", IEEE Signal Processing Letters 21, 2014, for the ranks.
    """
    anomalous = np.asarray(labels) == 1
    values = np.asarray(scores, np.float64)
    high, low = np.sort(values[anomalous]), np.sort(values[~anomalous])
    if not len(high) or not len(low):
        return None

    def share_below(sorted_: NDArray[np.float64], of: NDArray[np.float64]) -> NDArray[np.float64]:
        both = np.searchsorted(sorted_, of, "left") + np.searchsorted(sorted_, of, "right")
        return both / (2 * len(sorted_))

    placements = np.empty(len(values))
    placements[anomalous] = share_below(low, values[anomalous])
    placements[~anomalous] = 1 - share_below(high, values[~anomalous])
    auroc = float(placements[anomalous].mean())
    count = np.where(anomalous, len(high), len(low))
    return auroc, (placements - auroc) / count


def perfect_auroc_limit(n_normal: int, n_anomalous: int, quantile: float) -> float:
    """The lower limit of an AUROC of 1, of which DeLong's variance is 0.

    The smallest area A with ``1 - A <= quantile * sqrt(V(A))``, where V is the variance that the
    two counts give an area A; by bisection.

    References
    ----------
    R. G. Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney
    statistic. Part 2", Statistics in Medicine 25, 2006, method 5.
    """
    half = (n_normal + n_anomalous) / 2 - 1

    def outside(area: float) -> bool:
        spread = 1 + half * ((1 - area) / (2 - area) + area / (1 + area))
        # Both sides squared and divided by 1 - area.
        return (1 - area) * n_normal * n_anomalous > quantile**2 * area * spread

    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if outside(middle) else (low, middle)
    return high
