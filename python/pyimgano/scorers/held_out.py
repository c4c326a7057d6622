"""Scores of the training images, each against a memory bank that never saw its picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pyimgano.kernels import KnnIndex
from pyimgano.scorers.base import PatchScores
from pyimgano.scorers.feature_store import FeatureStore
from pyimgano.scorers.origins import places_of
from pyimgano.scorers.reweighting import reweight

#: Above so many rows to cover, their pairwise distances are not held at once.
_PAIRWISE_LIMIT = 1024
#: Rows searched at once: what is gathered for a search never comes near the size of all features.
_BLOCK = 8192


def score_held_out(
    store: FeatureStore,
    shapes: Sequence[tuple[int, int]],
    group: NDArray[np.int64],
    picks: NDArray[np.int64],
    bank_rows: NDArray[np.float32],
    *,
    n_neighbors: int,
    n_threads: int | None = None,
) -> list[PatchScores]:
    """Score each training image against the bank as it would be without that picture.

    Images that show the same picture (:mod:`~pyimgano.images.twins`) are left out together.
    Dropping an image's own rows from the bank is not enough: patches of other images that only
    those rows covered would be left without a neighbour, and scores would come out too high (by 11
    % on average on MVTec AD screw, which turns a false-positive rate of 10 % into 1.5 %). So the
    holes are filled as the coreset itself is built: of the uncovered patches of other images the
    farthest is added, until all are again within the coreset's covering radius. That costs two
    searches of all patches, and no second coreset.

    The store has the patches of the n training images, N rows in all, ``shapes`` their grids (h,
    w); ``group`` is int64 (n,), for each image the first one that shows the same picture, two of
    which differ. ``picks``, sorted, are the rows in the memory bank, ``bank_rows`` these rows.
    Beside the features and the bank it holds the search index and about 80 bytes per row.
    """
    rows, own = store.rows, group[store.image_of_row()]
    index = KnnIndex(bank_rows, groups=own[picks], n_threads=n_threads)
    holes = holes_of(rows, own, index, picks, n_threads=n_threads)
    patches = repair(rows, holes.covered_by, holes.without, holes.radius, store.n_images)
    distances, own_match = holes.distances, holes.matches
    starts = np.cumsum([0, *(h * w for h, w in shapes)])
    scores = []
    for i, (start, stop) in enumerate(pairwise(starts)):
        further = patches[group[i]]
        nearest = picks[own_match[start:stop]]
        here = distances[start:stop]  # a view: improved in place
        image = score_without(
            rows[start:stop], here, nearest, further, (index, picks, rows), group[i], n_neighbors
        )
        compared = places_of(nearest, shapes).reshape(*shapes[i], 2)
        scores.append(PatchScores(image, here.reshape(shapes[i]), compared))
    return scores


def score_without(
    patches: NDArray[np.float32],
    distances: NDArray[np.float32],
    nearest: NDArray[np.int64],
    further: NDArray[np.int64],
    bank: tuple[KnnIndex, NDArray[np.int64], NDArray[np.float32]],
    group: int,
    n_neighbors: int,
) -> float:
    """Score one image by the bank without its group, and with those rows that fill its holes.

    Parameters
    ----------
    patches
        float32 (p, d), those of the image.
    distances, nearest
        float32 and int64 (p,): distance to the nearest row of the bank without the group, and its
        number. Both are improved in place where one of the further rows is nearer.
    further
        int64 (f,), numbers of the rows that fill holes.
    bank
        Its index with groups, the numbers of its rows, and all rows that are numbered.
    group, n_neighbors
        What is left out, and the rows in the re-weighting of the image's score.

    Returns
    -------
    float
        The re-weighted score of the image.
    """
    index, picks, rows = bank
    added = _improve(distances, patches, rows[further])
    better = added >= 0
    nearest[better] = further[added[better]]
    worst = int(np.argmax(distances))
    match, k = nearest[worst], min(n_neighbors, len(picks))
    _, near = index.query(rows[match : match + 1], k, groups=np.array([group]))
    candidates = np.concatenate([picks[near[0][near[0] >= 0]], further])
    neighbours = _nearest(rows, match, candidates, k)
    return reweight(patches[worst], float(distances[worst]), rows[neighbours], neighbours == match)


@dataclass(frozen=True, eq=False)
class Holes:
    """What becomes of each of some rows where a group is left out of a bank that covers them.

    Attributes
    ----------
    radius
        The bank's covering radius: that of the farthest row.
    covered_by
        int64 (n,), the group whose row is nearest.
    without
        float32 (n,), for rows of other groups: the distance without that group, else 0.
    distances, matches
        float32 and int64 (n,), distance to the nearest row of another group than a row's own, and
        its number in the bank.
    """

    radius: float
    covered_by: NDArray[np.int64]
    without: NDArray[np.float32]
    distances: NDArray[np.float32]
    matches: NDArray[np.int64]


def holes_of(
    rows: NDArray[np.float32],
    own: NDArray[np.int64],
    index: KnnIndex,
    picks: NDArray[np.int64],
    *,
    n_threads: int | None = None,
) -> Holes:
    """Find what leaving out each group takes the cover of.

    ``own`` is int64 (n,), the group of each row; ``index`` has the rows ``picks`` with theirs.
    """
    # No group has the number -1: nothing is left out.
    nobody = np.full(len(rows), -1, dtype=np.int64)
    distances, matches = search(index, rows, nobody, n_threads)
    covered_by = own[picks[matches]]
    # Leave out the picture that covers a row: for its own rows that is the held-out distance, for
    # rows of others it says whether they would lose their cover.
    without, next_match = search(index, rows, covered_by, n_threads)
    foreign = covered_by != own
    return Holes(
        float(distances.max()),
        covered_by,
        np.where(foreign, without, np.float32(0)),
        np.where(foreign, distances, without),
        np.where(foreign, matches, next_match),
    )


def repair(
    rows: NDArray[np.float32],
    covered_by: NDArray[np.int64],
    without: NDArray[np.float32],
    radius: float,
    n_images: int,
) -> list[NDArray[np.int64]]:
    """For each group the rows of others that must join the bank when it is left out."""
    uncovered = np.flatnonzero(without > radius)
    by_image = uncovered[np.argsort(covered_by[uncovered], kind="stable")]
    bounds = np.searchsorted(covered_by[by_image], np.arange(n_images + 1))
    return [
        _cover(rows, by_image[start:stop], without[by_image[start:stop]], radius)
        for start, stop in pairwise(bounds)
    ]


def _cover(
    rows: NDArray[np.float32],
    chosen: NDArray[np.int64],
    distances: NDArray[np.float32],
    radius: float,
) -> NDArray[np.int64]:
    """Greedily pick among the chosen rows until all of them are within the radius."""
    distance = distances.astype(np.float64)
    features = rows[chosen].astype(np.float64)
    norms = np.einsum("ij,ij->i", features, features)
    to_all = _distances(features, features) if len(chosen) <= _PAIRWISE_LIMIT else None
    added = []
    while len(chosen) and distance.max() > radius:
        farthest = int(np.argmax(distance))
        added.append(chosen[farthest])
        if to_all is None:
            squared = norms + norms[farthest] - 2.0 * (features @ features[farthest])
            to_new = np.sqrt(np.maximum(squared, 0.0))
        else:
            to_new = to_all[farthest]
        np.minimum(distance, to_new, out=distance)
        distance[farthest] = 0.0
    return np.array(added, dtype=np.int64)


def search(
    index: KnnIndex,
    rows: NDArray[np.float32],
    groups: NDArray[np.int64],
    n_threads: int | None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Distance and number of each row's nearest bank row outside its group, block by block."""
    distances = np.empty(len(rows), dtype=np.float32)
    matches = np.empty(len(rows), dtype=np.int64)
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)
        found = index.query(rows[block], 1, groups=groups[block], n_threads=n_threads)
        distances[block], matches[block] = found[0][:, 0], found[1][:, 0]
    return distances, matches


