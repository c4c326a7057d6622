"""Mutual scoring: each image is compared with all others, and none needs to be known as good.

X. Li et al., "MuSc: Zero-Shot Industrial Anomaly Classification and Segmentation with Mutual
Scoring of the Unlabeled Images", ICLR 2024. A patch of a defect finds nothing like it in most other
images.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, NotFittedError
from pyimgano.features import PatchGrid
from pyimgano.neighbors import GroupIndex
from pyimgano.scorers.base import PatchScores
from pyimgano.scorers.feature_store import FeatureStore
from pyimgano.scorers.fit_memory import refuse_beyond
from pyimgano.scorers.image_score import ImageScore, image_score_parameter, summarise
from pyimgano.scorers.memory_bank import MemoryBankScorer
from pyimgano.utils.parameters import Flag, Number, Parameter
from pyimgano.utils.params import ParamsMixin

Array = NDArray[np.float32]
#: Sides of the neighbourhoods that patches are averaged over, as in the paper.
_SIDES = (1, 3, 5)
#: Rows of the search index come in blocks; bytes of one beside 9 for each of its features.
_BLOCK, _INDEX = 64, 510
#: No file is read whose images are so small that blocks are mostly empty.
_MOST_PADDING = 4


class MutualScorer(ParamsMixin):
    """Mean distance of a patch to the nearest patches of those images that come nearest to it.

    For each patch of an image the Euclidean distance to the nearest patch of every other image is
    found exactly; the lowest ``max(1, floor(share * n))`` of the n distances are averaged. Images
    that show the same picture count as one.

    Parameters
    ----------
    share : float
        Share of the other images whose distances are averaged, in (0, 1].
    layerwise : bool
        As in the paper: each layer by itself; its mean is taken off, places are averaged over
        1 x 1, 3 x 3 and 5 x 5 neighbours (zeros beyond the border count), rows are brought to
        length 1; the distances are averaged over layers and neighbourhoods. Patches that come
        without the widths of their layers (:attr:`PatchGrid.parts`) are of one layer. False: rows
        are compared as they come.
    spill_dir : path or None
        As in :class:`~pyimgano.scorers.MemoryBankScorer`.
    image_score : str or tuple
        ``"max"``, or ``("top", share)``: mean of the largest share of the distances.

    Attributes
    ----------
    rows_ : ndarray
        float32 (n_patches, d), the patches of all images.
    shapes_ : ndarray
        int64 (n, 2), the patch grid (h, w) of each image.
    groups_ : ndarray
        int64 (n,), for each image the number of its picture.

    Notes
    -----
    Memory: 4 bytes for each feature of each patch, and the search index, about 9 more; with
    ``layerwise`` 13 more for those of one layer at a time, as long as nothing but the images
    themselves are scored. Never patches by patches.
    """

    kind: ClassVar[str] = "mutual"
    compares_images: ClassVar[bool] = True
    PARAMETERS: ClassVar[dict[str, Parameter]] = {
        "share": Number(
            0,
            1,
            open_low=True,
            metavar="P",
            help="share of the other images, those that come nearest to a patch, whose distances"
            " are averaged",
        ),
        "layerwise": Flag(
            help="each layer by itself, over neighbourhoods of three sizes, as in the paper"
        ),
        "spill_dir": MemoryBankScorer.PARAMETERS["spill_dir"],
        "image_score": image_score_parameter(maps=False),
    }

    rows_: Array
    shapes_: NDArray[np.int64]
    groups_: NDArray[np.int64]
    _store: FeatureStore | None = None
    _shapes: list[tuple[int, int]]
    _widths: tuple[int, ...]
    #: For other images than those learnt, one for each view; made when it is first needed.
    _indices: list[GroupIndex] | None = None

    def __init__(
        self,
        *,
        share: float = 0.3,
        layerwise: bool = False,
        spill_dir: str | os.PathLike[str] | None = None,
        image_score: ImageScore = "max",
    ) -> None:
        self.share = share
        self.layerwise = layerwise
        self.spill_dir = spill_dir
        self.image_score = image_score

    def fit_bytes(self, n_images: int, n_patches: int, parts: Sequence[int]) -> int:
        """Memory that a fit takes, see :class:`~pyimgano.scorers.PatchScorer`."""
        depth = sum(parts)
        widest = max(parts) if self.layerwise else depth
        searched = -(-n_patches // _BLOCK) * _BLOCK * (9 * widest + _INDEX)
        kept = 4 * n_patches * (depth * (self.spill_dir is None) + widest * self.layerwise)
        return n_images * (kept + searched)

    def begin(self, n_images: int, first: PatchGrid) -> None:
        """Make room for the patches of all images; NotEnoughMemoryError where there is none."""
        n, depth = first.rows.shape
        self._widths = first.parts if self.layerwise and first.parts else (depth,)
        needed = self.fit_bytes(n_images, n, self._widths)
        what = f"{n_images:,} images of {n:,} patches of {depth} features"
        refuse_beyond(needed, what, ["a smaller image_size", "fewer images"])
        self._store, self._shapes = FeatureStore(n_images, self.spill_dir), []
        self._indices = None

    def add(self, grid: PatchGrid) -> None:
        """Keep the patches of an image: 4 bytes x d each, in memory or in ``spill_dir``."""
        self._fitting().append(grid.rows)
        self._shapes.append(grid.shape)

    def finish(self, random_state: int, progress: Callable[[int, int], None]) -> None:
        """Keep what was added: nothing else is learnt."""
        self.rows_ = self._fitting().rows
        self.shapes_ = np.array(self._shapes, dtype=np.int64)
        self.groups_ = np.arange(len(self.shapes_))
        self._store = None

    def held_out(self, groups: NDArray[np.int64] | None = None) -> list[PatchScores]:
        """Mutual scores: each image against those that show another picture, image by image."""
        self._check_fitted()
        if groups is not None:
            self.groups_ = groups
        ends = self._ends()
        total = np.zeros(len(self.rows_))
        n_others = len(np.unique(self.groups_)) - 1
        for view in self._views():
            bank = self._bank(view)
            index = GroupIndex(bank, np.repeat(self.groups_, np.diff(ends)))
            for group, (start, stop) in zip(self.groups_, pairwise(ends), strict=True):
                own = np.full(stop - start, group)
                found = index.nearest(bank[start:stop], groups=own)
                total[start:stop] += self._lowest(found, n_others)
        return [
            self._scores(total[start:stop], shape)
            for shape, (start, stop) in zip(self._grids(), pairwise(ends), strict=True)
        ]

    def score(self, grids: Sequence[PatchGrid]) -> list[PatchScores]:
        """Score images by all that were learnt, as if each were one more among them."""
        self._check_fitted()
        views = list(self._views())
        if self._indices is None:
            owners = np.repeat(self.groups_, np.diff(self._ends()))
            self._indices = [GroupIndex(self._bank(view), owners) for view in views]
        found = []
        for grid in grids:
            if grid.rows.shape[1] != self.rows_.shape[1]:
                raise InvalidInputError(
                    f"patches have {grid.rows.shape[1]} features, those learnt"
                    f" {self.rows_.shape[1]}"
                )
            total = np.zeros(len(grid.rows))
            for view, index in zip(views, self._indices, strict=True):
                near = index.nearest(_seen(grid.rows, grid.shape, view))
                total += self._lowest(near, near.shape[1])
            found.append(self._scores(total, grid.shape))
        return found

    def image_features(self) -> NDArray[np.float64]:
        """float64 (n, d): the mean patch of each image, of length 1."""
        self._check_fitted()
        means = np.array([self.rows_[a:b].mean(axis=0) for a, b in pairwise(self._ends())], float)
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
        return means

    def to_state(self) -> dict[str, NDArray[Any]]:
        """All patches, the grid and the picture of each image, and the widths of the layers."""
        whole = {"shapes": self.shapes_, "groups": self.groups_, "widths": self._widths}
        return {"rows": self.rows_} | {k: np.asarray(v, np.float64) for k, v in whole.items()}

    @classmethod
    def from_state(cls, parameters: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> Self:
        """A scorer that knows these patches."""
        scorer = cls(**parameters)
        rows, given = state["rows"], [state[name] for name in ("shapes", "groups", "widths")]
        shapes, groups, widths = whole = [one.astype(np.int64) for one in given]
        if not (
            all((a == b).all() and (b >= 0).all() for a, b in zip(given, whole, strict=True))
            and (rows.ndim, shapes.ndim, groups.ndim, widths.ndim) == (2, 2, 1, 1)
            and rows.dtype == np.float32
            and shapes.shape == (len(groups), 2)
            and 0 < len(rows) == (shapes[:, 0] * shapes[:, 1]).sum()
            and shapes.min() > 0
            and shapes.max() <= len(rows)
            and widths.sum() == rows.shape[1]
        ):
            raise InvalidInputError("patches, grids, pictures and widths do not go together")
        _check_filled(shapes.prod(axis=1))
        scorer.rows_, scorer.shapes_, scorer.groups_ = rows, shapes, groups
        scorer._widths = tuple(widths.tolist())
        return scorer

    def _views(self) -> Iterator[tuple[int, int, int] | None]:
        """First and last column and side of the neighbourhood; None for the rows as they are."""
        if not self.layerwise:
            yield None
            return
        for start, stop in pairwise(np.cumsum([0, *self._widths]).tolist()):
            for side in _SIDES:
                yield start, stop, side

    def _bank(self, view: tuple[int, int, int] | None) -> Array:
        """The rows of all images as they are compared in a view."""
        if view is None:
            return self.rows_
        bank = np.empty((len(self.rows_), view[1] - view[0]), dtype=np.float32)
        for shape, (start, stop) in zip(self._grids(), pairwise(self._ends()), strict=True):
            bank[start:stop] = _seen(self.rows_[start:stop], shape, view)
        return bank

    def _lowest(self, distances: Array, n: int) -> NDArray[np.float64]:
        """The mean of each row's lowest share of n distances."""
        k = max(1, int(self.share * n))
        low = np.partition(distances, k - 1, axis=1)[:, :k]
        mean: NDArray[np.float64] = np.sort(low, axis=1).mean(axis=1, dtype=np.float64)
        return mean

    def _scores(self, total: NDArray[np.float64], shape: tuple[int, int]) -> PatchScores:
        """Scores by the sums over all views."""
        n_views = len(self._widths) * len(_SIDES) if self.layerwise else 1
        distances = (total / n_views).astype(np.float32).reshape(shape)
        return PatchScores(summarise(distances, self.image_score), distances)

    def _ends(self) -> list[int]:
        ends: list[int] = np.cumsum([0, *self.shapes_.prod(axis=1)]).tolist()
        return ends

    def _grids(self) -> list[tuple[int, int]]:
        return [(height, width) for height, width in self.shapes_.tolist()]

    def _fitting(self) -> FeatureStore:
        if self._store is None:
            raise NotFittedError("MutualScorer: call begin first")
        return self._store

    def _check_fitted(self) -> None:
        if not hasattr(self, "rows_"):
            raise NotFittedError("MutualScorer: call finish first")

    def __getstate__(self) -> dict[str, Any]:
        """Without the indices, which are made anew where a copy is used."""
        left = ("_indices", "_store", "_shapes")
        return {name: value for name, value in vars(self).items() if name not in left}


