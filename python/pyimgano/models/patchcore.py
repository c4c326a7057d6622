"""PatchCore (Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pyimgano.features.build import BackboneLike
from pyimgano.models.parameters import FEATURES, PATCHES, Parameters
from pyimgano.models.patch_detector import PatchDetector
from pyimgano.neighbors import NearestNeighbors
from pyimgano.scorers.memory_bank import MemoryBankScorer
from pyimgano.types import ImageSize

#: Of the scorer: those that are parameters of the detector as well.
_SCORER: Parameters = {
    name: MemoryBankScorer.PARAMETERS[name]
    for name in ("coreset_ratio", "n_neighbors", "knn_backend", "spill_dir")
}


class PatchCore(PatchDetector):
    """Nearest neighbours among the patch features of normal images.

    A :class:`~pyimgano.models.PatchDetector` with a :class:`~pyimgano.scorers.MemoryBankScorer`
    whose parameters are the detector's own.

    Parameters
    ----------
    coreset_ratio, n_neighbors, knn_backend, spill_dir
        As in :class:`~pyimgano.scorers.MemoryBankScorer`.
    backbone, layers, weights, pretrained, image_size, normalization, device, batch_size
    random_state, contamination, preset, gaussian_sigma, bit_depth, max_pixels, on_bad_image
    verbose, engine
        As in :class:`~pyimgano.models.PatchDetector`.

    Attributes
    ----------
    memory_bank_ : ndarray
        float32 (m, d).
    threshold_, map_threshold_, map_level_, decision_scores_, skipped_, timings_
        As in :class:`~pyimgano.models.PatchDetector`.
    """

    PARAMETERS: ClassVar[Parameters] = {**FEATURES, **_SCORER, **PATCHES}
    SCORER = MemoryBankScorer

    kind: ClassVar[str] = "patchcore"
    scorer_: MemoryBankScorer

    def __init__(
        self,
        *,
        backbone: BackboneLike = "wide_resnet50_2",
        layers: Sequence[str] | None = None,
        weights: Any = None,
        pretrained: bool = True,
        image_size: ImageSize = 256,
        normalization: Any = "imagenet",
        coreset_ratio: float = 0.1,
        n_neighbors: int = 9,
        knn_backend: str | NearestNeighbors = "auto",
        device: str = "cpu",
        batch_size: int = 8,
        random_state: int = 0,
        contamination: float = 0.1,
        preset: str | None = None,
        gaussian_sigma: float = 4.0,
        bit_depth: int | None = None,
        max_pixels: int = 100_000_000,
        on_bad_image: str = "raise",
        spill_dir: str | os.PathLike[str] | None = None,
        verbose: bool = False,
        engine: str | None = None,
    ) -> None:
        super().__init__(
            backbone=backbone,
            layers=layers,
            weights=weights,
            pretrained=pretrained,
            image_size=image_size,
            normalization=normalization,
            device=device,
            batch_size=batch_size,
            random_state=random_state,
            contamination=contamination,
            preset=preset,
            gaussian_sigma=gaussian_sigma,
            bit_depth=bit_depth,
            max_pixels=max_pixels,
            on_bad_image=on_bad_image,
            verbose=verbose,
            engine=engine,
        )
        self.coreset_ratio = coreset_ratio
        self.n_neighbors = n_neighbors
        self.knn_backend = knn_backend
        self.spill_dir = spill_dir

    @property
    def memory_bank_(self) -> NDArray[np.float32]:
        """float32 (m, d), the patch features that are kept."""
        return self.scorer_.memory_bank_
