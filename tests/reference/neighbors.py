"""Brute-force nearest neighbours in float64."""

import numpy as np

LANES = 16


def squared_distances(rows, point):
    """Float64 squared distances of all `rows` to `point`, added up in the kernels' fixed order.

    Column i goes to running sum i mod 16; the sums are added halves onto halves. Any other order
    differs in the last bits only, which matters where two distances are equal but for those.
    """
    terms = (rows.astype(np.float64) - point.astype(np.float64)) ** 2
    missing = -terms.shape[1] % LANES
    terms = np.pad(terms, ((0, 0), (0, missing))).reshape(len(rows), -1, LANES)
    sums = np.zeros((len(rows), LANES))
    for step in range(terms.shape[1]):
        sums += terms[:, step]
    half = LANES // 2
    while half:
        sums = sums[:, :half] + sums[:, half:]
        half //= 2
    return sums[:, 0]


def nearest(bank, queries, k, bank_groups=None, query_groups=None):
    """Distances (m, k) and row numbers (m, k); inf and -1 where there are too few rows."""
    distances = np.full((len(queries), k), np.inf, dtype=np.float32)
    indices = np.full((len(queries), k), -1, dtype=np.int64)
    for q, query in enumerate(queries):
        squared = squared_distances(bank, query)
        eligible = np.arange(len(bank))
        if bank_groups is not None:
            eligible = eligible[np.asarray(bank_groups) != query_groups[q]]
        best = eligible[np.argsort(squared[eligible], kind="stable")][:k]
        with np.errstate(over="ignore"):
            distances[q, : len(best)] = np.sqrt(squared[best]).astype(np.float32)
        indices[q, : len(best)] = best
    return distances, indices


def nearest_in_groups(bank, groups, queries, own=None):
    """The group ids, ascending, and distances (m, g); inf for a query's own group."""
    groups = np.asarray(groups)
    ids = np.unique(groups)
    distances = np.full((len(queries), len(ids)), np.inf, dtype=np.float32)
    for q, query in enumerate(queries):
        squared = squared_distances(bank, query)
        for g, group in enumerate(ids):
            if own is None or own[q] != group:
                with np.errstate(over="ignore"):
                    distances[q, g] = np.sqrt(squared[groups == group].min())
    return ids, distances
