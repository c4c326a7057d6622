"""Training images, read once each: what is known of them, and their patches to the scorer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError, InvalidInputError
from pyimgano.features import PatchExtractor, PatchGrid
from pyimgano.features.base import extract_patches
from pyimgano.features.patches.foreground import marked
from pyimgano.features.patches.projection import Projection, projected
from pyimgano.images.geometry import Geometry
from pyimgano.images.health import ImageHealth
from pyimgano.images.light import Light
from pyimgano.images.pixels import white_of
from pyimgano.images.preprocess import ImagePreprocessor, LoadedImage
from pyimgano.images.reading import join_errors
from pyimgano.images.references import References
from pyimgano.images.region import NoPatchInsideError, RegionOfInterest
from pyimgano.images.twins import Look, digest, group_twins, thumbnail
from pyimgano.scorers.base import PatchScorer
from pyimgano.types import ImageInput
from pyimgano.utils.progress import track
from pyimgano.utils.text import shown
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

    def add(self, position: int, loaded: LoadedImage, bit_depth: int | None = None) -> None:
        """Note an image that is used; ``bit_depth`` of stored pixels."""
        self.kept.append(position)
        self.health.append(loaded.health)
        self.digests.append(digest(loaded.pixels))
        white = np.float32(white_of(loaded.pixels, bit_depth))
        self.thumbnails.append(thumbnail(loaded.pixels) / white)
        self.geometries.append(loaded.geometry)

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
            found.add(i, preprocessor.load(image))
        except ImageReadError as error:
            found.errors[i] = error
    return found


def fit_features(
    features: PatchExtractor,
    images: Sequence[ImageInput],
    preprocessor: ImagePreprocessor,
    *,
    random_state: int,
    timer: StageTimer,
) -> None:
    """Let an extractor learn from the images that can be used; :func:`collect` names the others."""
    usable = _usable(images, preprocessor, features, None, timer)
    first = next(usable, None)
    if first is not None:
        with timer.stage("backbone"):
            pixels = (one.pixels for one in chain([first], usable))
            features.fit(pixels, random_state=random_state)


def fit_projection(
    features: PatchExtractor,
    images: Sequence[ImageInput],
    preprocessor: ImagePreprocessor,
    n: int | str | None,
    region: RegionOfInterest | None,
    *,
    timer: StageTimer,
) -> Projection | None:
    """The principal axes of the patches that count of all usable images; None for ``n=None``.

    None as well where no image can be: :func:`collect` names them.
    """
    if n is None:
        return None
    usable = _usable(images, preprocessor, features, region, timer)
    if (first := next(usable, None)) is None:
        return None
    with timer.stage("backbone"):
        every = chain([first], usable)
        found = (
            inside(region, grid, one.geometry)
            for one in every
            for grid in extract_patches(features, [one.pixels])
        )
        return Projection.fit(found, n)


def lights_of(
    images: Sequence[ImageInput],
    preprocessor: ImagePreprocessor,
    features: PatchExtractor,
    region: RegionOfInterest | None,
    *,
    timer: StageTimer,
) -> Iterator[Light]:
    """The light inside the region of every image that can be used; :func:`collect` names the
    others.
    """
    for loaded in _usable(images, preprocessor, features, region, timer):
        with timer.stage("decode"):
            counted = None if region is None else region.on_seen(loaded.geometry)
            yield Light.of(loaded.pixels, preprocessor.bit_depth, counted)


def inside(
    region: RegionOfInterest | None, grid: PatchGrid, geometry: Geometry, degrees: float = 0.0
) -> PatchGrid:
    """Those patches of an image that count, of one turned by so many degrees.

    An image of another aspect, or without such a patch, is an InvalidInputError.
    """
    return grid if region is None else grid.only(region.on_grid(geometry, grid.shape, degrees))


def _usable(
    images: Sequence[ImageInput],
    preprocessor: ImagePreprocessor,
    features: PatchExtractor,
    region: RegionOfInterest | None,
    timer: StageTimer,
) -> Iterator[LoadedImage]:
    for image in images:
        try:
            with timer.stage("decode"):
                loaded = preprocessor.load(image)
            features.check_size(*loaded.pixels.shape[:2])
            if region is not None:
                region.check(loaded.size)
        except (ImageReadError, InvalidInputError):
            continue
        yield loaded


def collect(
    images: Sequence[ImageInput],
    preprocessor: ImagePreprocessor,
    features: PatchExtractor,
    scorer: PatchScorer,
    references: References,
    projection: Projection | None,
    region: RegionOfInterest | None,
    foreground: str | float | None,
    *,
    batch_size: int,
    skip_bad: bool,
    verbose: bool,
    timer: StageTimer,
) -> Collected:
    """Give the scorer the patches that count of every image, then those of its changed copies.

    An ImageReadError names all unreadable files; with ``skip_bad`` only if there is no readable
    one.
    """
    found = Collected()
    with track(len(images), "reading training images", verbose) as advance:
        for start in range(0, len(images), batch_size):
            batch: dict[int, LoadedImage] = {}
            stop = min(start + batch_size, len(images))
            for i in range(start, stop):
                try:
                    with timer.stage("decode"):
                        batch[i] = preprocessor.load(images[i])
                except ImageReadError as error:
                    found.errors[i] = error
            # Without skip_bad an error ends the fit: then only look for further unreadable files.
            if batch and (skip_bad or not found.errors):
                with timer.stage("backbone"):
                    extracted = _extract(features, batch, projection, region, foreground)
                for i, grid in extracted.items():
                    if isinstance(grid, InvalidInputError):
                        found.errors[i] = ImageReadError(f"cannot use {_name(images, i)}: {grid}")
                        continue
                    scored = grid.scored
                    with timer.stage("learn"):
                        if not found.kept:
                            scorer.begin(len(images) * (1 + references.n_copies), grid)
                        scorer.add(grid)
                    copies = references.copies(images[i], i, preprocessor)
                    for copy, degrees in zip(copies, references.turns(), strict=True):
                        with timer.stage("backbone"):
                            (grid,) = projected(features, [copy], projection)
                            grid = inside(region, grid, batch[i].geometry, degrees)
                        with timer.stage("learn"):
                            scorer.add(grid)
                    found.add(i, batch[i], preprocessor.bit_depth)
                    found.n_whole += scored is None
            advance(stop - start)
    found.check(len(images), skip_bad=skip_bad)
    return found


def _extract(
    features: PatchExtractor,
    batch: dict[int, LoadedImage],
    projection: Projection | None,
    region: RegionOfInterest | None,
    foreground: str | float | None,
) -> dict[int, PatchGrid | InvalidInputError]:
    """Features by position, or why an image has none, such as one that is too small."""
    try:
        pixels = [loaded.pixels for loaded in batch.values()]
        grids = marked(projected(features, pixels, projection), foreground)
        pairs = zip(batch.values(), grids, strict=True)
        found = [inside(region, grid, loaded.geometry) for loaded, grid in pairs]
    except NoPatchInsideError:
        raise
    except InvalidInputError as error:
        if len(batch) == 1:
            return dict.fromkeys(batch, error)
        # Which of them is to blame does not show.
        each = ({i: loaded} for i, loaded in batch.items())
        return {
            i: one
            for b in each
            for i, one in _extract(features, b, projection, region, foreground).items()
        }
    return dict(zip(batch, found, strict=True))


def _name(images: Sequence[ImageInput], i: int) -> str:
    image = images[i]
    return f"image {i}" if isinstance(image, np.ndarray) else f"image {shown(image)}"
