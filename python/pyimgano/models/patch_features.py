"""The half of a patch detector that turns images into patches."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pyimgano.features import PatchExtractor, PatchGrid, build_features
from pyimgano.features.build import BackboneLike, takes
from pyimgano.features.patches.layer_maps import LayerPatches
from pyimgano.features.patches.pooling import POOLED, Aggregation
from pyimgano.features.patches.projection import Projection, projected
from pyimgano.images.preprocess import ImagePreprocessor, LoadedImage, as_size
from pyimgano.images.twins import digest
from pyimgano.models.base import PixelDetector
from pyimgano.neighbors.catalogue import takes_device
from pyimgano.types import ImageInput, ImageSize
from pyimgano.utils.timing import StageTimer


class PatchFeatures(PixelDetector):
    """Reads images at one size and has an extractor make patches of them.

    The parameters are those of :class:`~pyimgano.models.PatchDetector`.
    """

    #: How the layers of a backbone are brought together.
    AGGREGATION: ClassVar[Aggregation] = POOLED

    backbone: BackboneLike
    layers: Sequence[str] | None
    weights: Any
    pretrained: bool
    image_size: ImageSize
    normalization: Any
    device: str
    batch_size: int
    preset: str | None
    bit_depth: int | None
    max_pixels: int
    engine: str | None

    features_: PatchExtractor
    #: Principal axes of the training patches, where these are asked for.
    projection_: Projection | None = None
    _preprocessor: ImagePreprocessor

    def validate(self) -> None:
        """Check the parameters and that the backbone and its weights can be had, without images."""
        super().validate()
        self._build_features()

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
            return projected(self.features_, pixels, self.projection_)

    def _build_preprocessor(self) -> ImagePreprocessor:
        size, crop = self._sizes()
        return ImagePreprocessor(
            size, center_crop=crop, bit_depth=self.bit_depth, max_pixels=self.max_pixels
        )

    def _sizes(self) -> tuple[ImageSize, int | None]:
        """What images are brought to, and the centred crop after that."""
        return (self.image_size, None) if self.preset is None else (256, 224)

    def _layers(self) -> Sequence[str] | None:
        """The layers of the backbone; None for its own choice."""
        return self.layers

    def _backbone_device(self) -> str:
        """What a backbone is told: nothing new where only the search has a use for the device."""
        search = getattr(self, "knn_backend", None)
        is_searched = search is not None and takes_device(search)
        return "cpu" if is_searched and "device" not in takes(self.backbone) else self.device

    def _build_features(self) -> PatchExtractor:
        features = build_features(
            self.backbone,
            layers=self._layers(),
            weights=self.weights,
            pretrained=self.pretrained,
            normalization=self.normalization,
            device=self._backbone_device(),
            batch_size=self.batch_size,
            engine=self.engine,
        )
        size, crop = self._sizes()
        if (seen := as_size(crop or size)) is not None:
            features.check_size(*seen)
        return self._aggregating(features)

    def _aggregating(self, features: PatchExtractor) -> PatchExtractor:
        """The same extractor; one that joins layers does it as the detector wants."""
        if isinstance(features, LayerPatches):
            features.aggregation = self.AGGREGATION
        return features
