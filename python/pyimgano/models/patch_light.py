"""The half of a patch detector that brings all images to the light of the training images."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError
from pyimgano.features import PatchExtractor
from pyimgano.images.light import Light
from pyimgano.images.preprocess import ImagePreprocessor
from pyimgano.models.collect import lights_of
from pyimgano.models.patch_region import PatchRegion
from pyimgano.models.training_reader import TrainingReader
from pyimgano.types import ImageInput
from pyimgano.utils.timing import StageTimer


class PatchLight(PatchRegion):
    """Knows the light that images are brought to, if ``light`` says that they are."""

    #: Of the training images, inside the region; None: images are seen as they were taken.
    light_: Light | None = None

    def to_state(self) -> Mapping[str, NDArray[Any]]:
        """Projection, region and light."""
        light = {} if self.light_ is None else self.light_.to_state()
        return {**super().to_state(), **light}

    @classmethod
    def from_state(cls, parameters: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> Self:
        """A detector with this projection, region and light."""
        detector = super().from_state(
            parameters, {name: array for name, array in state.items() if name != "light"}
        )
        if ("light" in state) != (detector.light is not None):
            raise InvalidInputError(f"light={detector.light!r} and {sorted(state)}")
        if "light" in state:
            detector.light_ = Light.from_state(state)
        return detector

    def _learn_light(
        self, images: Sequence[ImageInput], features: PatchExtractor, timer: StageTimer
    ) -> Light | None:
        """The light of those images that can be used; None if there is none to match."""
        if self.light is None:
            return None
        reader = TrainingReader(self._preprocessor, features, self.region_)
        how: Any = {"batch_size": self._images_at_once(), "n_jobs": self.n_jobs, "timer": timer}
        found = list(lights_of(reader, images, **how))
        return Light.typical(found) if found else None  # reading them says which and why

    def _in_light(self, preprocessor: ImagePreprocessor) -> ImagePreprocessor:
        """The preprocessor, of images in the light that was learnt."""
        if self.light_ is None:
            return preprocessor
        counted = None if self.region_ is None else self.region_.on_seen
        return preprocessor.in_light(self.light_, counted)