def _improve(
    distances: NDArray[np.float32], patches: NDArray[np.float32], added: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Lower distances in place where an added row is nearer; its number, or -1 where none is."""
    which = np.full(len(distances), -1, dtype=np.int64)
    if len(added):
        to_added, match = KnnIndex(added).query(patches, 1)
        nearer = to_added[:, 0] < distances
        distances[nearer] = to_added[nearer, 0]
        which[nearer] = match[nearer, 0]
    return which


def _nearest(
    rows: NDArray[np.float32], anchor: int, candidates: NDArray[np.int64], k: int
) -> NDArray[np.int64]:
    """The ``k`` candidates nearest to a row that is among them, that row always included."""
    distance = _distances(rows[candidates], rows[anchor : anchor + 1])[:, 0]
    distance[candidates == anchor] = -1.0
    return candidates[np.argsort(distance, kind="stable")[:k]]


def _distances(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Euclidean distances (len(a), len(b)); float64 keeps the cancellation below 1e-6."""
    x, y = a.astype(np.float64, copy=False), b.astype(np.float64, copy=False)
    norms = np.einsum("ij,ij->i", x, x)[:, None] + np.einsum("ij,ij->i", y, y)[None, :]
    return np.asarray(np.sqrt(np.maximum(norms - 2.0 * (x @ y.T), 0.0)))
