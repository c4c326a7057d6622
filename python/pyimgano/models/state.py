"""A fitted detector as plain numbers, for whoever stores it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from pyimgano.scorers.base import PatchScorer


@dataclass(frozen=True)
class FittedState:
    """What a detector has learnt, beside its feature extractor."""

    params: dict[str, Any]  #: Constructor's arguments at the time of the fit.
    facts: dict[str, Any]  #: Numbers, texts and lists of texts.
    tensors: dict[str, NDArray[Any]]  #: Arrays.
    scorer: PatchScorer | None = None  #: The fitted scorer of a detector that has one.
    #: Arrays that the detector's class gives by ``to_state`` and takes by ``from_state``.
    learnt: Mapping[str, NDArray[Any]] = field(default_factory=dict)