def _check_filled(n_patches: NDArray[np.int64]) -> None:
    """Refuse images whose blocks in the search index would be mostly empty."""
    padded = (-(-n_patches // _BLOCK) * _BLOCK).sum()
    if padded > max(_MOST_PADDING * n_patches.sum(), 4096):
        raise InvalidInputError(
            f"{len(n_patches):,} images with {n_patches.sum() / len(n_patches):.3g} patches each:"
            " images of fewer than 16 patches would take too much memory; fit with a larger"
            " image_size"
        )


def _seen(rows: Array, shape: tuple[int, int], view: tuple[int, int, int] | None) -> Array:
    """The patches of one image as they are compared in a view."""
    if view is None:
        return rows
    start, stop, side = view
    layer = rows[:, start:stop]
    # The paper normalises a whole layer to mean 0 and deviation 1; the deviation goes with the
    # length of the rows.
    values = (layer - layer.mean(dtype=np.float64)).astype(np.float32).reshape(*shape, -1)
    for axis in (0, 1):
        values = _summed(values.swapaxes(0, axis), side // 2).swapaxes(0, axis)
    summed = values.reshape(len(rows), -1)
    lengths = np.linalg.norm(summed, axis=1, keepdims=True)
    return np.ascontiguousarray(summed / np.maximum(lengths, np.finfo(np.float32).tiny))


def _summed(values: Array, reach: int) -> Array:
    """Sums over so many neighbours to both sides along the first axis."""
    out = values.copy()
    for step in range(1, min(reach, len(values) - 1) + 1):
        out[step:] += values[:-step]
        out[:-step] += values[step:]
    return out


def rerank(
    scores: NDArray[np.float64],
    features: NDArray[np.float64],
    neighbours: Sequence[int] = (1, 2, 3),
) -> NDArray[np.float64]:
    """Scores of images averaged over those that look alike (RsCIN, MuSc section 3.4).

    Parameters
    ----------
    scores
        float64 (n,).
    features
        float64 (n, d), one row per image.
    neighbours
        For each number k an image's score is the mean over the k images with the largest inner
        products with it, weighted by these; the image itself is one of the n. Products below 0, as
        features of both signs have them, weigh nothing. The result is the mean over all k.

    Returns
    -------
    ndarray
        float64 (n,); scores are brought to 0 to 1 first.
    """
    low, high = scores.min(), scores.max()
    scaled = (scores - low) / (high - low) if high > low else np.zeros_like(scores)
    alike = features @ features.T
    order = np.argsort(-alike, axis=1, kind="stable")
    found = np.zeros_like(scaled)
    for k in neighbours:
        near = order[:, :k]
        weights = np.maximum(np.take_along_axis(alike, near, axis=1), 0)
        # Only an image whose features are all 0 is like none: it keeps its own score.
        total = weights.sum(axis=1)
        found += np.where(total > 0, (weights * scaled[near]).sum(axis=1), scaled) / np.where(
            total > 0, total, 1
        )
    mean: NDArray[np.float64] = found / len(neighbours)
    return mean
