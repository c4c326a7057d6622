"""Training images to patch features, in bounded batches."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError, InvalidInputError
from pyimgano.features import PatchExtractor, PatchGrid
from pyimgano.images.fingerprint import digest
from pyimgano.images.health import ImageHealth
from pyimgano.images.preprocess import ImagePreprocessor, LoadedImage
from pyimgano.images.reading import join_errors
from pyimgano.images.twins import group_twins, thumbnail
from pyimgano.scorers.feature_store import FeatureStore
from pyimgano.scorers.fit_memory import check_fit_memory
from pyimgano.types import ImageInput
from pyimgano.utils.progress import track
from pyimgano.utils.text import shown
from pyimgano.utils.timing import StageTimer


@dataclass
class Collected:
    """Patch features of the training images that could be read.

    Attributes
    ----------
    store
        Their rows, image after image.
    grids
        Patch grid (h, w) of each stored image.
    inputs
        Size (H, W) at which each stored image went into the extractor.
    kept
        Positions of the stored images in what was given.
    skipped
        Positions of the unreadable ones.
    digests
        SHA-256 of the pixels of each stored image.
    health
        Light, sharpness and the like of each stored image.
    thumbnails
        Of each stored image, see :mod:`~pyimgano.images.twins`.
    """

    store: FeatureStore
    grids: list[tuple[int, int]] = field(default_factory=list)
    inputs: list[tuple[int, int]] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    health: list[ImageHealth] = field(default_factory=list)
    thumbnails: list[NDArray[np.float32]] = field(default_factory=list)

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """int64 (n,): for each stored image the first one that shows the same picture."""
        return group_twins(self.digests, np.array(self.thumbnails) if self.thumbnails else None)


def fit_features(
    features: PatchExtractor,
    images: Sequence[ImageInput],
    preprocessor: ImagePreprocessor,
    *,
    random_state: int,
    timer: StageTimer,
) -> None:
    """Let an extractor learn from the images that can be used; :func:`collect` names the others."""
    pixels = _usable_pixels(images, preprocessor, getattr(features, "least_side", 1), timer)
    first = next(pixels, None)
    if first is not None:
        with timer.stage("backbone"):
            features.fit(chain([first], pixels), random_state=random_state)


def _usable_pixels(
    images: Sequence[ImageInput],
    preprocessor: ImagePreprocessor,
    least_side: int,
    timer: StageTimer,
) -> Iterator[NDArray[np.float32]]:
    for image in images:
        try:
            with timer.stage("decode"):
                pixels = preprocessor.load(image).pixels
        except ImageReadError:
            continue
        if min(pixels.shape[:2]) >= least_side:
            yield pixels


@dataclass
class Readable:
    """Which images can be read as a whole.

    Attributes
    ----------
    kept
        Their positions.
    health
        Light, sharpness and the like of each.
    digests, thumbnails
        What tells whether two show the same picture.
    errors
        Those of the others.
    """

    kept: list[int] = field(default_factory=list)
    health: list[ImageHealth] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    thumbnails: list[NDArray[np.float32]] = field(default_factory=list)
    errors: list[ImageReadError] = field(default_factory=list)


def readable_images(images: Sequence[ImageInput]) -> Readable:
    """Read every image once, to see which can be."""
    preprocessor = ImagePreprocessor(resize=None)
    found = Readable()
    for i, image in enumerate(images):
        try:
            loaded = preprocessor.load(image)
        except ImageReadError as error:
            found.errors.append(error)
            continue
        found.kept.append(i)
        found.health.append(loaded.health)
        found.digests.append(digest(loaded.pixels))
        found.thumbnails.append(thumbnail(loaded.pixels))
    return found


def collect(
    images: Sequence[ImageInput],
    preprocessor: ImagePreprocessor,
    features: PatchExtractor,
    *,
    batch_size: int,
    skip_bad: bool,
    verbose: bool,
    timer: StageTimer,
    coreset_ratio: float,
    spill_dir: str | os.PathLike[str] | None = None,
) -> Collected:
    """Read every image once and keep its patch features.

    Raises
    ------
    NotEnoughMemoryError
        After the first batch, if the features of all images will not fit.
    ImageReadError
        Names all unreadable files; with ``skip_bad`` only if there is no readable one.
    """
    collected = Collected(FeatureStore(len(images), spill_dir))
    errors: list[ImageReadError] = []
    with track(len(images), "reading training images", verbose) as advance:
        for start in range(0, len(images), batch_size):
            batch: dict[int, LoadedImage] = {}
            stop = min(start + batch_size, len(images))
            for i in range(start, stop):
                try:
                    with timer.stage("decode"):
                        batch[i] = preprocessor.load(images[i])
                except ImageReadError as error:
                    errors.append(error)
                    collected.skipped.append(i)
            if batch and (not errors or skip_bad):  # else only look for further unreadable files
                with timer.stage("backbone"):
                    extracted = _extract(features, batch)
                for i, patches in extracted.items():
                    if isinstance(patches, InvalidInputError):
                        errors.append(ImageReadError(f"cannot use {_name(images, i)}: {patches}"))
                        collected.skipped.append(i)
                        continue
                    loaded = batch[i]
                    collected.kept.append(i)
                    if not collected.grids:
                        check_fit_memory(
                            len(images),
                            patches.array.shape,
                            coreset_ratio=coreset_ratio,
                            spill_dir=spill_dir,
                        )
                    collected.store.append(patches.rows)
                    collected.grids.append(patches.shape)
                    collected.inputs.append((loaded.pixels.shape[0], loaded.pixels.shape[1]))
                    collected.digests.append(digest(loaded.pixels))
                    collected.health.append(loaded.health)
                    collected.thumbnails.append(thumbnail(loaded.pixels))
            advance(stop - start)
    if errors and not (skip_bad and collected.kept):
        raise join_errors(errors, len(images))
    return collected


def _extract(
    features: PatchExtractor, batch: dict[int, LoadedImage]
) -> dict[int, PatchGrid | InvalidInputError]:
    """Features by position, or why an image has none, such as one that is too small."""
    try:
        found = features.extract_batch([loaded.pixels for loaded in batch.values()])
    except InvalidInputError as error:
        if len(batch) == 1:
            return dict.fromkeys(batch, error)
        # Which of them is to blame does not show.
        return {i: one for i in batch for one in _extract(features, {i: batch[i]}).values()}
    return dict(zip(batch, found, strict=True))


def _name(images: Sequence[ImageInput], i: int) -> str:
    image = images[i]
    return f"image {i}" if isinstance(image, np.ndarray) else f"image {shown(image)}"
