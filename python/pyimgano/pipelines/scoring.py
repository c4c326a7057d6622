"""Scoring a list of files in which some may be unreadable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pyimgano.errors import ImageReadError
from pyimgano.models.base import Detector
from pyimgano.types import Prediction


@dataclass(frozen=True)
class Unreadable:
    """A file without a score, and why."""

    path: str
    reason: str


def predict_each(
    detector: Detector, paths: Sequence[str], *, with_maps: bool = True
) -> Iterator[Prediction | Unreadable]:
    """One outcome per path, in order; an unreadable file does not stop the others."""
    position = 0
    while position < len(paths):
        try:
            for prediction in detector.iter_predict(paths[position:], with_maps=with_maps):
                position += 1
                yield prediction
        except ImageReadError as error:
            yield Unreadable(paths[position], str(error))
            position += 1
