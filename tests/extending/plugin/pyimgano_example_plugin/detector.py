"""A detector of whole images with a parameter of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pyimgano import register_model
from pyimgano.extend import COMMON, Choice, Count, Parameter
from pyimgano.images.preprocess import ImagePreprocessor, each_image
from pyimgano.models.base import Detector
from pyimgano.types import ImageInput, Prediction


class Extremes(Detector):
    """Scores an image by its brightest or darkest pixel, less what is usual on good images."""

    kind = "extremes"  # what detector files call it
    PARAMETERS: ClassVar[dict[str, Parameter]] = {
        **COMMON,
        "side": Count(8, 1024, metavar="S", help="side that images are brought to"),
        "end": Choice("bright", "dark", help="which pixels count"),
    }

    def __init__(
        self,
        *,
        contamination: float = 0.1,
        batch_size: int = 8,
        random_state: int = 0,
        on_bad_image: str = "raise",
        verbose: bool = False,
        side: int = 64,
        end: str = "bright",
    ) -> None:
        self.contamination = contamination
        self.batch_size = batch_size
        self.random_state = random_state
        self.on_bad_image = on_bad_image
        self.verbose = verbose
        self.side = side
        self.end = end

    def _extreme(self, image: ImageInput) -> float:
        grey = ImagePreprocessor(self.side).load(image).pixels.mean(axis=2)
        return float(grey.max() if self.end == "bright" else 1 - grey.min())

    def _fit(self, images: Sequence[ImageInput]) -> None:
        extremes = np.array([self._extreme(image) for image in images])
        self.usual_ = float(extremes.mean())
        self.decision_scores_ = extremes - self.usual_
        highest = float(np.quantile(self.decision_scores_, 1 - self.contamination))
        self.set_threshold(highest, source="scores of the training images")

    def iter_predict(
        self, X: Iterable[ImageInput], *, with_maps: bool = True
    ) -> Iterator[Prediction]:
        """Predictions one by one."""
        self._check_fitted()
        for image in each_image(X):
            path = None if isinstance(image, np.ndarray) else str(image)
            score = self._extreme(image) - self.usual_
            yield Prediction(path, score, int(score > self.threshold_), None)

    def to_state(self) -> dict[str, NDArray[np.float64]]:
        """What files hold beside the parameters, the threshold and the training scores."""
        return {"usual": np.array([self.usual_])}

    @classmethod
    def from_state(cls, parameters: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> Self:
        detector = cls(**parameters)
        (detector.usual_,) = state["usual"].tolist()
        return detector


def register() -> None:
    """What the entry point calls."""
    register_model("extremes", Extremes, summary="The brightest or darkest pixel")
