"""Which of the good images a few-shot run learns from."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from pyimgano.errors import InvalidInputError, InvalidTypeError
from pyimgano.registry import unknown_name

T = TypeVar("T")
#: How images are drawn: at random, or AnomalyDINO's way (dammsi/AnomalyDINO, src/detection.py).
DRAWS = ("random", "slice")


def draw_shots(images: Sequence[T], k: int, seed: int, draw: str = "random") -> list[T]:
    """The k images that a seed draws, in their order.

    ``"random"``: those of a smaller k are among them. ``"slice"``: images ``seed * k`` to
    ``(seed + 1) * k - 1``, so that no two seeds share any.
    """
    if draw == "slice":
        return list(images[seed * k : (seed + 1) * k])
    order = np.random.default_rng(seed).permutation(len(images))
    return [images[i] for i in sorted(order[:k])]


def check_shots(shots: Any, seeds: Sequence[int], draw: str) -> list[int]:
    """Numbers of training images, each once; an error names what cannot be one."""
    if draw not in DRAWS:
        raise unknown_name("draw", draw, DRAWS)
    found = [shots] if isinstance(shots, (int, np.integer)) else list(shots)
    if not found:
        raise InvalidInputError("shots is empty: give at least one number of training images")
    for k in found:
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
            raise InvalidTypeError(f"shots must be integers, got {k!r}")
        if k < 1:
            raise InvalidInputError(f"shots must be 1 or more, got {k}")
    if min(seeds) < 0:
        raise InvalidInputError(f"seeds that draw images must be 0 or more, got {min(seeds)}")
    return list(dict.fromkeys(int(k) for k in found))


def check_enough(
    category: str, n_train: int, shots: Sequence[int], seeds: Sequence[int], draw: str
) -> None:
    """An InvalidInputError names a category that has too few training images."""
    k = max(shots)
    if k > n_train:
        raise InvalidInputError(
            f"category {category!r} has {n_train} training images, too few for shots={k}"
        )
    needed = (max(seeds) + 1) * k
    if draw == "slice" and needed > n_train:
        raise InvalidInputError(
            f"category {category!r} has {n_train} training images, too few for shots={k} with seed"
            f" {max(seeds)}: its slice ends at image {needed}"
        )
