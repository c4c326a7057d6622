"""SuperADD (2026): a memory bank for each of several blocks of a large vision transformer."""

import os
from collections.abc import Sequence
from typing import Any, ClassVar

from pyimgano.features.base import Spacing
from pyimgano.features.patches.pooling import Aggregation
from pyimgano.models.parameters import FEATURES, PATCHES, Parameters
from pyimgano.models.patch_detector import PatchDetector
from pyimgano.neighbors import NearestNeighbors
from pyimgano.scorers.image_score import ImageScore, image_score_parameter
from pyimgano.scorers.layer_banks import LayerBanksScorer
from pyimgano.types import ImageSize

#: Of the paper: what images are brought to, and size and overlap of tiles. An overlap of 128 pixels
#: is one at each side of a tile there: of two tiles that meet it is twice as much.
_SHARE, _TILES = 0.625, (640, 256)


class SuperADD(PatchDetector):
    """Nearest neighbours in a memory bank of each layer, their distances averaged.

    A :class:`~pyimgano.models.PatchDetector` with a
    :class:`~pyimgano.scorers.LayerBanksScorer`, made for blocks of a DINOv3 vision
    transformer without its last norm; layers are not averaged over places.

    Parameters
    ----------
    image_size
        As in :class:`~pyimgano.models.PatchDetector`; 448 suits patches of 14, 16 and 32 pixels.
    coreset_ratio, knn_backend, spill_dir
        As in :class:`~pyimgano.scorers.MemoryBankScorer`, of each layer.
    image_score
        ``("map_top", 0.001)``: mean of the largest 0.1 % of the pixels of the map; ``"map_max"``,
        ``"max"``, ``("top", share)``: the largest of these, and the same of patches.
    preset
        ``"paper"``: images are brought to five eighths of their own size and cut into tiles of 640
        pixels, a brighter or darker copy of each is learnt from too, all patches are kept and the
        map is not smoothed, whatever the parameters say.
    **common
        All other parameters of :class:`~pyimgano.models.PatchDetector`, but for ``scorer``.

    Attributes
    ----------
    scorer_ : LayerBanksScorer
        The fitted memory banks.
    threshold_, map_threshold_, map_level_, decision_scores_, skipped_, timings_
        As in :class:`~pyimgano.models.PatchDetector`.
    """

    kind: ClassVar[str] = "superadd"
    PARAMETERS: ClassVar[Parameters] = {
        **FEATURES,
        **LayerBanksScorer.PARAMETERS,
        "image_score": image_score_parameter(),
        **PATCHES,
    }
    SCORER = LayerBanksScorer
    AGGREGATION = Aggregation(pooled=False)
    PAPER: ClassVar[dict[str, Any]] = {
        "tiles": _TILES,
        "coreset_ratio": 1.0,
        "references": "brightness",
        "gaussian_sigma": 0.0,
    }

    scorer_: LayerBanksScorer

    def __init__(
        self,
        *,
        image_size: ImageSize = 448,
        coreset_ratio: float = 0.1,
        knn_backend: str | NearestNeighbors = "auto",
        spill_dir: str | os.PathLike[str] | None = None,
        image_score: ImageScore = ("map_top", 0.001),
        **common: Any,
    ) -> None:
        super().__init__(image_size=image_size, **common)
        self.coreset_ratio = coreset_ratio
        self.knn_backend = knn_backend
        self.spill_dir = spill_dir
        self.image_score = image_score

    def _blocks(self, depth: int) -> Sequence[int]:
        """Four: of 12 as in anomalib, of others the last of each quarter, as in the paper."""
        return (3, 5, 8, 10) if depth == 12 else [depth * i // 4 - 1 for i in (1, 2, 3, 4)]

    def _sizes(self) -> tuple[ImageSize, int | None]:
        return (self.image_size, None) if self.preset is None else (None, None)

    def _share(self, spacing: Spacing) -> float | None:
        return super()._share(spacing) if self.preset is None else _SHARE
