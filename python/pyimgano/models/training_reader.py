"""Training images as they are read, in this process or in workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

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
from pyimgano.images.references import References
from pyimgano.images.region import NoPatchInsideError, RegionOfInterest
from pyimgano.images.twins import digest, thumbnail
from pyimgano.types import ImageInput
from pyimgano.utils.ahead import Ahead
from pyimgano.utils.text import shown
from pyimgano.utils.timing import StageTimer
from pyimgano.utils.workers import in_order, runs_here

#: Images with their numbers among those that were given.
Batch = Sequence[tuple[int, ImageInput]]
#: What became of each of them when it was read.
Read = Sequence[LoadedImage | ImageReadError]


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of a training image, beside its features."""

    health: ImageHealth  #: Light, sharpness and the like.
    digest: bytes  #: SHA-256 of the pixels.
    thumbnail: NDArray[np.float32]  #: See :mod:`~pyimgano.images.twins`.
    geometry: Geometry  #: Which pixel of the source each pixel is.

    @classmethod
    def of(cls, loaded: LoadedImage, bit_depth: int | None = None) -> Known:
        """Of an image that was read; ``bit_depth`` of stored pixels."""
        white = np.float32(white_of(loaded.pixels, bit_depth))
        small = thumbnail(loaded.pixels) / white
        return cls(loaded.health, digest(loaded.pixels), small, loaded.geometry)


@dataclass(frozen=True, eq=False)
class Taken:
    """A training image that is learnt from."""

    number: int
    known: Known
    grid: PatchGrid  #: Those of its patches that count.
    copies: Iterable[PatchGrid]  #: The same of its changed copies.


@dataclass(frozen=True, eq=False)
class Unusable:
    """A training image that cannot be used, and why."""

    number: int
    error: ImageReadError


@dataclass(frozen=True)
class TrainingReader:
    """Reads training images and makes patches of them."""

    preprocessor: ImagePreprocessor
    features: PatchExtractor
    region: RegionOfInterest | None = None
    projection: Projection | None = None
    foreground: str | float | None = None
    references: References = field(default_factory=partial(References, "plain", 0))
    #: Where relative paths begin: workers may stand elsewhere.
    folder: str = field(default_factory=os.getcwd)

    def read(self, batch: Batch, timer: StageTimer) -> Read:
        """The images, or why one cannot be read; whatever follows takes this if it is there."""
        found: list[LoadedImage | ImageReadError] = []
        for _, image in batch:
            with timer.stage("decode"):
                try:
                    found.append(self.preprocessor.load(self._seen(image)))
                except ImageReadError as error:
                    found.append(error)
        return found

    def take(
        self,
        batch: Batch,
        timer: StageTimer,
        look_only: Callable[[], bool] = lambda: False,
        read: Read | None = None,
    ) -> Iterator[Taken | Unusable]:
        """All that is learnt from each image, those that cannot be read first.

        Where ``look_only`` then says so, that is all.
        """
        loaded: dict[int, LoadedImage] = {}
        each = self.read(batch, timer) if read is None else read
        for (number, _), one in zip(batch, each, strict=True):
            if isinstance(one, ImageReadError):
                yield Unusable(number, one)
            else:
                loaded[number] = one
        if not loaded or look_only():
            return
        images = dict(batch)
        with timer.stage("backbone"):
            extracted = self._extract(loaded)
        for number, grid in extracted.items():
            if isinstance(grid, InvalidInputError):
                name = _name(images[number], number)
                yield Unusable(number, ImageReadError(f"cannot use {name}: {grid}"))
                continue
            known = Known.of(loaded[number], self.preprocessor.bit_depth)
            copies = self._copies(number, images[number], known.geometry, timer)
            yield Taken(number, known, grid, copies)

    def patches(
        self, batch: Batch, timer: StageTimer, read: Read | None = None
    ) -> Iterator[PatchGrid]:
        """The patches that count of every image that can be used."""
        for loaded in self.usable(batch, timer, read):
            with timer.stage("backbone"):
                (grid,) = extract_patches(self.features, [loaded.pixels])
                grid = inside(self.region, grid, loaded.geometry)
            yield grid

    def lights(self, batch: Batch, timer: StageTimer, read: Read | None = None) -> Iterator[Light]:
        """The light inside the region of every image that can be used."""
        for loaded in self.usable(batch, timer, read):
            with timer.stage("decode"):
                region = self.region
                counted = None if region is None else region.on_seen(loaded.geometry)
                yield Light.of(loaded.pixels, self.preprocessor.bit_depth, counted)

    def usable(
        self, batch: Batch, timer: StageTimer, read: Read | None = None
    ) -> Iterator[LoadedImage]:
        """Every image that can be used; :meth:`take` tells of the others."""
        for loaded in self.read(batch, timer) if read is None else read:
            if isinstance(loaded, ImageReadError):
                continue
            try:
                self.features.check_size(*loaded.pixels.shape[:2])
                if self.region is not None:
                    self.region.check(loaded.size)
            except InvalidInputError:
                continue
            yield loaded

    def _seen(self, image: ImageInput) -> ImageInput:
        return seen_from(self.folder, image)

    def _copies(
        self, number: int, image: ImageInput, geometry: Geometry, timer: StageTimer
    ) -> Iterator[PatchGrid]:
        copies = self.references.copies(self._seen(image), number, self.preprocessor)
        for copy, degrees in zip(copies, self.references.turns(), strict=True):
            with timer.stage("backbone"):
                (grid,) = projected(self.features, [copy], self.projection)
                grid = inside(self.region, grid, geometry, degrees)
            yield grid

    def _extract(self, batch: dict[int, LoadedImage]) -> dict[int, PatchGrid | InvalidInputError]:
        """Features by number, or why an image has none, such as one that is too small."""
        try:
            pixels = [loaded.pixels for loaded in batch.values()]
            grids = marked(projected(self.features, pixels, self.projection), self.foreground)
            pairs = zip(batch.values(), grids, strict=True)
            found = [inside(self.region, grid, loaded.geometry) for loaded, grid in pairs]
        except NoPatchInsideError:
            raise
        except InvalidInputError as error:
            if len(batch) == 1:
                return dict.fromkeys(batch, error)
            # Which of them is to blame does not show.
            each = ({i: loaded} for i, loaded in batch.items())
            return {i: one for b in each for i, one in self._extract(b).items()}
        return dict(zip(batch, found, strict=True))


