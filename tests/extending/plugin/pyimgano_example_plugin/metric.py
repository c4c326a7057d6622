"""How far the defects stand out of the good ground."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pyimgano.extend import MetricInfo, MetricResult, register_metric


class Contrast:
    """Median of the map on the defect pixels over that on the good ones."""

    infos = (MetricInfo("contrast", "Contrast", "pixel"),)

    def __call__(
        self,
        masks: Sequence[NDArray[np.uint8]],
        maps: Sequence[NDArray[np.float32]],
        threshold: float | None,
    ) -> MetricResult:
        defects = np.concatenate([one[mask != 0] for mask, one in zip(masks, maps, strict=True)])
        ground = np.concatenate([one[mask == 0] for mask, one in zip(masks, maps, strict=True)])
        return MetricResult({"contrast": float(np.median(defects) / np.median(ground))})


def register() -> None:
    register_metric(Contrast())
