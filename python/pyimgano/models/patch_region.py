"""The half of a patch detector that leaves out what lies outside a region of interest."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import ImageReadError, InvalidInputError, RegionWarning
from pyimgano.images.geometry import Geometry, Size, resize_image, size_within
from pyimgano.images.pixels import as_floats
from pyimgano.images.preprocess import ImagePreprocessor
from pyimgano.images.reading import first_size
from pyimgano.images.region import RegionOfInterest
from pyimgano.images.region_auto import varying_region
from pyimgano.images.region_files import (
    AUTO,
    Drawn,
    check_is_no_image,
    draw_region,
    read_area,
)
from pyimgano.models.collect import Collected
from pyimgano.models.patch_features import PatchFeatures
from pyimgano.types import ImageInput

#: Side that images are brought to where the region is found from them.
_SIDE = 256


class PatchRegion(PatchFeatures):
    """Knows which patches and pixels count: all of them, or those of ``roi`` without ``ignore``."""

    roi: Any
    ignore: Any

    def validate(self) -> None:
        """Check the parameters, the files that they name included, without images."""
        super().validate()
        self._drawn()

    def to_state(self) -> Mapping[str, NDArray[Any]]:
        """The projection and the region."""
        region = {} if self.region_ is None else self.region_.to_state()
        return {**super().to_state(), **region}

    @classmethod
    def from_state(cls, parameters: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> Self:
        """A detector with this projection and region; ``roi`` is then the mask that was learnt."""
        ours = {name: state[name] for name in ("roi", "roi_size") if name in state}
        rest = {name: array for name, array in state.items() if name not in ours}
        detector = super().from_state(parameters, rest)
        if len(ours) == 1:
            raise InvalidInputError(f"a region's {min(ours)} alone is none")
        if ours:
            detector.region_ = RegionOfInterest.from_state(ours)
            detector.roi = detector.region_.mask
        return detector

    def check_params(self) -> None:
        """Check the parameters, the rule of the image score among them."""
        super().check_params()
        if self.foreground is None:
            return
        rule = getattr(self.build_scorer(), "image_score", None)
        if rule is None:
            raise InvalidInputError("foreground needs a scorer that has an image_score")
        if rule == "reweighted":
            raise InvalidInputError(
                "foreground leaves patches out of the image's score, which re-weighting does not:"
                " set image_score to max, or the largest share"
            )

    def _check_foreground(self, collected: Collected) -> None:
        """Warn of training images in which no patch stands out."""
        n, whole = len(collected.kept), collected.n_whole
        if self.foreground is not None and whole:
            warnings.warn(
                f"foreground={self.foreground!r} finds no part in {whole} of {n} good images:"
                " such images are scored whole",
                RegionWarning,
                stacklevel=5,
            )

    def _drawn(self) -> tuple[Drawn | None, Drawn | None]:
        """``roi`` and ``ignore`` as they were drawn; None for what is not."""
        by_hand = None if isinstance(self.roi, str) and self.roi == AUTO else self.roi
        roi, ignore = (
            None if given is None else read_area(name, given)
            for name, given in (("roi", by_hand), ("ignore", self.ignore))
        )
        return roi, ignore

    def _share_drawn(self, images: Sequence[ImageInput]) -> float:
        """The share of an image that was drawn to count; all of it where that is to be found."""
        size = first_size(images)
        if size is None or (self.roi is None and self.ignore is None):
            return 1.0
        return draw_region(*self._drawn(), size).share

    def _learn_region(
        self, images: Sequence[ImageInput], preprocessor: ImagePreprocessor
    ) -> RegionOfInterest | None:
        """The region at the size of the first image that can be read; None if there is none."""
        if self.roi is None and self.ignore is None:
            return None
        for name in ("roi", "ignore"):
            check_is_no_image(name, getattr(self, name), images)
        roi, ignore = self._drawn()
        size = first_size(images)
        if size is None:  # then reading them says which and why
            return None
        if isinstance(self.roi, str) and self.roi == AUTO:
            found = varying_region(_small(images, size, preprocessor))
            if found is None:
                warnings.warn(
                    'roi="auto" finds no part of the good images that stays the same: the whole'
                    " image counts",
                    RegionWarning,
                    stacklevel=5,
                )
                if ignore is None:
                    return None
            else:
                roi = resize_image(found.astype(np.uint8) * 255, size) >= 128
        return draw_region(roi, ignore, size)

    def _at_source(self, at_input: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
        """A map of what the network sees, on the source image; 0 outside the region."""
        found = geometry.to_source(at_input)
        if self.region_ is not None:
            found[~self.region_.at(geometry.source)] = 0.0
        return found

    def _counted(self, at_input: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
        """Those values of a map of what the network sees that count."""
        region = self.region_
        return at_input if region is None else at_input[region.on_seen(geometry)]


def _small(
    images: Iterable[ImageInput], size: Size, preprocessor: ImagePreprocessor
) -> Iterator[NDArray[np.float32]]:
    """Those images that can be read, brought to one small size."""
    small = size_within(size, (_SIDE, _SIDE))
    for image in images:
        try:
            _, array = preprocessor.read(image)
        except (ImageReadError, InvalidInputError):
            continue
        yield as_floats(resize_image(array, small), preprocessor.bit_depth)
