"""What a detector will cost on images of some size, told before it has learnt from any."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError, InvalidInputError
from pyimgano.features import PatchExtractor, PatchGrid
from pyimgano.features.patches.projection import Projection, projected
from pyimgano.features.patches.tiled import TiledPatches
from pyimgano.images.preprocess import ImagePreprocessor, LoadedImage
from pyimgano.images.reading import size_if_readable
from pyimgano.models.patch_map import PatchMapper
from pyimgano.models.plan_growth import measure_growth, timed
from pyimgano.scorers.checked import CheckedScorer
from pyimgano.scorers.fit_memory import refuse_beyond
from pyimgano.types import ImageInput
from pyimgano.utils.memory import gigabytes

#: Bytes that a network takes for a pixel of its input: about what ResNets do.
_PER_PIXEL = 200


@dataclass(frozen=True)
class Plan:
    """Sizes, counts, time and memory of a fit, and of scoring an image then.

    Attributes
    ----------
    n_images
        Images to learn from.
    n_copies
        Changed copies of each that are learnt from too.
    at_least
        Whether the seconds are lower bounds: an image takes longer the more images there are.
    source, seen
        Height and width of the largest image, and of what it is brought to.
    n_tiles, tile
        Tiles of that, and the side of one in pixels.
    n_patches, depth
        Patches of it that count, and features of each.
    fit_seconds, image_seconds
        For learning from all images, and for one that is scored then.
    fit_bytes, image_bytes
        Memory that learning takes, and scoring one image.
    """

    n_images: int
    n_copies: int
    at_least: bool
    source: tuple[int, int]
    seen: tuple[int, int]
    n_tiles: int
    tile: int
    n_patches: int
    depth: int
    fit_seconds: float
    image_seconds: float
    fit_bytes: int
    image_bytes: int

    def lines(self) -> list[str]:
        """The same in words."""
        (height, width), (h, w) = self.source, self.seen
        tiles = f"{self.n_tiles} tiles" if self.n_tiles > 1 else "one tile"
        about, least = ("at least", "at least ") if self.at_least else ("about", "")
        return [
            f"images of {height:,} x {width:,} pixels are seen at {h:,} x {w:,}, in {tiles} of at"
            f" most {self.tile:,}: {self.n_patches:,} patches of {self.depth:,} features",
            f"learning from {self._learnt()}: {about} {_seconds(self.fit_seconds)} and"
            f" {gigabytes(self.fit_bytes)} of memory; each image after that:"
            f" {least}{_seconds(self.image_seconds)} and {gigabytes(self.image_bytes)}",
        ]

    def check(self) -> None:
        """Refuse what will not fit: a NotEnoughMemoryError with the figures and the ways out."""
        what = f"{self._learnt(' images')} of {self.n_patches:,} x {self.depth:,} features"
        ways = ["a larger smallest_defect or smaller image_size", "fewer images", "projection"]
        refuse_beyond(max(self.fit_bytes, self.image_bytes), what, ways)

    def _learnt(self, noun: str = "") -> str:
        k = self.n_copies
        copies = f" with {k:,} {'copy' if k == 1 else 'copies'} of each" if k else ""
        return f"{self.n_images:,}{noun}{copies}"


def make_plan(
    images: Iterable[ImageInput],
    preprocessor: ImagePreprocessor,
    features: PatchExtractor,
    new_scorer: Callable[[], CheckedScorer],
    mapper: PatchMapper,
    *,
    share: float = 1.0,
    projection: int | str | None = None,
    passes: int = 1,
    copies: int = 0,
    readings: int = 0,
    scored: ImageInput | None = None,
) -> Plan:
    """Time tiles of some images, learning from them and scoring one, and reckon from there.

    Parameters
    ----------
    images
        Those to learn from; of files only the headers are read, and unreadable ones left out.
    preprocessor, features, mapper
        Of the detector; features that have learnt nothing and are not needed any more.
    new_scorer
        Gives one that has learnt nothing.
    share
        Of the patches of an image, that is inside the region of interest.
    projection
        Axes that the detector keeps.
    passes
        How often a fit sends each image through the network.
    copies
        Changed copies of each image that are learnt from too.
    readings
        How often a fit reads each image beside that.
    scored
        The image that is scored then; None: the largest of those learnt from.

    Raises
    ------
    InvalidInputError
        None of the images can be read.
    ImageReadError
        ``scored`` cannot be read.
    """
    sizes = [(size, image) for image in images if (size := size_if_readable(image)) is not None]
    if not sizes:
        raise InvalidInputError("none of the images can be read")
    source, largest = max(sizes, key=lambda pair: math.prod(pair[0]))
    loading, loaded = timed(lambda: preprocessor.load(largest))
    known, axes, grid = _Part.first(features, loaded, projection)
    others = (image for _, image in sizes if image is not largest)
    parts = _parts(others, preprocessor, (*known.shape, *loaded.pixels.shape[2:]))
    grids = chain([grid], (projected(features, [one], axes)[0] for one in parts))
    learning, scoring = measure_growth(new_scorer, grids)

    learnt = [known.of(preprocessor.geometry(size).size) for size, _ in sizes]
    n_learnt = max(1, round(share * (1 + copies) * sum(one.n_patches for one in learnt)))
    n_read = sum(math.prod(size) for size, _ in sizes) / math.prod(source)  # as the largest one
    seen, scorer, n = known.of(loaded.geometry.size), new_scorer(), len(sizes)
    upscaling, _ = timed(partial(_mapped, mapper, seen))
    per_image = -(-n_learnt // (n * (1 + copies)))
    in_fit = scorer.fit_bytes(n * (1 + copies), per_image, grid.parts or (grid.rows.shape[1],))
    in_fit += seen.bytes + loaded.pixels.nbytes
    fit_seconds = (
        (passes + copies) * (n_read * loading + sum(one.seconds for one in learnt))
        + n_read * readings * loading
        + sum(one.n_patches for one in learnt) / seen.n_patches * upscaling
        + n_learnt * learning.at(n_learnt)
    )

    if scored is not None:
        loading, loaded = timed(lambda: preprocessor.load(scored))
    asked = known.of(loaded.geometry.size)
    mapping, image_bytes = _scoring(loaded, mapper, asked)
    searching = share * asked.n_patches * scoring.at(n_learnt)
    return Plan(
        n_images=n,
        n_copies=copies,
        at_least=scorer.compares_images,
        source=source,
        seen=seen.size,
        n_tiles=seen.n_tiles,
        tile=features.tile if isinstance(features, TiledPatches) else max(seen.size),
        n_patches=max(1, round(share * seen.n_patches)),
        depth=grid.rows.shape[1],
        fit_seconds=fit_seconds,
        image_seconds=loading + asked.seconds + searching + mapping,
        fit_bytes=in_fit,
        image_bytes=image_bytes,
    )


@dataclass(frozen=True)
class _Seen:
    """An image as the network sees it: size and tiles, patches, seconds and bytes they take."""

    size: tuple[int, int]
    n_tiles: int
    n_patches: int
    seconds: float
    bytes: int


@dataclass(frozen=True)
class _Part:
    """A part of an image that went through the network: a tile, or the whole."""

    features: PatchExtractor
    shape: tuple[int, int]
    n_patches: int
    #: Numbers that are held for each patch.
    depth: int
    seconds: float

    @classmethod
    def first(
        cls, features: PatchExtractor, loaded: LoadedImage, projection: int | str | None
    ) -> tuple["_Part", Projection | None, PatchGrid]:
        """The first tile of an image, or all of it, timed; with the axes that are kept."""
        tile = features.tile if isinstance(features, TiledPatches) else max(loaded.geometry.size)
        pixels = loaded.pixels[:tile, :tile]
        if features.needs_fit:
            features.fit([pixels])
        (raw,) = features.extract_batch([pixels])  # the first time takes longer
        axes = None if projection is None else Projection.fit([raw], projection)
        seconds, (grid,) = timed(lambda: projected(features, [pixels], axes))
        depth = grid.rows.shape[1] + (0 if axes is None else raw.rows.shape[1])
        part = cls(features, pixels.shape[:2], len(grid.rows), depth, seconds)
        return part, axes, grid

    def of(self, size: tuple[int, int]) -> _Seen:
        """What an image of that size will be."""
        share, n_tiles = math.prod(size) / math.prod(self.shape), 1
        passed = share
        if isinstance(self.features, TiledPatches):
            n_tiles = self.features.n_tiles(*size)
            passed = n_tiles * min(1.0, share)
        n_patches = max(1, round(self.n_patches * share))
        at_once = math.prod(self.shape) * passed / n_tiles
        return _Seen(
            size=size,
            n_tiles=n_tiles,
            n_patches=n_patches,
            seconds=self.seconds * passed,
            bytes=4 * n_patches * self.depth + round(_PER_PIXEL * at_once),
        )


def _scoring(loaded: LoadedImage, mapper: PatchMapper, seen: _Seen) -> tuple[float, int]:
    """Seconds for the map of an image, and bytes that scoring it takes in all."""
    upscaling, at_input = timed(partial(_mapped, mapper, seen))
    mapping, _ = timed(lambda: loaded.geometry.to_source(at_input))
    pixels, held = math.prod(loaded.geometry.source), loaded.pixels
    # One after the other: the pixels of the file, the features, the map.
    stages = (3 * pixels * held.itemsize, seen.bytes, 8 * math.prod(seen.size) + 4 * pixels)
    return upscaling + mapping, held.nbytes + max(stages)


def _mapped(mapper: PatchMapper, seen: _Seen) -> NDArray[np.float32]:
    """A map from about as many distances as there are patches."""
    return mapper.at_input(np.zeros((max(1, seen.n_patches // 64), 64), np.float32), seen.size)


def _parts(
    images: Iterable[ImageInput], preprocessor: ImagePreprocessor, shape: tuple[int, ...]
) -> Iterator[NDArray[np.float32]]:
    """A part of that shape of each image that can be read and is large enough.

    Where it lies is drawn: at one place, such as a corner, all images may show the same.
    """
    rng = np.random.default_rng(0)
    for image in images:
        try:
            pixels = preprocessor.load(image).pixels
        except (ImageReadError, InvalidInputError):
            continue
        rooms = [side - wanted for side, wanted in zip(pixels.shape, shape, strict=False)]
        if pixels.ndim == len(shape) and min(rooms) >= 0:
            top, left = (int(rng.integers(room + 1)) for room in rooms[:2])
            yield pixels[top : top + shape[0], left : left + shape[1]]


def _seconds(seconds: float) -> str:
    if seconds >= 90:
        return f"{seconds / 60:,.0f} minutes"
    return f"{seconds:,.1f} s"
