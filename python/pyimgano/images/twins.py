"""Good images that show the same picture: copies, a photo in two formats, a frozen camera.

A held-out image whose copy stays in the memory bank is scored against itself: its score says
nothing of further images. So images that are the same but for noise, compression and gain count as
one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.images.health import ImageHealth, measure_health

_SIDE = 64
#: What may be left between two thumbnails after the best gain and offset: share of their contrast,
#: mean and highest difference (of [0, 1]). Of different photos of one part in one fixture the
#: highest is a third larger at least (twelve sets were looked at); the same photo as JPEG of
#: quality 60 or with strong noise stays below, but for surfaces with hardly any contrast.
_RELATIVE, _MEAN, _HIGHEST = 0.2, 3.5 / 255, 9.0 / 255
#: Images compared at once.
_BLOCK = 256


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


def thumbnail(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Grey values, float32 (4096,), of an image in [0, 1], float32 (h, w) or (h, w, 3)."""
    small = cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    grey: NDArray[np.float32] = np.asarray(small, dtype=np.float32).reshape(_SIDE * _SIDE, -1)
    return np.asarray(grey.mean(axis=1), dtype=np.float32)


def thumbnail_of(image: NDArray[Any]) -> NDArray[np.float32]:
    """The same of an image as it was decoded, uint8 or uint16, (h, w), (h, w, 1) or (h, w, 3)."""
    # Whole numbers: a grey image and the same one in three channels are equal to the last bit.
    grey = image.reshape(*image.shape[:2], -1).sum(axis=2, dtype=np.float32) / image[0, 0].size
    return thumbnail(grey / np.iinfo(image.dtype).max)


@dataclass(frozen=True)
class Look:
    """What a training image looks like, of a detector that compares features of whole images."""

    health: ImageHealth
    thumbnail: NDArray[np.float32]

    @classmethod
    def of(cls, image: NDArray[Any]) -> Look:
        """Of an image, uint8 or uint16, (h, w), (h, w, 1) or (h, w, 3)."""
        return cls(measure_health(image), thumbnail_of(image))

    @property
    def digest(self) -> bytes:
        """What the same picture has in any format that keeps its pixels."""
        return digest(self.thumbnail)


def group_twins(
    digests: Sequence[Hashable], thumbnails: NDArray[np.float32] | None = None
) -> NDArray[np.int64]:
    """For each image the number of the first one that shows the same picture, int64 (n,).

    Images of equal digest are the same; ``thumbnails``, float32 (n, 4096), find copies that differ
    in noise, compression or gain. None: only equal digests count.
    """
    first: dict[Hashable, int] = {}
    groups = np.array([first.setdefault(one, i) for i, one in enumerate(digests)], dtype=np.int64)
    if thumbnails is None or len(first) < 2:
        return groups
    own = np.fromiter(first.values(), dtype=np.int64, count=len(first))
    leader = _group_thumbnails(thumbnails[own])
    merged = dict(zip(own.tolist(), own[leader].tolist(), strict=True))
    return np.array([merged[i] for i in groups.tolist()], dtype=np.int64)


def _group_thumbnails(thumbnails: NDArray[np.float32]) -> NDArray[np.int64]:
    """Each image joins the first earlier one that leads a group and shows the same picture."""
    n = len(thumbnails)
    centred = thumbnails - thumbnails.mean(axis=1, keepdims=True)
    contrast = np.linalg.norm(centred, axis=1)
    directions = centred / np.maximum(contrast, 1e-12)[:, None]
    closest = float(np.sqrt(1.0 - _RELATIVE**2))  # correlation at that relative difference
    leader = np.arange(n)
    leaders = np.empty(0, dtype=np.int64)
    for start in range(0, n, _BLOCK):
        block = np.arange(start, min(start + _BLOCK, n))
        candidates = np.concatenate([leaders, block])
        near = directions[block] @ directions[candidates].T >= closest
        for row, i in enumerate(block.tolist()):
            for j in candidates[near[row] & (candidates < i)].tolist():
                if leader[j] == j and _same(centred[j], centred[i], contrast[j]):
                    leader[i] = j
                    break
        leaders = np.concatenate([leaders, block[leader[block] == block]])
    return leader


def _same(a: NDArray[np.float32], b: NDArray[np.float32], contrast: float) -> bool:
    gain = float(a @ b) / contrast**2
    left = (b - gain * a).reshape(_SIDE, _SIDE)
    if float(np.sqrt(np.mean(left**2))) > _MEAN:
        return False
    return float(np.abs(cv2.blur(left, (3, 3))).max()) <= _HIGHEST
