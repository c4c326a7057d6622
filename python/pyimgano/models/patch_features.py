"""The half of a patch detector that turns images into patches."""

import copy
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.features import PatchExtractor, PatchGrid, build_features
from pyimgano.features.base import Spacing, spacing_of
from pyimgano.features.build import BackboneLike, takes
from pyimgano.features.patches.foreground import marked
from pyimgano.features.patches.layer_maps import LayerPatches
from pyimgano.features.patches.pooling import POOLED, Aggregation
from pyimgano.features.patches.projection import Projection, projected
from pyimgano.features.patches.tiled import TiledPatches
from pyimgano.images.light import Light
from pyimgano.images.preprocess import ImagePreprocessor, LoadedImage, as_size
from pyimgano.images.reading import first_size
from pyimgano.images.references import References
from pyimgano.images.twins import digest
from pyimgano.models.compared import ComparedPatches
from pyimgano.models.patch_map import PatchMapper
from pyimgano.models.plan import Plan, make_plan
from pyimgano.neighbors.catalogue import takes_device
from pyimgano.scorers.base import PatchScorer
from pyimgano.scorers.checked import CheckedScorer
from pyimgano.types import ImageInput, ImageSize
from pyimgano.utils.timing import StageTimer

#: Side of the smallest defect that is to be found, in patches of the size that images are brought
#: to.
_PATCHES_PER_DEFECT = 1.25


