"""PaDiM (Defard et al., "PaDiM: a Patch Distribution Modeling Framework", ICPR 2020)."""

import os
import re
from collections.abc import Sequence
from typing import Any, ClassVar

from pyimgano.features.build import BackboneLike
from pyimgano.features.patches.pooling import Aggregation
from pyimgano.models.parameters import FEATURES, PATCHES, Parameters
from pyimgano.models.patch_detector import PatchDetector
from pyimgano.scorers.gaussian import GaussianScorer
from pyimgano.scorers.image_score import ImageScore, image_score_parameter


class PaDiM(PatchDetector):
    """The normal law of the patch features at each place of the image.

    A :class:`~pyimgano.models.PatchDetector` with a :class:`~pyimgano.scorers.GaussianScorer` whose
    parameters are the detector's own. For parts that always lie in the same way.

    Parameters
    ----------
    backbone
        As in :class:`~pyimgano.models.PatchDetector`.
    layers
        None: layer1, layer2 and layer3 of a ResNet of torchvision. Coarser layers are repeated on
        the grid of the finest one.
    n_features, selection, regularization
        As in :class:`~pyimgano.scorers.GaussianScorer`.
    image_score
        ``"map_max"``: the largest value of the map, as in the paper; ``"max"``: the largest
        distance of a patch; ``("map_top", share)``, ``("top", share)``: the mean of the largest
        share of either.
    **common
        All other parameters of :class:`~pyimgano.models.PatchDetector`, but for ``scorer``.
        ``preset="paper"``: resize to 256, centre crop to 224.

    Attributes
    ----------
    scorer_ : GaussianScorer
        The fitted laws.
    threshold_, map_threshold_, map_level_, decision_scores_, skipped_, timings_
        As in :class:`~pyimgano.models.PatchDetector`.
    """

    PARAMETERS: ClassVar[Parameters] = {
        **FEATURES,
        **GaussianScorer.PARAMETERS,
        "image_score": image_score_parameter(),
        **PATCHES,
    }
    kind: ClassVar[str] = "padim"
    SCORER = GaussianScorer
    AGGREGATION = Aggregation(pooled=False, nearest=True)

    scorer_: GaussianScorer

    def __init__(
        self,
        *,
        backbone: BackboneLike = "resnet18",
        n_features: int = 100,
        selection: str = "random",
        regularization: float = 0.01,
        image_score: ImageScore = "map_max",
        **common: Any,
    ) -> None:
        super().__init__(backbone=backbone, **common)
        self.n_features = n_features
        self.selection = selection
        self.regularization = regularization
        self.image_score = image_score

    def _layers(self) -> Sequence[str] | None:
        backbone = self.backbone
        named = os.fspath(backbone) if isinstance(backbone, (str, os.PathLike)) else ""
        if self.layers is None and re.fullmatch(r"(wide_)?res(net|next)\w+", named):
            return "layer1", "layer2", "layer3"
        return self.layers
