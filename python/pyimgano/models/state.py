"""A fitted detector as plain numbers, for whoever stores it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from pyimgano.scorers.base import PatchScorer


@dataclass(frozen=True)
class FittedState:
    """What a detector has learnt, beside its feature extractor.

    Attributes
    ----------
    params
        Constructor's arguments at the time of the fit.
    facts
        Numbers, texts and lists of texts.
    tensors
        Arrays.
    scorer
        The fitted scorer of a detector that has one.
    """

    params: dict[str, Any]
    facts: dict[str, Any]
    tensors: dict[str, NDArray[Any]]
    scorer: PatchScorer | None = None