class PatchFeatures(ComparedPatches):
    """Reads images at one size and has an extractor make patches of them.

    The parameters are those of :class:`~pyimgano.models.PatchDetector`.
    """

    #: How the layers of a backbone are brought together.
    AGGREGATION: ClassVar[Aggregation] = POOLED
    #: Parameters that ``preset="paper"`` sets.
    PAPER: ClassVar[Mapping[str, Any]] = {}

    backbone: BackboneLike
    layers: Sequence[str] | None
    weights: Any
    pretrained: bool
    image_size: ImageSize
    resize_mode: str | None
    tiles: int | tuple[int, int] | str | None
    tile_overlap: int | None
    smallest_defect: int | None
    normalization: Any
    device: str
    batch_size: int
    preset: str | None
    bit_depth: int | None
    max_pixels: int
    engine: str | None
    position_embedding: str
    projection: int | str | None
    random_state: int
    light: str | None
    foreground: str | float | None
    local_contrast: float
    n_jobs: int | None

    features_: PatchExtractor
    #: Principal axes of the training patches, where these are asked for.
    projection_: Projection | None = None
    _preprocessor: ImagePreprocessor
    _mapper: PatchMapper
    #: Shortest side of the training images as they were resized, pixels; None after loading.
    least_side_: int | None = None

    @abstractmethod
    def build_scorer(self) -> PatchScorer:
        """A scorer by the parameters that has learnt nothing."""

    def validate(self) -> None:
        """Check the parameters and that the backbone and its weights can be had, without images."""
        super().validate()
        self._build_features()

    def plan(self, images: Iterable[ImageInput], *, scored: ImageInput | None = None) -> Plan:
        """What learning from these images will cost, and scoring one: the largest if none is given.

        It takes a few passes of one tile, and changes nothing. A NotEnoughMemoryError is raised by
        ``plan.check()``; see :class:`~pyimgano.models.plan.Plan`. Of a region of interest it knows
        what was drawn: with ``roi="auto"`` the whole image counts here.
        """
        self.validate()
        images = list(images)
        self._check_defect(images)
        trial = copy.copy(self)
        trial.features_ = trial._build_features()
        preprocessor, matches = trial._build_preprocessor(), self.light is not None
        # Held-out scores then take a pass of their own.
        in_blocks = getattr(self.build_scorer(), "coreset_block", None) is not None
        return make_plan(
            images,
            # Any light takes as long.
            preprocessor.in_light(Light(0.5, 0.2)) if matches else preprocessor,
            trial._seeing(trial.features_),
            lambda: CheckedScorer(self.build_scorer()),
            trial._build_mapper(),
            share=self._share_drawn(images),
            projection=self.projection,
            passes=1 + trial.features_.needs_fit + (self.projection is not None) + in_blocks,
            copies=self._references().n_copies,
            readings=int(matches),
            scored=scored,
        )

    def _digest(self, image: ImageInput) -> bytes:
        return digest(self._preprocessor.load(image).pixels)

    def _extract_patch_features(
        self, image: ImageInput
    ) -> tuple[NDArray[np.float32], tuple[int, int]]:
        """Features of one image, float32 (h * w, d), and the patch grid (h, w)."""
        self._check_fitted()
        (patches,) = self._extract([self._preprocessor.load(image)], StageTimer())
        return patches.rows, patches.shape

    def _extract(self, batch: Sequence[LoadedImage], timer: StageTimer) -> list[PatchGrid]:
        with timer.stage("backbone"):
            pixels = [loaded.pixels for loaded in batch]
            grids = projected(self._seeing(self.features_), pixels, self.projection_)
            return marked(grids, self.foreground)

    @abstractmethod
    def _share_drawn(self, images: Sequence[ImageInput]) -> float:
        """The share of an image that counts, as far as that is known without looking at images."""

    def _check_defect(self, images: Iterable[ImageInput]) -> None:
        """Refuse a smallest defect that the first readable image has no room for."""
        size = first_size(images)
        if self.smallest_defect is not None and size and self.smallest_defect >= max(size):
            raise InvalidInputError(
                f"smallest_defect={self.smallest_defect} is not smaller than images of {size[1]} x"
                f" {size[0]} pixels: give the defect's size in pixels of the images as they are"
            )

    def check_params(self) -> None:
        """Check the parameters, those of size against each other."""
        super().check_params()
        if self.smallest_defect is not None and self.resize_mode == "squash":
            raise InvalidInputError(
                'smallest_defect keeps the aspect: leave out resize_mode="squash"'
            )
        tile, overlap = self._tile()
        if self.tile_overlap is not None and not self.is_tiled:
            raise InvalidInputError("tile_overlap is for tiles: set tiles, or leave it out")
        if overlap is not None and not isinstance(tile, str) and overlap >= tile:
            raise InvalidInputError(
                f"tile_overlap must be smaller than the tiles, got {overlap} for tiles of {tile}"
                " pixels"
            )
        sides = self._given_sides()
        if sides is not None and not isinstance(tile, str) and tile > max(sides):
            raise InvalidInputError(
                f"tiles of {tile} pixels are larger than images of image_size={self.image_size}:"
                " set a larger image_size (None for the images' own), or smaller tiles"
            )

    @property
    def is_tiled(self) -> bool:
        """Whether images are cut into tiles where they are larger than one."""
        return self._in_use("tiles") is not None or self.smallest_defect is not None

    def _given_sides(self) -> tuple[int, int] | None:
        """Height and width that images are brought into, where it is said and no defect decides."""
        size, _ = self._sizes()
        return as_size(size) if self.smallest_defect is None else None

    def _tile(self) -> tuple[int | str, int | None]:
        """Size and overlap of tiles, as far as they are given."""
        tiles = self._in_use("tiles")
        if isinstance(tiles, (tuple, list)):
            if self.tile_overlap is not None:
                if self.preset is not None and self.tiles is None:
                    raise InvalidInputError(
                        f"preset={self.preset!r} has tiles of {tiles[0]} pixels that overlap by"
                        f" {tiles[1]}: leave out tile_overlap, or the preset"
                    )
                raise InvalidInputError(f"tiles={tiles!r} has the overlap: leave out tile_overlap")
            return tiles[0], tiles[1]
        return tiles or "auto", self.tile_overlap

    def _seeing(self, features: PatchExtractor) -> PatchExtractor:
        """The extractor, of tiles where images are cut into such."""
        if not self.is_tiled:
            return features
        tile, overlap = self._tile()
        return TiledPatches(
            features,
            tile=tile,
            overlap=overlap,
            batch_size=self.batch_size,
            bit_depth=self.bit_depth,
        )

    def _images_at_once(self) -> int:
        return 1 if self.is_tiled else self.batch_size

    def _training_pixels(self) -> str:
        return f"preprocessed pixels, {'as stored' if self.is_tiled else 'float32 RGB'}"

    def _build_preprocessor(self) -> ImagePreprocessor:
        size, crop = self._sizes()
        mode, multiple, share = self._mode(), 1, None
        if mode != "squash" and (spacing := spacing_of(self.features_)) is not None:
            multiple, share = spacing.repeats, self._share(spacing)
        return ImagePreprocessor(
            size,
            center_crop=crop,
            bit_depth=self.bit_depth,
            max_pixels=self.max_pixels,
            resize_mode=mode,
            multiple=multiple,
            share=share,
            as_stored=self.is_tiled,
        )

    def _share(self, spacing: Spacing) -> float | None:
        """The share of its own sides that each image is brought to; None: a size decides."""
        if self.smallest_defect is None:
            return None
        return min(1.0, _PATCHES_PER_DEFECT * spacing.patch / self.smallest_defect)

    def _sizes(self) -> tuple[ImageSize, int | None]:
        """What images are brought to, and the centred crop after that."""
        return (self.image_size, None) if self.preset is None else (256, 224)

    def _mode(self) -> str:
        return self.resize_mode or ("fit" if self.is_tiled else "squash")

    def seen_size(self) -> tuple[int, int] | None:
        """What every image is brought to, (height, width); None where that depends on the image."""
        size, crop = self._sizes()
        return as_size(crop or size) if self._mode() == "squash" else None

    def _layers(self) -> Sequence[str] | None:
        """The layers of the backbone; None for its own choice."""
        return self.layers

    def _blocks(self, depth: int) -> Sequence[int] | None:
        """Which blocks a vision transformer of so many gives if ``layers`` is None.

        None leaves that to the network: the last one through its norm.
        """
        return None

    def _backbone_device(self) -> str:
        """What a backbone is told: nothing new where only the search has a use for the device."""
        search = getattr(self, "knn_backend", None)
        is_searched = search is not None and takes_device(search)
        return "cpu" if is_searched and "device" not in takes(self.backbone) else self.device

    def _build_features(self) -> PatchExtractor:
        # Not in check_params: detector files with both can still be loaded.
        ours = ("tiles", "smallest_defect", "resize_mode")
        if self.preset is not None and any(getattr(self, name) is not None for name in ours):
            raise InvalidInputError(
                f"preset={self.preset!r} says how images are resized and cut: leave it out, or"
                " tiles, smallest_defect and resize_mode"
            )
        if self.smallest_defect is not None and "image_size" in self.changed_params():
            raise InvalidInputError(
                "smallest_defect chooses the size that images are brought to: leave out"
                f" image_size={self.image_size}, or smallest_defect"
            )
        features = build_features(
            self.backbone,
            layers=self._layers(),
            weights=self.weights,
            pretrained=self.pretrained,
            normalization=self.normalization,
            device=self._backbone_device(),
            batch_size=self.batch_size,
            engine=self.engine,
            position_embedding=self.position_embedding,
            blocks=self._blocks,
        )
        self._check_size(features)
        return self._aggregating(features)

    def _check_size(self, features: PatchExtractor) -> None:
        """Refuse a size that the extractor cannot take, as far as it is the same for all images."""
        seeing = self._seeing(features)
        if isinstance(seeing, TiledPatches):
            sides = self._given_sides()
            if sides is not None and self._tile()[0] == "auto" and max(sides) <= seeing.tile:
                raise InvalidInputError(
                    f'tiles="auto" are of {seeing.tile} pixels, no smaller than images of'
                    f" image_size={self.image_size}: set image_size=None for the images' own size,"
                    " or smallest_defect"
                )
            if sides is not None and self.resize_mode == "squash":
                seeing.check_size(*sides)
        elif (seen := self.seen_size()) is not None:
            features.check_size(*seen)

    def _aggregating(self, features: PatchExtractor) -> PatchExtractor:
        """The same extractor; one that joins layers does it as the detector wants."""
        if isinstance(features, LayerPatches):
            features.aggregation = self.AGGREGATION
        return features

    def _in_use(self, name: str) -> Any:
        """A parameter, or what it is in the paper, if that is wanted."""
        is_paper = self.preset is not None and name in self.PAPER
        return self.PAPER[name] if is_paper else getattr(self, name)

    def _references(self) -> References:
        return References(self._in_use("references"), self.random_state)

    def _build_mapper(self) -> PatchMapper:
        return PatchMapper(self._in_use("gaussian_sigma"), local_contrast=self.local_contrast)

    def to_state(self) -> Mapping[str, NDArray[Any]]:
        """The projection; all else that is learnt is the extractor's and the scorer's."""
        known = self.projection_
        return {} if known is None else {"mean": known.mean, "axes": known.axes}

    @classmethod
    def from_state(cls, parameters: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> Self:
        """A detector with this projection."""
        detector = super().from_state(parameters, {})
        if state.keys() != (set() if detector.projection is None else {"mean", "axes"}):
            raise InvalidInputError(f"projection={detector.projection} and {sorted(state)}")
        if state:
            detector.projection_ = Projection(state["mean"], state["axes"])
        return detector
