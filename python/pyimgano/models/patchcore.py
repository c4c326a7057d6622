"""PatchCore (Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022)."""

import os
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pyimgano.models.parameters import FEATURES, PATCHES, Parameters
from pyimgano.models.patch_detector import PatchDetector
from pyimgano.neighbors import NearestNeighbors
from pyimgano.scorers.image_score import ImageScore, image_score_parameter
from pyimgano.scorers.memory_bank import MemoryBankScorer

#: Of the scorer: those that are parameters of the detector as well.
_SCORER: Parameters = {
    name: MemoryBankScorer.PARAMETERS[name]
    for name in ("coreset_ratio", "coreset_block", "n_neighbors", "knn_backend", "spill_dir")
}


class PatchCore(PatchDetector):
    """Nearest neighbours among the patch features of normal images.

    A :class:`~pyimgano.models.PatchDetector` with a :class:`~pyimgano.scorers.MemoryBankScorer`
    whose parameters are the detector's own.

    Parameters
    ----------
    coreset_ratio, coreset_block, n_neighbors, knn_backend, spill_dir
        As in :class:`~pyimgano.scorers.MemoryBankScorer`.
    image_score
        ``"reweighted"``, as in the paper; ``"max"``, ``("top", share)``: the largest distance of a
        patch, or the mean of the largest share; ``"map_max"``, ``("map_top", share)``: the same of
        the pixels of the map.
    **common
        All other parameters of :class:`~pyimgano.models.PatchDetector`, but for ``scorer``.

    Attributes
    ----------
    memory_bank_ : ndarray
        float32 (m, d).
    threshold_, map_threshold_, map_level_, decision_scores_, skipped_, timings_
        As in :class:`~pyimgano.models.PatchDetector`.
    """

    PARAMETERS: ClassVar[Parameters] = {
        **FEATURES,
        **_SCORER,
        "image_score": image_score_parameter(reweighted=True),
        **PATCHES,
    }
    SCORER = MemoryBankScorer

    kind: ClassVar[str] = "patchcore"
    scorer_: MemoryBankScorer

    def __init__(
        self,
        *,
        coreset_ratio: float = 0.1,
        coreset_block: int | None = None,
        n_neighbors: int = 9,
        knn_backend: str | NearestNeighbors = "auto",
        spill_dir: str | os.PathLike[str] | None = None,
        image_score: ImageScore = "reweighted",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.coreset_ratio = coreset_ratio
        self.coreset_block = coreset_block
        self.n_neighbors = n_neighbors
        self.knn_backend = knn_backend
        self.spill_dir = spill_dir
        self.image_score = image_score

    @property
    def memory_bank_(self) -> NDArray[np.float32]:
        """float32 (m, d), the patch features that are kept."""
        return self.scorer_.memory_bank_
