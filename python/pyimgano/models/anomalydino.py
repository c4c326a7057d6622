"""AnomalyDINO (Damm et al., WACV 2025): nearest neighbours by the cosine, for few good photos."""

import os
from typing import Any, ClassVar

from pyimgano.features.patches.pooling import Aggregation
from pyimgano.models.parameters import FEATURES, PATCHES, Parameters
from pyimgano.models.patch_detector import PatchDetector
from pyimgano.neighbors import NearestNeighbors
from pyimgano.scorers.image_score import ImageScore, image_score_parameter
from pyimgano.scorers.memory_bank import MemoryBankScorer
from pyimgano.types import ImageSize

_SCORER = {n: MemoryBankScorer.PARAMETERS[n] for n in ("coreset_ratio", "knn_backend", "spill_dir")}


class AnomalyDINO(PatchDetector):
    """Nearest neighbours by the cosine among patches of a few good images and of turned copies.

    A :class:`~pyimgano.models.PatchDetector` with a :class:`~pyimgano.scorers.MemoryBankScorer`,
    made for the last block of a DINOv2 vision transformer; layers are not averaged over places.

    Parameters
    ----------
    image_size
        As in :class:`~pyimgano.models.PatchDetector`; 448 suits patches of 14, 16 and 32 pixels.
    coreset_ratio, knn_backend, spill_dir
        As in :class:`~pyimgano.scorers.MemoryBankScorer`.
    image_score
        ``("top", 0.01)``: mean of the largest 1 % of the distances; ``"max"``, ``"map_max"``,
        ``("map_top", share)``: the largest, and the same of the pixels of the map.
    preset
        ``"paper"``: the shorter side of each image is brought to 448 pixels, and what is beyond
        whole patches is cut off at the right and the bottom; all patches of the images and of seven
        turned copies are kept, whatever ``coreset_ratio`` and ``references`` say. The paper's mask
        of the foreground, which it has for some objects, is ``foreground=10`` beside it.
    **common
        All other parameters of :class:`~pyimgano.models.PatchDetector`, but for ``scorer``.

    Attributes
    ----------
    scorer_ : MemoryBankScorer
        The fitted memory bank.
    threshold_, map_threshold_, map_level_, decision_scores_, skipped_, timings_
        As in :class:`~pyimgano.models.PatchDetector`.
    """

    kind: ClassVar[str] = "anomalydino"
    PARAMETERS: ClassVar[Parameters] = {
        **FEATURES,
        **_SCORER,
        "image_score": image_score_parameter(),
        **PATCHES,
    }
    SCORER = MemoryBankScorer
    AGGREGATION = Aggregation(pooled=False)
    PAPER: ClassVar[dict[str, Any]] = {"coreset_ratio": 1.0, "references": "rotations"}

    scorer_: MemoryBankScorer

    def __init__(
        self,
        *,
        image_size: ImageSize = 448,
        coreset_ratio: float = 0.1,
        knn_backend: str | NearestNeighbors = "auto",
        spill_dir: str | os.PathLike[str] | None = None,
        image_score: ImageScore = ("top", 0.01),
        **common: Any,
    ) -> None:
        super().__init__(image_size=image_size, **common)
        self.coreset_ratio = coreset_ratio
        self.knn_backend = knn_backend
        self.spill_dir = spill_dir
        self.image_score = image_score

    def _scorer_parameters(self) -> dict[str, Any]:
        return {**super()._scorer_parameters(), "metric": "cosine"}

    def _sizes(self) -> tuple[ImageSize, int | None]:
        return (self.image_size, None) if self.preset is None else (448, None)

    def _mode(self) -> str:
        return super()._mode() if self.preset is None else "cover"
