"""A scorer whose answers are checked, for it may be anybody's."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.features import PatchGrid
from pyimgano.scorers.base import PatchScorer, PatchScores
from pyimgano.scorers.image_score import summarise
from pyimgano.utils.foreign import asked
from pyimgano.utils.parameters.base import brief, plain


class _Places(NamedTuple):
    """The shape of an image's grid, of which larger one it is a part, and which places count."""

    shape: tuple[int, int]
    within: NDArray[np.bool_] | None
    scored: NDArray[np.bool_] | None

    @classmethod
    def of(cls, grid: PatchGrid) -> Self:
        return cls(grid.shape, grid.within, grid.scored)


class CheckedScorer:
    """A :class:`~pyimgano.scorers.PatchScorer` that stands before another.

    What the other raises, or gives that cannot be true, is one :class:`InvalidInputError` that
    names its class. Of grids that are part of a larger one (:attr:`PatchGrid.within`) it gives the
    distances on that one, NaN where nothing was scored, and -1 for what it was compared with. Where
    places do not count (:attr:`PatchGrid.scored`) distances are 0, also in the score of the image,
    which then follows from them by the ``image_score`` of the scorer.
    """

    def __init__(self, scorer: PatchScorer) -> None:
        self.scorer = scorer
        self._name = f"scorer {type(scorer).__name__}"
        self._places: list[_Places] = []

    @property
    def compares_images(self) -> bool:
        """Whether an image takes longer the more images there are."""
        return bool(getattr(self.scorer, "compares_images", False))

    def fit_bytes(self, n_images: int, n_patches: int, parts: Sequence[int]) -> int:
        """Memory that a fit takes; of a scorer that does not say, that of all features."""
        if not hasattr(self.scorer, "fit_bytes"):
            return 4 * n_images * n_patches * sum(parts)
        return int(asked(self._name, self.scorer.fit_bytes, n_images, n_patches, parts))

    def begin(self, n_images: int, first: PatchGrid) -> None:
        """Prepare for training images."""
        asked(self._name, self.scorer.begin, n_images, first)

    def add(self, grid: PatchGrid) -> None:
        """Take the next one."""
        asked(self._name, self.scorer.add, grid)
        self._places.append(_Places.of(grid))

    def finish(self, random_state: int, progress: Callable[[int, int], None]) -> None:
        """Learn."""
        asked(self._name, self.scorer.finish, random_state, progress)

    def score(self, grids: Sequence[PatchGrid]) -> list[PatchScores]:
        """Score images."""
        return self.checked(asked(self._name, self.scorer.score, grids), grids)

    def held_out(self, groups: NDArray[np.int64] | None = None) -> list[PatchScores]:
        """Score the training images."""
        given = () if groups is None else (groups,)
        return self._checked(asked(self._name, self.scorer.held_out, *given), self._places)

    def checked(self, found: Any, grids: Sequence[PatchGrid]) -> list[PatchScores]:
        """What the other gave for these images, in the places of their whole grids."""
        return self._checked(found, [_Places.of(grid) for grid in grids])

    def _checked(self, found: Any, places: Sequence[_Places]) -> list[PatchScores]:
        if not isinstance(found, list | tuple) or len(found) != len(places):
            n = len(found) if isinstance(found, list | tuple) else type(found).__name__
            raise InvalidInputError(f"{self._name} gave {n} scores for {len(places)} images")
        return [self._one(one, where) for one, where in zip(found, places, strict=True)]

    def _one(self, one: Any, where: _Places) -> PatchScores:
        """Scores of an image as they are stored and written: a plain float, and an array."""
        shape, within = where.shape, where.within
        if not isinstance(one, PatchScores):
            raise InvalidInputError(f"{self._name} gave {type(one).__name__}, not PatchScores")
        image, array = plain(one.image), np.asarray(one.distances)
        if not isinstance(image, int | float):
            raise InvalidInputError(f"{self._name} gave {brief(image)} as an image's score")
        if array.shape != shape or array.dtype != np.float32:
            raise InvalidInputError(
                f"{self._name} gave distances {array.dtype} {array.shape} for a grid of"
                f" {shape}: they must be float32 of its shape"
            )
        if not (np.isfinite(image) and np.isfinite(array).all()):
            raise InvalidInputError(f"{self._name} gave a score that is not finite")
        nearest = self._nearest(one.nearest, shape)
        if within is not None:
            whole = np.full(within.shape, np.nan, np.float32)
            whole[within] = array[0]
            array = whole
            if nearest is not None:
                places = np.full((*within.shape, 2), -1, np.int32)
                places[within] = nearest[0]
                nearest = places
        whole_image = PatchScores(float(image), array, nearest)
        return (
            whole_image if where.scored is None else self._of_foreground(whole_image, where.scored)
        )

    def _of_foreground(self, found: PatchScores, scored: NDArray[np.bool_]) -> PatchScores:
        left = ~scored & ~np.isnan(found.distances)
        distances = np.where(left, np.float32(0), found.distances)
        nearest = found.nearest
        if nearest is not None:
            nearest = np.where(left[..., None], np.int32(-1), nearest)
        rule = self.scorer.image_score  # type: ignore[attr-defined] # the detector checks it
        image = summarise(distances[~np.isnan(distances)], rule)
        return replace(found, image=image, distances=distances, nearest=nearest)

    def _nearest(self, given: Any, shape: tuple[int, int]) -> NDArray[np.int32] | None:
        if given is None:
            return None
        nearest = np.asarray(given)
        if nearest.shape != (*shape, 2) or nearest.dtype != np.int32 or nearest.min() < 0:
            raise InvalidInputError(
                f"{self._name} gave nearest patches {nearest.dtype} {nearest.shape} for a grid of"
                f" {shape}: they must be int32, two numbers from 0 for each of its patches"
            )
        return nearest
