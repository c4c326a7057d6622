"""The thresholds of a patch detector, from maps of its training images that were held out."""

import copy
import warnings

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ThresholdWarning
from pyimgano.models.block_fit import BlockFit
from pyimgano.models.collect import Collected
from pyimgano.models.patch_light import PatchLight
from pyimgano.models.pixel_threshold import GoodMaps
from pyimgano.models.threshold import held_out_threshold
from pyimgano.scorers.base import PatchScores
from pyimgano.scorers.checked import CheckedScorer
from pyimgano.scorers.image_score import ImageScore, is_of_map, summarise


class HeldOutThresholds(PatchLight):
    """What all thresholds come from: each training image, scored without itself."""

    false_pixels: float | None
    false_regions: float | None
    #: What the score of an image is, where that is a parameter.
    image_score: ImageScore

    def _fit_thresholds(
        self, collected: Collected, scorer: CheckedScorer | BlockFit, n_each: int
    ) -> None:
        """The thresholds; the scorer has ``n_each`` images for one, the first is the image."""
        groups, good = collected.groups, GoodMaps.asked_for(self)
        nothing = np.full(len(groups), np.nan)  # one picture leaves nothing to score it with
        scores, peaks, levels = nothing, nothing, np.zeros(1)
        self._held_out = ()
        if (n_pictures := len(np.unique(groups))) > 1:
            alone = n_each == 1 and n_pictures == len(groups)
            twins = None if alone else np.repeat(groups, n_each)
            self._held_out = scorer.held_out(twins)[::n_each]
            found = []
            for one, geometry in zip(self._held_out, collected.geometries, strict=True):
                at_input = self._mapper.at_input(one.distances, geometry.size)
                map_ = self._counted(at_input, geometry)
                found.append((self._score(one, map_), map_.max(), np.median(map_)))
                if good is not None:
                    good.add(self._at_source(at_input, geometry))
            scores, peaks, levels = np.array(found, np.float64).T
        else:  # nothing is held out; a scorer's copy is without its training patches
            self.scorer_ = copy.deepcopy(self.scorer_)
        self._learn_threshold(scores, groups, how="each left out of what was learnt")
        with warnings.catch_warnings():  # it would say the same again
            warnings.simplefilter("ignore", ThresholdWarning)
            self.map_threshold_ = held_out_threshold(peaks, self.contamination, groups=groups).value
        self.map_level_ = float(np.median(levels))
        if good is not None:
            held = groups if self._held_out else groups[:0]
            self.pixel_threshold_ = good.threshold(groups=held, stacklevel=5)

    def _scores_maps(self) -> bool:
        return hasattr(self, "image_score") and is_of_map(self._in_use("image_score"))

    def _score(self, found: PatchScores, counted: NDArray[np.float32]) -> float:
        """The score of an image: its scorer's, or that of its map at the features' input size."""
        of_map = self._scores_maps()
        return summarise(counted, self._in_use("image_score")) if of_map else found.image
