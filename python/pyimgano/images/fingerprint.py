"""What identifies a picture, or a set of them, whatever their names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def digest(array: NDArray[Any]) -> bytes:
    """SHA-256 of an array's shape, dtype and content."""
    found = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    found.update(np.ascontiguousarray(array).data)
    return found.digest()


def fingerprint(digests: Iterable[bytes], of: str) -> dict[str, Any]:
    """What identifies a set of training images, whatever their order and names.

    It has ``n_images``, ``sha256`` (of the sorted digests, one per image) and ``of``, what they
    were taken of.
    """
    ordered = sorted(digests)
    return {
        "n_images": len(ordered),
        "sha256": hashlib.sha256(b"".join(ordered)).hexdigest(),
        "of": of,
    }
