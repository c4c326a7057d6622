"""PaDiM's scorer: for each place of the grid the normal law of its patches."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, NotFittedError
from pyimgano.features import PatchGrid
from pyimgano.features.patches.moments import Moments
from pyimgano.scorers.base import PatchScores
from pyimgano.scorers.feature_store import FeatureStore
from pyimgano.scorers.fit_memory import refuse_beyond
from pyimgano.scorers.image_score import ImageScore, image_score_parameter, summarise
from pyimgano.utils.parameters import Choice, Count, Number, Parameter
from pyimgano.utils.params import ParamsMixin

#: Numbers of float64 in each of the arrays that a block of places takes.
_BLOCK = 2**22


class GaussianScorer(ParamsMixin):
    """Mahalanobis distance from the patches that good images have at the same place.

    For each place of the grid a mean and a covariance over the training images (Defard et al.,
    "PaDiM", ICPR 2020, section III), of a few channels out of all. All images must have one size,
    and parts must lie in one way.

    Parameters
    ----------
    n_features : int
        Channels that are used, at most as many as there are; (h w n² / 2) numbers are kept.
    selection : str
        ``"random"`` channels, as in the paper, or ``"principal"``: the axes of all training
        patches with the largest variance.
    regularization : float
        Added to each variance, epsilon in the paper.
    image_score : str or tuple
        ``"max"``, or ``("top", share)``: mean of the largest share of the distances.

    Attributes
    ----------
    axes_ : ndarray
        float32 (d, n): the channels or axes that are used, as columns.
    mean_ : ndarray
        float32 (h w, n).
    whitening_ : ndarray
        float32 (h w, n, n), lower triangles: inverses of the Cholesky factors of the covariances.
    """

    kind: ClassVar[str] = "gaussian"
    PARAMETERS: ClassVar[dict[str, Parameter]] = {
        "n_features": Count(1, 4096, metavar="N", help="channels used, out of all"),
        "selection": Choice(
            "random",
            "principal",
            help="which channels: random ones, or the axes of largest variance",
        ),
        "regularization": Number(
            0, 1e6, open_low=True, metavar="E", help="added to the variance of each channel"
        ),
        "image_score": image_score_parameter(maps=False),
    }

    axes_: NDArray[np.float32]
    mean_: NDArray[np.float32]
    whitening_: NDArray[np.float32]
    _shape: tuple[int, int]
    _store: FeatureStore | None = None

    def __init__(
        self,
        *,
        n_features: int = 100,
        selection: str = "random",
        regularization: float = 0.01,
        image_score: ImageScore = "max",
    ) -> None:
        self.n_features = n_features
        self.selection = selection
        self.regularization = regularization
        self.image_score = image_score

    def fit_bytes(self, n_images: int, n_patches: int, parts: Sequence[int]) -> int:
        """Memory that a fit takes, see :class:`~pyimgano.scorers.PatchScorer`."""
        depth = sum(parts)
        used = min(self.n_features, depth)
        kept = 4 * n_patches * (n_images * (depth + used) + 2 * used * used)
        return kept + 8 * 6 * _BLOCK

    def begin(self, n_images: int, first: PatchGrid) -> None:
        """Make room for the patches of all images.

        Raises
        ------
        NotEnoughMemoryError
            Neither they nor the covariances would fit.
        """
        self._store, self._shape = FeatureStore(n_images), first.shape
        places, depth = first.rows.shape
        used = min(self.n_features, depth)
        needed = self.fit_bytes(n_images, places, (depth,))
        what = f"{n_images:,} images of {places:,} patches, and {used} x {used} covariances"
        refuse_beyond(needed, what, ["a smaller n_features", "a smaller image_size"])

    def add(self, grid: PatchGrid) -> None:
        """Keep the patches of an image: 4 bytes x d each.

        Raises
        ------
        InvalidInputError
            Its grid is another than the first one's.
        """
        self._check(grid)
        self._fitting().append(grid.rows)

    def finish(self, random_state: int, progress: Callable[[int, int], None]) -> None:
        """Learn the law of each place."""
        store = self._fitting()
        depth = store.rows.shape[1]
        n = min(self.n_features, depth)
        if self.selection == "principal":
            self.axes_ = Moments(store.rows[0]).add(store.rows).axes()[1][:, :n].astype(np.float32)
        else:
            picks = np.sort(np.random.default_rng(random_state).permutation(depth)[:n])
            self.axes_ = np.eye(depth, dtype=np.float32)[:, picks]
        places = self._shape[0] * self._shape[1]
        self.mean_ = np.empty((places, n), np.float32)
        self.whitening_ = np.empty((places, n, n), np.float32)
        for block, mean, offsets in self._places():
            self.mean_[block] = mean
            inverse = np.linalg.inv(np.linalg.cholesky(self._covariance(offsets, len(offsets[0]))))
            self.whitening_[block] = np.tril(inverse)
            progress(block.stop, places)

    def held_out(self, groups: NDArray[np.int64] | None = None) -> list[PatchScores]:
        """Scores by the laws of all other images, exactly as if these had been learnt alone: with
        random channels, that is. Principal axes stay those of all images.

        Leaving g images out changes the scatter by g + 1 products, so that one factorisation for
        each g serves all of them (Sherman, Morrison & Woodbury). The training patches are dropped
        afterwards.
        """
        n = self._fitting().n_images
        groups = np.arange(n) if groups is None else groups
        members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
        squared = np.empty((n, self._shape[0] * self._shape[1]))
        for block, _, offsets in self._places():
            products = {}
            for group in members:
                rest = n - len(group)
                if rest not in products:
                    factor = np.linalg.cholesky(self._covariance(offsets, rest))
                    white = np.linalg.solve(factor, offsets.transpose(0, 2, 1))
                    products[rest] = white.transpose(0, 2, 1) @ white
                squared[group, block] = _left_out(products[rest], group, rest).T
        self._store = None
        return [self._scores(np.sqrt(np.maximum(one, 0))) for one in squared]

    def score(self, grids: Sequence[PatchGrid]) -> list[PatchScores]:
        """Score images, one by one: laws that are read for each, and sums in one order."""
        if not hasattr(self, "whitening_"):
            raise NotFittedError("GaussianScorer: call finish first")
        found = []
        for grid in grids:
            self._check(grid)
            offsets = self._reduced(grid.rows) - self.mean_
            white = (self.whitening_ @ offsets[:, :, None])[:, :, 0]
            found.append(self._scores(np.sqrt(np.einsum("ij,ij->i", white, white))))
        return found

    def to_state(self) -> dict[str, NDArray[Any]]:
        """The laws; of the triangles that part which is not 0."""
        below = np.tril_indices(self.axes_.shape[1])
        return {
            "axes": self.axes_,
            "mean": self.mean_.reshape(*self._shape, -1),
            "whitening": self.whitening_[:, below[0], below[1]],
        }

    @classmethod
    def from_state(cls, parameters: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> Self:
        """A scorer with these laws."""
        scorer = cls(**parameters)
        axes, mean, packed = state["axes"], state["mean"], state["whitening"]
        height, width, n = mean.shape
        if axes.shape[1] != n or packed.shape != (height * width, n * (n + 1) // 2):
            raise InvalidInputError(
                f"axes {axes.shape}, mean {mean.shape} and whitening {packed.shape} do not go"
                " together"
            )
        scorer.axes_, scorer._shape = axes, (height, width)
        scorer.mean_ = mean.reshape(height * width, n)
        scorer.whitening_ = np.zeros((height * width, n, n), np.float32)
        rows, columns = np.tril_indices(n)
        scorer.whitening_[:, rows, columns] = packed
        return scorer

    def _places(
        self,
    ) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float64]]]:
        """Places in blocks: which, their means (b, n), and offsets from these (b, images, n)."""
        store = self._fitting()
        n_images, n = store.n_images, self.axes_.shape[1]
        patches = store.rows.reshape(n_images, -1, store.rows.shape[1])
        size = max(1, _BLOCK // max(n, n_images) ** 2)
        for start in range(0, patches.shape[1], size):
            block = slice(start, min(start + size, patches.shape[1]))
            values = np.stack([self._reduced(one[block]) for one in patches], axis=1)
            mean = values.mean(axis=1, dtype=np.float64)
            yield block, mean, values - mean[:, None]

    def _reduced(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = rows @ self.axes_
        return found

    def _covariance(self, offsets: NDArray[np.float64], n: int) -> NDArray[np.float64]:
        """Their scatter (b, n, n) over n - 1, over 1 for n = 1, and the regularization."""
        covariance: NDArray[np.float64] = offsets.transpose(0, 2, 1) @ offsets / max(n - 1, 1)
        diagonal = np.arange(covariance.shape[1])
        covariance[:, diagonal, diagonal] += self.regularization
        return covariance

    def _scores(self, distances: NDArray[np.floating]) -> PatchScores:
        grid = distances.astype(np.float32).reshape(self._shape)
        return PatchScores(summarise(grid, self.image_score), grid)

    def _check(self, grid: PatchGrid) -> None:
        if grid.shape != self._shape:
            raise InvalidInputError(
                f"an image gives a grid of {grid.shape[0]} x {grid.shape[1]} patches, the first one"
                f" {self._shape[0]} x {self._shape[1]}: laws by place need images of one size, or"
                ' image_size with resize_mode="squash" and no smallest_defect, and no turned'
                " references with roi"
            )

    def _fitting(self) -> FeatureStore:
        if self._store is None:
            raise NotFittedError("GaussianScorer: call begin first")
        return self._store

    def __getstate__(self) -> dict[str, Any]:
        """Without the training patches."""
        return {name: value for name, value in vars(self).items() if name != "_store"}


def _left_out(
    products: NDArray[np.float64], group: NDArray[np.int64], rest: int
) -> NDArray[np.float64]:
    """Squared distances of a group's images from the law of the ``rest`` others.

    With the offsets x from the mean of all, their sum s over the group, and the scatter S of all,
    the others have the mean -s / rest and the scatter S - sum(x x') - s s' / rest: S less the
    products of g + 1 vectors u.

    Parameters
    ----------
    products
        (b, n, n): x' A^-1 x for each two images, A being S / (rest - 1) with the regularization.
    group
        Numbers of its images.
    rest
        How many others there are.

    Returns
    -------
    ndarray
        (b, g).
    """
    n, g = products.shape[1], len(group)
    one = np.zeros((n, g))
    one[group, np.arange(g)] = 1.0
    everyone = one.sum(axis=1, keepdims=True)
    changed = np.hstack([one, everyone / np.sqrt(rest)])
    far = one + everyone / rest
    inner = max(rest - 1, 1) * np.eye(g + 1) - changed.T @ products @ changed
    across = changed.T @ products @ far
    direct = np.einsum("ni,bnm,mi->bi", far, products, far, optimize=True)
    further = np.einsum("bki,bki->bi", across, np.linalg.solve(inner, across))
    found: NDArray[np.float64] = direct + further
    return found
