"""Memory banks of given rows, without a fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyimgano.features import PatchGrid
from pyimgano.scorers import MemoryBankScorer


def bank_of(rows: np.ndarray, **params: Any) -> MemoryBankScorer:
    return MemoryBankScorer.from_state(params, {"memory_bank": rows})


def score(scorer: MemoryBankScorer, patches: np.ndarray) -> tuple[float, np.ndarray]:
    """Image score, and the distance of each patch of one image."""
    (found,) = scorer.score([PatchGrid(patches, (1, len(patches)))])
    return found.image, found.distances.ravel()
