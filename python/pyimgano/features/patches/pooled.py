"""One vector per image, from the patches of the embedded network or of the filter bank."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError, NotFittedError
from pyimgano.features.patches.filter_bank import FilterBank
from pyimgano.features.patches.layer_maps import LayerPatches
from pyimgano.images.limits import MAX_PIXELS
from pyimgano.images.preprocess import ImagePreprocessor, check_images
from pyimgano.images.reading import join_errors
from pyimgano.types import ImageInput, ImageSize
from pyimgano.utils.parameters import Parameter
from pyimgano.utils.params import ParamsMixin


class ImageFeatures(Protocol):
    """What a detector of whole images asks of an extractor; ``fit(images)`` may exist as well."""

    def extract(self, images: Sequence[ImageInput]) -> NDArray[np.float32]:
        """One row of features per path or array: float32 (n, d)."""
        ...


class PooledPatches(ParamsMixin):
    """Patch features of an image, pooled to one vector.

    Per patch feature the largest absolute value over the grid: how far the image strays from normal
    surface anywhere. A defect of a few patches moves that; it hardly moves a mean. ``extract``
    changes no state, so several threads may share a fitted object.

    Parameters
    ----------
    image_size, max_pixels
        Side S of the square that images are brought to, (height, width), or None for native.
        Larger image files are refused before they are decoded.
    """

    patches_: Any

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "image_size": ImagePreprocessor.PARAMETERS["resize"],
        "max_pixels": ImagePreprocessor.PARAMETERS["max_pixels"],
    }

    def __init__(self, image_size: ImageSize = (224, 224), *, max_pixels: int = MAX_PIXELS) -> None:
        self.image_size = image_size
        self.max_pixels = max_pixels

    def extract(self, images: Iterable[ImageInput]) -> NDArray[np.float32]:
        """One row of features per path or array: float32 (n, d), d as of a patch."""
        if not hasattr(self, "patches_"):
            raise NotFittedError(f"{type(self).__name__}: call fit before extract")
        given = check_images(images)
        preprocessor = self._preprocessor()
        rows = np.empty((len(given), self.patches_.n_features_out), dtype=np.float32)
        for row, image in zip(rows, given, strict=True):
            (grid,) = self.patches_.extract_batch([preprocessor.load(image).pixels])
            row[:] = pool(grid.array)
        return rows

    def describe(self) -> dict[str, Any]:
        """Parameters, ready for JSON."""
        if not hasattr(self, "patches_"):
            raise NotFittedError(f"{type(self).__name__}: call fit before describe")
        size = self.image_size
        return {
            "image_size": list(size) if isinstance(size, tuple) else size,
            "max_pixels": self.max_pixels,
            "patches": self.patches_.describe(),
        }

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Fitted arrays, by name."""
        if not hasattr(self, "patches_"):
            raise NotFittedError(f"{type(self).__name__}: call fit before get_state")
        state: dict[str, NDArray[Any]] = self.patches_.get_state()
        return state

    def _preprocessor(self) -> ImagePreprocessor:
        return ImagePreprocessor(
            resize=self.image_size, output_tensor=False, max_pixels=self.max_pixels
        )


class PooledFilterBank(PooledPatches):
    """The filter bank, pooled: parameters as of :class:`PooledPatches`."""

    patches_: FilterBank

    def fit(self, images: Iterable[ImageInput], *, random_state: int = 0) -> Self:
        """Learn the patch features' scale and axes from normal images, in one pass.

        Raises
        ------
        ImageReadError
            Names every unreadable file.
        """
        given = check_images(images)
        preprocessor = self._preprocessor()
        errors: list[ImageReadError] = []

        def readable() -> Iterator[NDArray[np.float32]]:
            for image in given:
                try:
                    pixels = preprocessor.load(image).pixels
                except ImageReadError as error:
                    errors.append(error)
                    continue
                yield pixels

        patches = FilterBank()
        try:
            patches.fit(readable(), random_state=random_state)
        finally:
            if errors:
                raise join_errors(errors, len(given))
        self.patches_ = patches
        return self

    def set_state(self, state: dict[str, NDArray[Any]], patches: FilterBank | None = None) -> None:
        """Restore what :meth:`get_state` gave; ``patches`` has the parameters if not default."""
        patches = FilterBank() if patches is None else patches
        patches.set_state(state)
        self.patches_ = patches


class PooledNetwork(PooledPatches):
    """The embedded network, pooled: parameters as of :class:`PooledPatches`."""

    patches_: LayerPatches

    def fit(self, images: Iterable[ImageInput]) -> Self:
        """Make the network ready; there is nothing to learn.

        Raises
        ------
        BackboneError
            The network that comes with the package is damaged.
        """
        from pyimgano.features.backbones.embedded.backbone import EmbeddedBackbone

        self.patches_ = LayerPatches(EmbeddedBackbone())
        return self


def pool(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """The largest absolute value of each feature over the grid (h, w, d): float32 (d,)."""
    largest: NDArray[np.float32] = np.abs(patches).max(axis=(0, 1))
    return largest
