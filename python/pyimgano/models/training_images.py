"""The images that a detector learns from, before any of them is read."""

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, RepeatedImageWarning
from pyimgano.images.preprocess import check_images
from pyimgano.types import ImageInput
from pyimgano.utils.text import shown

#: Arrays of a detector file that say where the training images are.
PATHS = ("training_folder", "training_files")

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


def packed(files: Sequence[str]) -> dict[str, NDArray[np.uint8]]:
    """Absolute paths as arrays that a file holds: their common folder, and each as seen from it.

    Arrays are uint8: the bytes of each path and a zero after it. No images are no arrays, and
    without a folder there is none of it.
    """
    if not files:
        return {}
    try:
        folder = os.path.commonpath([os.path.dirname(one) for one in files if one])
    except ValueError:  # arrays alone, or files on several drives
        folder = ""
    inside = [os.path.relpath(one, folder) if one and folder else one for one in files]
    found = {"training_folder": _texts([folder])} if folder else {}
    return {**found, "training_files": _texts(inside)}


def unpacked(arrays: Mapping[str, NDArray[np.uint8]]) -> list[str]:
    """The paths of :func:`packed`; files of older versions have absolute ones and no folder."""
    folders, files = (_split(arrays.get(name)) for name in PATHS)
    folder = folders[0] if folders else ""
    return [os.path.join(folder, one) if one else "" for one in files]


def _texts(paths: Sequence[str]) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(os.fsencode(one) + b"\0" for one in paths), dtype=np.uint8)


def _split(array: NDArray[np.uint8] | None) -> list[str]:
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
