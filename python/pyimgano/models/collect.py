"""Training images, read once each: what is known of them, and their patches to the scorer."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError
from pyimgano.features.patches.projection import Projection
from pyimgano.images.geometry import Geometry
from pyimgano.images.health import ImageHealth
from pyimgano.images.light import Light
from pyimgano.images.preprocess import ImagePreprocessor
from pyimgano.images.reading import join_errors
from pyimgano.images.twins import Look, group_twins
from pyimgano.models.training_reader import (
    Known,
    TrainingReader,
    Unusable,
    batches_of,
    read_each,
)
from pyimgano.scorers.base import PatchScorer
from pyimgano.types import ImageInput
from pyimgano.utils.progress import track
from pyimgano.utils.timing import StageTimer


@dataclass
class Collected:
    """What is known of the training images, beside their features."""

    #: Positions of the images that are used, in what was given.
    kept: list[int] = field(default_factory=list)
    #: Light, sharpness and the like of each of these.
    health: list[ImageHealth] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)  #: SHA-256 of the pixels of each.
    #: Of each, see :mod:`~pyimgano.images.twins`.
    thumbnails: list[NDArray[np.float32]] = field(default_factory=list)
    #: Which pixel of its source each of these is.
    geometries: list[Geometry] = field(default_factory=list)
    #: How many of them have no patches that stand out as foreground.
    n_whole: int = 0
    #: Why the others cannot be used, by position.
    errors: dict[int, ImageReadError] = field(default_factory=dict)

    def add(self, position: int, known: Known) -> None:
        """Note an image that is used."""
        self.kept.append(position)
        self.health.append(known.health)
        self.digests.append(known.digest)
        self.thumbnails.append(known.thumbnail)
        self.geometries.append(known.geometry)

    def see(self, look: Look) -> None:
        """Note what an image looks like that was read by others."""
        self.health.append(look.health)
        self.digests.append(look.digest)
        self.thumbnails.append(look.thumbnail)

    def check(self, n_images: int, *, skip_bad: bool, cause: ImageReadError | None = None) -> None:
        """Raise one error for all images that cannot be used, unless they may be left out."""
        if self.errors and not (skip_bad and self.kept):
            raise join_errors(list(self.errors.values()), n_images) from cause

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """int64 (n,): for each image that is used the first one that shows the same picture."""
        return group_twins(self.digests, np.array(self.thumbnails) if self.thumbnails else None)


def readable_images(images: Sequence[ImageInput]) -> Collected:
    """Read every image once, at its own size, to see which can be."""
    preprocessor = ImagePreprocessor(resize=None)
    found = Collected()
    for i, image in enumerate(images):
        try:
            found.add(i, Known.of(preprocessor.load(image)))
        except ImageReadError as error:
            found.errors[i] = error
    return found


def fit_features(
    reader: TrainingReader, images: Sequence[ImageInput], *, random_state: int, timer: StageTimer
) -> None:
    """Let an extractor learn from the images that can be used; :func:`collect` names the others."""
    usable = (one for batch in batches_of(images, 1) for one in reader.usable(batch, timer))
    first = next(usable, None)
    if first is not None:
        with timer.stage("backbone"):
            pixels = (one.pixels for one in chain([first], usable))
            reader.features.fit(pixels, random_state=random_state)


def fit_projection(
    reader: TrainingReader,
    images: Sequence[ImageInput],
    n: int | str | None,
    *,
    batch_size: int,
    n_jobs: int | None,
    timer: StageTimer,
) -> Projection | None:
    """The principal axes of the patches that count of all usable images; None for ``n=None``.

    None as well where no image can be: :func:`collect` names them.
    """
    if n is None:
        return None
    with closing(read_each(reader, "patches", images, batch_size, n_jobs, timer)) as found:
        first = next(found, None)
        return None if first is None else Projection.fit(chain([first], found), n)


def lights_of(
    reader: TrainingReader,
    images: Sequence[ImageInput],
    *,
    batch_size: int,
    n_jobs: int | None,
    timer: StageTimer,
) -> Iterator[Light]:
    """The light inside the region of every image that can be used; :func:`collect` names the
    others.
    """
    return read_each(reader, "lights", images, batch_size, n_jobs, timer)


def collect(
    reader: TrainingReader,
    images: Sequence[ImageInput],
    scorer: PatchScorer,
    *,
    batch_size: int,
    n_jobs: int | None,
    skip_bad: bool,
    verbose: bool,
    timer: StageTimer,
) -> Collected:
    """Give the scorer the patches that count of every image, then those of its changed copies.

    An ImageReadError names all unreadable files; with ``skip_bad`` only if there is no readable
    one.
    """
    found = Collected()

    def is_lost() -> bool:
        """Without skip_bad an error ends the fit: then only look for further unreadable files."""
        return bool(found.errors) and not skip_bad

    taken = read_each(reader, "take", images, batch_size, n_jobs, timer, look_only=is_lost)
    with track(len(images), "reading training images", verbose) as advance, closing(taken):
        for one in taken:
            advance(1)
            if isinstance(one, Unusable):
                found.errors[one.number] = one.error
            if isinstance(one, Unusable) or is_lost():
                continue
            with timer.stage("learn"):
                if not found.kept:
                    scorer.begin(len(images) * (1 + reader.references.n_copies), one.grid)
                scorer.add(one.grid)
            for copy in one.copies:
                with timer.stage("learn"):
                    scorer.add(copy)
            found.add(one.number, one.known)
            found.n_whole += one.grid.scored is None
    found.check(len(images), skip_bad=skip_bad)
    return found
