"""Mutual scoring as a detector (MuSc, ICLR 2024): images that need not be known as good."""

import os
from typing import Any, ClassVar

from pyimgano.errors import InvalidInputError
from pyimgano.features import PatchExtractor
from pyimgano.features.patches.layer_maps import LayerPatches
from pyimgano.features.patches.pooling import POOLED, Aggregation
from pyimgano.models.parameters import FEATURES, PATCHES, Parameters
from pyimgano.models.patch_detector import PatchDetector
from pyimgano.models.patch_map import PatchMapper
from pyimgano.scorers.image_score import ImageScore, image_score_parameter
from pyimgano.scorers.mutual import MutualScorer
from pyimgano.types import ImageSize


class MutualScoring(PatchDetector):
    """How far the patches of an image are from those of other images, of which some may be bad.

    A :class:`~pyimgano.models.PatchDetector` with a :class:`~pyimgano.scorers.MutualScorer`. Its
    ``decision_scores_`` are the mutual scores of the images that it was fitted on.

    Parameters
    ----------
    share, layerwise, spill_dir
        As in :class:`~pyimgano.scorers.MutualScorer`. ``projection`` joins the layers: together
        with ``layerwise`` it is an InvalidInputError.
    image_score
        ``"max"``, ``("top", share)``: the largest distance of a patch, or the mean of the largest
        share; ``"map_max"``, ``("map_top", share)``: the same of the pixels of the map.
    preset
        ``"paper"``: images are squared to 518 x 518, layers are compared one by one, the map is not
        smoothed and its largest value is the score, whatever the parameters say.
    **common
        All other parameters of :class:`~pyimgano.models.PatchDetector`, but for ``scorer``.

    Attributes
    ----------
    scorer_ : MutualScorer
        It holds the patches of all images.
    threshold_, map_threshold_, map_level_, decision_scores_, skipped_, timings_
        As in :class:`~pyimgano.models.PatchDetector`.
    """

    kind: ClassVar[str] = "mutual"
    PARAMETERS: ClassVar[Parameters] = {
        **FEATURES,
        **MutualScorer.PARAMETERS,
        "image_score": image_score_parameter(),
        **PATCHES,
    }
    SCORER = MutualScorer
    PAPER: ClassVar[dict[str, Any]] = {
        "share": 0.3,
        "layerwise": True,
        "image_score": "map_max",
        "gaussian_sigma": 0.0,
    }

    scorer_: MutualScorer

    def __init__(
        self,
        *,
        share: float = 0.3,
        layerwise: bool = False,
        spill_dir: str | os.PathLike[str] | None = None,
        image_score: ImageScore = "max",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.share = share
        self.layerwise = layerwise
        self.spill_dir = spill_dir
        self.image_score = image_score

    def _build_features(self) -> PatchExtractor:
        """For a fit alone: a file of a detector that has both can still be loaded."""
        if self._in_use("layerwise") and self.projection is not None:
            given = "layerwise" if self.preset is None else f"preset={self.preset!r}"
            raise InvalidInputError(
                f"projection joins the layers, {given} compares them one by one: leave out one"
                " of the two"
            )
        if self._in_use("layerwise") and (self.roi is not None or self.ignore is not None):
            raise InvalidInputError(
                "layers one by one are averaged over neighbours in the whole image: leave out roi"
                " and ignore, or layerwise and preset"
            )
        return super()._build_features()

    def _sizes(self) -> tuple[ImageSize, int | None]:
        return (self.image_size, None) if self.preset is None else (518, None)

    def _build_mapper(self) -> PatchMapper:
        sigma, is_paper = self._in_use("gaussian_sigma"), self.preset is not None
        return PatchMapper(sigma, local_contrast=self.local_contrast, corners=is_paper)

    def _aggregating(self, features: PatchExtractor) -> PatchExtractor:
        if isinstance(features, LayerPatches):
            # The scorer averages over places itself where it takes layers one by one.
            apart = self._in_use("layerwise")
            features.aggregation = Aggregation(pooled=False) if apart else POOLED
        return features
