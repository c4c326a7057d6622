"""A fitted detector as plain numbers, for whoever stores it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
    """

    params: dict[str, Any]
    facts: dict[str, Any]
    tensors: dict[str, NDArray[Any]]


def digest(array: NDArray[Any]) -> bytes:
    """SHA-256 of an array's shape, dtype and content."""
    found = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    found.update(np.ascontiguousarray(array).data)
    return found.digest()


def fingerprint(digests: Iterable[bytes], of: str) -> dict[str, Any]:
    """What identifies a set of training images, whatever their order and names.

    Parameters
    ----------
    digests
        One per image.
    of
        What they were taken of.

    Returns
    -------
    dict
        ``n_images``, ``sha256`` (of the sorted digests) and ``of``.
    """
    ordered = sorted(digests)
    return {
        "n_images": len(ordered),
        "sha256": hashlib.sha256(b"".join(ordered)).hexdigest(),
        "of": of,
    }
