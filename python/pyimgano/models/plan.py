"""What a detector will cost on images of some size, told before it has learnt from any."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError, InvalidInputError
from pyimgano.features import PatchExtractor
from pyimgano.features.patches.projection import Projection, projected
from pyimgano.features.patches.tiled import TiledPatches
from pyimgano.images.preprocess import ImagePreprocessor
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
    """Sizes, counts, time and memory, for the largest of the images.

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
        For learning from all images, and for each that is scored then.
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

    Raises
    ------
    InvalidInputError
        None of the images can be read.
    """
    sizes = [(size, image) for image in images if (size := size_if_readable(image)) is not None]
    if not sizes:
        raise InvalidInputError("none of the images can be read")
    source, largest = max(sizes, key=lambda pair: math.prod(pair[0]))
    loading, loaded = timed(lambda: preprocessor.load(largest))
    seen = loaded.geometry.size
    tile, n_tiles = max(seen), 1
    if isinstance(features, TiledPatches):
        tile, n_tiles = features.tile, features.n_tiles(*seen)
    part = loaded.pixels[:tile, :tile]
    if features.needs_fit:
        features.fit([part])
    (raw,) = features.extract_batch([part])  # the first time takes longer
    axes = None if projection is None else Projection.fit([raw], projection)
    extracting, (grid,) = timed(lambda: projected(features, [part], axes))
    others = _parts((image for _, image in sizes if image is not largest), preprocessor, part.shape)
    grids = chain([grid], (projected(features, [other], axes)[0] for other in others))
    learning, scoring = measure_growth(new_scorer, grids)
    n_extracted = round(len(grid.rows) * math.prod(seen) / math.prod(part.shape[:2]))
    n_patches = max(1, round(share * n_extracted))
    scorer, n, depth = new_scorer(), len(sizes), grid.rows.shape[1]
    pixels, held = math.prod(source), loaded.pixels.nbytes
    distances = np.zeros((max(1, n_extracted // 64), 64), np.float32)
    upscaling, at_input = timed(lambda: mapper.at_input(distances, seen))
    mapping, _ = timed(lambda: loaded.geometry.to_source(at_input))
    of_network = extracting * n_tiles
    n_learnt = n * (1 + copies) * n_patches
    kept = 4 * n_extracted * (depth if axes is None else depth + raw.rows.shape[1])
    in_work = kept + held + _PER_PIXEL * math.prod(part.shape[:2])
    maps = held + 8 * math.prod(seen) + 4 * pixels
    return Plan(
        n_images=n,
        n_copies=copies,
        at_least=scorer.compares_images,
        source=source,
        seen=seen,
        n_tiles=n_tiles,
        tile=tile,
        n_patches=n_patches,
        depth=depth,
        fit_seconds=n
        * ((passes + copies) * (loading + of_network) + readings * loading + upscaling)
        + learning.at(n_learnt),
        image_seconds=loading + of_network + scoring.at(n_learnt) * n_patches + upscaling + mapping,
        fit_bytes=scorer.fit_bytes(n * (1 + copies), n_patches, grid.parts or (depth,)) + in_work,
        image_bytes=3 * pixels * loaded.pixels.itemsize + max(in_work, maps),
    )


def _parts(
    images: Iterable[ImageInput], preprocessor: ImagePreprocessor, shape: tuple[int, ...]
) -> Iterator[NDArray[np.float32]]:
    """The upper left of each image that can be read and is large enough, float32 of that shape."""
    for image in images:
        try:
            pixels = preprocessor.load(image).pixels[: shape[0], : shape[1]]
        except (ImageReadError, InvalidInputError):
            continue
        if pixels.shape == shape:
            yield pixels


def _seconds(seconds: float) -> str:
    if seconds >= 90:
        return f"{seconds / 60:,.0f} minutes"
    return f"{seconds:,.1f} s"
