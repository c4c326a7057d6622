"""SubspaceAD's scorer: what is left of a patch beside the axes along which good ones vary."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, NotFittedError
from pyimgano.features import PatchGrid
from pyimgano.features.patches.moments import Moments, axes_for
from pyimgano.scorers.base import PatchScores
from pyimgano.scorers.feature_store import FeatureStore
from pyimgano.scorers.fit_memory import refuse_beyond
from pyimgano.scorers.image_score import ImageScore, image_score_parameter, summarise
from pyimgano.utils.parameters import Number, Parameter
from pyimgano.utils.params import ParamsMixin

#: Pictures are left out in so many parts at most: each has an eigenvalue problem of its own.
_PARTS = 16


class SubspaceScorer(ParamsMixin):
    """Squared distance of a patch from the principal subspace of the training patches.

    As in SubspaceAD: mean and covariance in float64, as few axes as hold a share of the variance,
    neither whitened nor normalised.

    Parameters
    ----------
    variance : float
        Share of the variance that the subspace holds; one axis is always left out of it.
    image_score : str or tuple
        ``"max"``, or ``("top", share)``: mean of the largest share of the distances.

    Attributes
    ----------
    mean_ : ndarray
        float64 (d,).
    axes_ : ndarray
        float64 (d, k), the axes of the subspace as columns.
    """

    kind: ClassVar[str] = "subspace"
    PARAMETERS: ClassVar[dict[str, Parameter]] = {
        "variance": Number(
            0,
            1,
            open_low=True,
            metavar="V",
            help="share of the patches' variance that counts as normal; what lies outside is"
            " anomalous",
        ),
        "image_score": image_score_parameter(maps=False),
    }

    mean_: NDArray[np.float64]
    axes_: NDArray[np.float64]
    #: Until the training images are scored: their patches, their grids, and moments of all.
    _store: FeatureStore | None = None
    _shapes: list[tuple[int, int]]
    _moments: Moments

    def __init__(self, *, variance: float = 0.99, image_score: ImageScore = "max") -> None:
        self.variance = variance
        self.image_score = image_score

    def fit_bytes(self, n_images: int, n_patches: int, parts: Sequence[int]) -> int:
        """Memory that a fit takes, see :class:`~pyimgano.scorers.PatchScorer`."""
        depth = sum(parts)
        return 4 * n_images * n_patches * depth + 8 * 6 * depth * depth

    def begin(self, n_images: int, first: PatchGrid) -> None:
        """Make room for the patches of all images; NotEnoughMemoryError where there is none."""
        self._store, self._shapes = FeatureStore(n_images), []
        n, depth = first.rows.shape
        what = f"{n_images:,} images of {n:,} patches of {depth} features"
        ways = ["a smaller image_size", "fewer images"]
        refuse_beyond(self.fit_bytes(n_images, n, (depth,)), what, ways)

    def add(self, grid: PatchGrid) -> None:
        """Keep the patches of an image: 4 bytes x d each."""
        self._fitting().append(grid.rows)
        self._shapes.append(grid.shape)

    def finish(self, random_state: int, progress: Callable[[int, int], None]) -> None:
        """Learn the subspace."""
        rows = self._fitting().rows
        self._moments = Moments(rows[0]).add(rows)
        self.mean_, self.axes_ = self._subspace(self._moments)

    def held_out(self, groups: NDArray[np.int64] | None = None) -> list[PatchScores]:
        """Scores by the subspaces of other images.

        Up to 16 pictures are left out one by one; more are left out in 16 parts, for each subspace
        is an eigenvalue problem of d x d. The moments of a part are taken off those of all, which
        gives the subspace exactly. The training patches are dropped afterwards.
        """
        store = self._fitting()
        numbers = np.arange(store.n_images) if groups is None else groups
        part = np.unique(numbers, return_inverse=True)[1] % _PARTS
        image_of_row = store.image_of_row()
        starts = np.searchsorted(image_of_row, np.arange(store.n_images + 1))
        found: dict[int, PatchScores] = {}
        for number in range(part.max() + 1):
            grids = {
                i: PatchGrid(store.rows[starts[i] : starts[i + 1]], self._shapes[i])
                for i in np.flatnonzero(part == number).tolist()
            }
            left_out = Moments(self._moments.about)
            for grid in grids.values():
                left_out.add(grid.rows)
            mean, axes = self._subspace(self._moments.without(left_out))
            found |= {i: self._scores(grid, mean, axes) for i, grid in grids.items()}
        self._store = None
        del self._moments
        return [found[i] for i in range(len(found))]

    def score(self, grids: Sequence[PatchGrid]) -> list[PatchScores]:
        """Score images, one by one."""
        if not hasattr(self, "axes_"):
            raise NotFittedError("SubspaceScorer: call finish first")
        return [self._scores(grid, self.mean_, self.axes_) for grid in grids]

    def to_state(self) -> dict[str, NDArray[Any]]:
        """Mean and axes."""
        return {"mean": self.mean_, "axes": self.axes_}

    @classmethod
    def from_state(cls, parameters: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> Self:
        """A scorer with this subspace."""
        scorer = cls(**parameters)
        mean, axes = state["mean"], state["axes"]
        if mean.ndim != 1 or axes.ndim != 2 or len(axes) != len(mean):
            raise InvalidInputError(f"axes {axes.shape} and mean {mean.shape} do not go together")
        scorer.mean_, scorer.axes_ = mean, axes
        return scorer

    def _subspace(self, moments: Moments) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        variances, axes = moments.axes()
        n_axes = min(axes_for(variances, self.variance), len(axes) - 1)
        return moments.mean, np.ascontiguousarray(axes[:, :n_axes])

    def _scores(
        self, grid: PatchGrid, mean: NDArray[np.float64], axes: NDArray[np.float64]
    ) -> PatchScores:
        offsets = grid.rows - mean
        left = offsets - (offsets @ axes) @ axes.T
        squared = np.einsum("ij,ij->i", left, left).astype(np.float32).reshape(grid.shape)
        return PatchScores(summarise(squared, self.image_score), squared)

    def _fitting(self) -> FeatureStore:
        if self._store is None:
            raise NotFittedError("SubspaceScorer: call begin first")
        return self._store

    def __getstate__(self) -> dict[str, Any]:
        """Without the training patches."""
        left = ("_store", "_shapes", "_moments")
        return {name: value for name, value in vars(self).items() if name not in left}
