"""Plain greedy k-center in float64."""

import numpy as np

from tests.reference.neighbors import squared_distances


def greedy(features, n_samples, start):
    """Row numbers in pick order."""
    nearest = np.full(len(features), np.inf)
    picks = [start]
    while len(picks) < n_samples:
        nearest = np.minimum(nearest, squared_distances(features, features[picks[-1]]))
        open_ = nearest.copy()
        open_[picks] = -1.0
        picks.append(int(np.argmax(open_)))  # the first, so the lowest, of the largest
    return np.array(picks)


def covering_radius(features, picks):
    """The largest distance of a row to its nearest pick."""
    nearest = np.full(len(features), np.inf)
    for pick in picks:
        nearest = np.minimum(nearest, squared_distances(features, features[pick]))
    return float(np.sqrt(nearest.max()))
