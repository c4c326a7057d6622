"""The half of a patch detector that tells which good photos an image was compared with."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError
from pyimgano.images.geometry import Geometry
from pyimgano.images.preprocess import ImagePreprocessor
from pyimgano.images.references import References
from pyimgano.images.region import RegionOfInterest
from pyimgano.images.twins import digest
from pyimgano.models.base import PixelDetector
from pyimgano.models.good_patch import GoodPatch, box_of, patch_at
from pyimgano.models.patch_map import PatchMapper
from pyimgano.scorers.base import PatchScorer, PatchScores
from pyimgano.types import ImageInput, Prediction
from pyimgano.utils.text import shown

_NOT_KEPT = "the detector's file does not say where its good photos are"


class ComparedPatches(PixelDetector):
    """Knows where the patches that it compares with come from, and how its own images scored."""

    scorer_: PatchScorer
    _preprocessor: ImagePreprocessor
    _mapper: PatchMapper
    #: The part of the images that counts; None: all of it.
    region_: RegionOfInterest | None = None
    #: Of the training images; none after loading.
    _held_out: Sequence[PatchScores] = ()

    @abstractmethod
    def _references(self) -> References:
        """The copies of the training images that were learnt from."""

    @abstractmethod
    def _in_use(self, name: str) -> Any:
        """A parameter, or what it is in the paper, if that is wanted."""

    @abstractmethod
    def _at_source(self, at_input: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
        """A map of what the network sees, on the source image."""

    def held_out_map(self, number: int, image: ImageInput) -> NDArray[np.float32] | None:
        """Where a training image differs from all others, float32 (H, W) at its own size."""
        if number >= len(self._held_out):
            return None
        geometry = self._preprocessor.load(image).geometry
        at_input = self._mapper.at_input(self._held_out[number].distances, geometry.size)
        return self._at_source(at_input, geometry)

    def held_out(self, number: int, image: ImageInput) -> Prediction:
        """What is said of a training image by what was learnt from all others."""
        known = self._held_out[number].nearest if number < len(self._held_out) else None
        return replace(super().held_out(number, image), nearest=known)

    def nearest_good(self, prediction: Prediction, x: int, y: int) -> GoodPatch | None:
        """Which patch of which training image a place of an image was compared with."""
        nearest, map_ = prediction.nearest, prediction.anomaly_map
        origins = getattr(self.scorer_, "origins_", None)
        if nearest is None or map_ is None or origins is None:
            return None
        here = self._preprocessor.geometry((map_.shape[0], map_.shape[1]))
        grid = (nearest.shape[0], nearest.shape[1])
        added, patch = nearest[patch_at(here, grid, x, y)].tolist()
        if added < 0:  # outside the region of interest
            return None
        number, copy = divmod(added, 1 + self._references().n_copies)
        file = self.training_files_[number] if number < len(self.training_files_) else ""
        try:
            found = self._training_image(file)
        except ImageReadError as error:
            return GoodPatch(number, file, missing=str(error))
        there = self._preprocessor.geometry((found.shape[0], found.shape[1]))
        is_turned = copy and self._in_use("references") != "brightness"
        shape = (int(origins.grids[added][0]), int(origins.grids[added][1]))
        if self.region_ is not None and not is_turned:
            # Those inside are numbered; both images have patches at the same distances.
            (h, w), (height, width) = there.size, here.size
            shape = round(grid[0] * h / height), round(grid[1] * w / width)
            patch = int(np.flatnonzero(self.region_.on_grid(there, shape))[patch])
        return GoodPatch(number, file, found, None if is_turned else box_of(there, shape, patch))

    def _training_image(self, file: str) -> NDArray[Any]:
        """The pixels of a training image; an ImageReadError where they are not those learnt."""
        if not file:
            known = "the good photo was given as an array, not as a file"
            raise ImageReadError(known if self.training_files_ else _NOT_KEPT)
        loaded = self._preprocessor.load(file)
        if self._digests and digest(loaded.pixels) not in self._digests:
            raise ImageReadError(f"{shown(file)} is no longer the photo that was learnt from")
        return self._preprocessor.read(file)[1]
