"""The images that a detector learns from, before any of them is read."""

import os
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, RepeatedImageWarning
from pyimgano.images.preprocess import check_images
from pyimgano.types import ImageInput
from pyimgano.utils.text import shown

Image = TypeVar("Image", str, ImageInput)


def names_of(images: Iterable[ImageInput]) -> list[str]:
    """What people call training images: their files, or the number of an array."""
    return [
        f"image {i}" if isinstance(image, np.ndarray) else shown(image)
        for i, image in enumerate(images)
    ]


def files_of(images: Iterable[ImageInput]) -> list[str]:
    """Where training images are: absolute paths, an empty text for an array."""
    return ["" if isinstance(one, np.ndarray) else os.path.abspath(one) for one in images]


def packed(files: Sequence[str]) -> NDArray[np.uint8]:
    """Paths as an array that a file holds, uint8: the bytes of each and a zero after it."""
    return np.frombuffer(b"".join(os.fsencode(one) + b"\0" for one in files), dtype=np.uint8)


def unpacked(array: NDArray[np.uint8] | None) -> list[str]:
    """The paths of :func:`packed`; none for None."""
    texts = b"" if array is None else array.tobytes()
    return [os.fsdecode(one) for one in texts.split(b"\0")[:-1]]


def check_one_class(n_images: int, y: Any) -> None:
    """Training uses normal images only: labels may be given, but none may say anomalous."""
    if n_images == 0:
        raise InvalidInputError("fit needs at least one normal image, got none")
    if y is None:
        return
    labels = np.asarray(y)
    if labels.shape != (n_images,):
        raise InvalidInputError(f"y has shape {labels.shape} for {n_images} images")
    if np.any(labels != 0):
        raise InvalidInputError(
            f"fit takes normal images only (label 0); y marks {np.count_nonzero(labels)} others"
        )


def training_images(X: Iterable[ImageInput], y: Any) -> Sequence[ImageInput]:
    """The images to learn from, each file once.

    A file listed twice would be scored against its own copy when it is held out, and the threshold
    would come out too low.
    """
    images = check_images(X)
    check_one_class(len(images), y)
    return each_once(images, "training", stacklevel=4)


def each_once(images: Sequence[Image], kind: str, *, stacklevel: int = 2) -> Sequence[Image]:
    """Images without files that are listed before, with a :class:`RepeatedImageWarning`.

    Every array is kept; ``kind`` says in the warning what kind of images they are.
    """
    seen: set[str] = set()
    once: list[Image] = []
    for image in images:
        if not isinstance(image, np.ndarray):
            real = os.path.realpath(image)
            if real in seen:
                continue
            seen.add(real)
        once.append(image)
    repeats = len(images) - len(once)
    if not repeats:
        return images
    warnings.warn(
        f"{repeats} of {len(images)} {kind} images are files listed before: each is used once",
        RepeatedImageWarning,
        stacklevel=stacklevel,
    )
    return once
