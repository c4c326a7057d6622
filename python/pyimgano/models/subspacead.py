"""SubspaceAD: principal components of patch features, and what is left beside them (2026)."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pyimgano.features.patches.pooling import Aggregation
from pyimgano.models.parameters import FEATURES, PATCHES, Parameters
from pyimgano.models.patch_detector import PatchDetector
from pyimgano.models.patch_map import PatchMapper
from pyimgano.scorers.image_score import ImageScore, image_score_parameter
from pyimgano.scorers.subspace import SubspaceScorer
from pyimgano.types import ImageSize


class SubspaceAD(PatchDetector):
    """How far a patch lies beside the subspace along which good ones vary.

    A :class:`~pyimgano.models.PatchDetector` with a :class:`~pyimgano.scorers.SubspaceScorer`, made
    for few images and a vision transformer.

    Parameters
    ----------
    layers
        As in :class:`~pyimgano.models.PatchDetector`. Layers with as many channels, such as blocks
        of a transformer, are averaged, others are joined.
    image_size
        As in :class:`~pyimgano.models.PatchDetector`; 448 suits patches of 14, 16 and 32 pixels.
    variance
        Share of the variance that the subspace holds.
    image_score
        ``("map_top", 0.01)``: mean of the largest 1 % of the pixels of the map; ``"map_max"``,
        ``("top", share)``, ``"max"``: the largest of these, and the same of patches.
    preset
        ``"paper"``: images are squared to 672 x 672, and the map is smoothed by a kernel of 3 x 3.
    **common
        All other parameters of :class:`~pyimgano.models.PatchDetector`, but for ``scorer``.

    Attributes
    ----------
    scorer_ : SubspaceScorer
        The fitted subspace.
    threshold_, map_threshold_, map_level_, decision_scores_, skipped_, timings_
        As in :class:`~pyimgano.models.PatchDetector`.
    """

    kind: ClassVar[str] = "subspacead"
    PARAMETERS: ClassVar[Parameters] = {
        **FEATURES,
        **SubspaceScorer.PARAMETERS,
        "image_score": image_score_parameter(),
        **PATCHES,
    }
    SCORER = SubspaceScorer
    AGGREGATION = Aggregation(pooled=False, averaged=True)

    scorer_: SubspaceScorer

    def __init__(
        self,
        *,
        image_size: ImageSize = 448,
        variance: float = 0.99,
        image_score: ImageScore = ("map_top", 0.01),
        **common: Any,
    ) -> None:
        super().__init__(image_size=image_size, **common)
        self.variance = variance
        self.image_score = image_score

    def _blocks(self, depth: int) -> Sequence[int]:
        """Seven in the middle: of 40 those of the paper, of others at the same share of them."""
        middle = depth * 5 // 8
        return range(max(middle - 3, 0), min(middle + 4, depth))

    def _sizes(self) -> tuple[ImageSize, int | None]:
        return (self.image_size, None) if self.preset is None else (672, None)

    def _build_mapper(self) -> PatchMapper:
        kernel = 0 if self.preset is None else 3
        return PatchMapper(self.gaussian_sigma, kernel, local_contrast=self.local_contrast)
