"""What tells a defect from the patches of an image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pyimgano.features import PatchGrid


@dataclass(frozen=True, eq=False)
class PatchScores:
    """How anomalous an image is, and where.

    Attributes
    ----------
    image
        Score of the image; higher is more anomalous.
    distances
        float32 (h, w), the same for each patch of its grid.
    nearest
        int32 (h, w, 2): the training patch that each patch was compared with, as the number of the
        image, in the order of :meth:`~pyimgano.scorers.PatchScorer.add`, and that of the patch in
        its grid. None: the scorer does not compare with single patches, or no longer knows them.
    """

    image: float
    distances: NDArray[np.float32]
    nearest: NDArray[np.int32] | None = None


class PatchScorer(Protocol):
    """Learns the patches of normal images and scores those of others.

    A :class:`~pyimgano.models.PatchDetector` copies the object that it is given before each fit, as
    scikit-learn's meta-estimators do: by ``get_params`` where there is one, else by ``PARAMETERS``
    (:class:`~pyimgano.extend.Storable`), else by ``copy.deepcopy``. A fit calls :meth:`begin`,
    :meth:`add` for each image, :meth:`finish`, and :meth:`held_out` before anything is scored.

    For :class:`~pyimgano.models.plan.Plan` it may also have ``fit_bytes(n_images, n_patches,
    parts)``, the bytes that learning from so many images of so many patches takes, of features
    by layers (``PatchGrid.parts``); without it all features count. ``compares_images = True`` says
    that learning from an image, and scoring one, takes longer the more images there are.
    """

    def begin(self, n_images: int, first: PatchGrid) -> None:
        """Prepare for training images; forget those of an earlier fit.

        Parameters
        ----------
        n_images
            At most so many will come.
        first
            The patches of the first one, which :meth:`add` gets as well: their number and width
            tell how much memory all will take.
        """
        ...

    def add(self, grid: PatchGrid) -> None:
        """Take the patches of the next training image."""
        ...

    def finish(self, random_state: int, progress: Callable[[int, int], None]) -> None:
        """Learn from what was added.

        Parameters
        ----------
        random_state
            Seed of everything that is drawn.
        progress
            May be called with (done, total), for a progress bar.
        """
        ...

    def score(self, grids: Sequence[PatchGrid]) -> list[PatchScores]:
        """Score images, in order; none of them may depend on the others.

        Several threads may call it at once.
        """
        ...

    def held_out(self, groups: NDArray[np.int64] | None = None) -> list[PatchScores]:
        """Score each training image as one that was not learnt from.

        Called once after :meth:`finish`, and not at all where the training images show but one
        picture; what only this needs can be dropped at its end. The thresholds come from it.

        Parameters
        ----------
        groups
            int64 (n,): images of one number show the same picture, so that an image is scored
            without all of its group. None: each image is a picture of its own.
        """
        ...


def is_scorer(value: object) -> bool:
    """Whether an object has what a :class:`PatchScorer` must have."""
    methods = ("begin", "add", "finish", "score", "held_out")
    return not isinstance(value, type) and all(callable(getattr(value, m, None)) for m in methods)