def batches_of(images: Sequence[ImageInput], size: int) -> list[Batch]:
    """Images with their numbers, so many at a time."""
    numbered = list(enumerate(images))
    return [numbered[start : start + size] for start in range(0, len(numbered), size)]


@dataclass(frozen=True)
class InLists:
    """What a method of a reader gives for a batch, as other processes can send it, with seconds."""

    reader: TrainingReader
    method: str

    def __call__(self, batch: Batch) -> tuple[list[Any], dict[str, float]]:
        """All of them, and seconds by stage."""
        timer = StageTimer()
        found = getattr(self.reader, self.method)(batch, timer)
        return [self._whole(one) for one in found], timer.seconds

    def _whole(self, one: Any) -> Any:
        return replace(one, copies=list(one.copies)) if isinstance(one, Taken) else one


def read_each(
    reader: TrainingReader,
    method: str,
    images: Sequence[ImageInput],
    batch_size: int,
    n_jobs: int | None,
    timer: StageTimer,
    **here: Any,
) -> Generator[Any, None, None]:
    """What a method of the reader gives for all images, in their order, by workers.

    Without these it is called when its results are asked for, with the further arguments ``here``,
    while the images of the next batch are being read, if these are small. Whoever may not ask for
    all must close it.
    """
    batches, give = batches_of(images, batch_size), getattr(reader, method)
    if runs_here(n_jobs):
        if batch_size == 1:  # such as large images in tiles, of which one is enough in memory
            for batch in batches:
                yield from give(batch, timer, **here)
            return
        with Ahead(batches, partial(reader.read, timer=timer), 1, _weight) as ahead:
            for batch in batches:
                yield from give(batch, timer, read=next(ahead), **here)
        return
    copied = method == "take" and reader.references.n_copies > 0
    how: Any = {"each": 1} if copied else {}  # a batch is many times as large
    for found, seconds in in_order(InLists(reader, method), batches, n_jobs, what="fit", **how):
        timer.add(seconds)
        yield from found


def inside(
    region: RegionOfInterest | None, grid: PatchGrid, geometry: Geometry, degrees: float = 0.0
) -> PatchGrid:
    """Those patches of an image that count, of one turned by so many degrees.

    An image of another aspect, or without such a patch, is an InvalidInputError.
    """
    return grid if region is None else grid.only(region.on_grid(geometry, grid.shape, degrees))


def seen_from(folder: str, image: ImageInput) -> ImageInput:
    """An image as a process finds it that may stand in another folder than who named it."""
    if isinstance(image, (str, os.PathLike)) and os.getcwd() != folder:
        return os.path.join(folder, image)
    return image


def _weight(read: Read) -> int:
    return sum(one.pixels.nbytes for one in read if isinstance(one, LoadedImage))


def _name(image: ImageInput, number: int) -> str:
    return f"image {number}" if isinstance(image, np.ndarray) else f"image {shown(image)}"
