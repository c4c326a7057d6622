"""A fit that fails leaves every kind of detector, and what the user gave it, as they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pyimgano import create_model
from pyimgano.errors import ImageReadError, InvalidInputError, NotFittedError, ThresholdWarning
from pyimgano.features.patches.pooled import PooledFilterBank
from pyimgano.images.preprocess import ImagePreprocessor
from pyimgano.models.base import Detector
from pyimgano.models.classical import ClassicalDetector
from tests.conftest import texture

IMAGES = [texture(i, (16, 24)) for i in range(6)]
OTHERS = [texture(i, (16, 24)) for i in range(20, 26)]

pytestmark = pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")


class Scaled:
    """Means of the colours, divided by what was learnt; ``seed`` is what ``fit`` got."""

    def __init__(self, power: float = 1.0) -> None:
        self.power = power

    def fit(self, images: list[np.ndarray], *, random_state: int = -1) -> Scaled:
        self.seed = random_state
        self.scale = float(np.mean([means(image) for image in images])) ** self.power
        return self

    def extract(self, images: list[np.ndarray]) -> np.ndarray:
        return np.array([means(image) / self.scale for image in images], dtype=np.float32)


def means(image: Any) -> np.ndarray:
    return ImagePreprocessor(None).load(image).pixels.mean(axis=(0, 1))


def patchcore() -> Detector:
    detector: Detector = create_model("patchcore", backbone="embedded", image_size=16)
    return detector


def classical() -> Detector:
    pytest.importorskip("pyod", reason="needs the extra pyod")
    detector: Detector = create_model("vision_knn", feature_extractor=Scaled())
    return detector


def anomalib() -> Detector:
    pytest.importorskip("anomalib", reason="needs the extra anomalib")
    detector: Detector = create_model(
        "vision_padim_anomalib", backbone="resnet18", pretrained=False, image_size=32, folds=0
    )
    return detector


KINDS: dict[str, tuple[Callable[[], Detector], str]] = {
    "patchcore": (patchcore, "pyimgano.models.patchcore.PatchCore.set_threshold"),
    "classical": (classical, "pyimgano.models.classical.ClassicalDetector.set_threshold"),
    "anomalib": (anomalib, "pyimgano.models.anomalib_backend.AnomalibDetector.set_threshold"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, InvalidInputError])
def test_a_new_detector_stays_unfitted(
    kind: str, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    build, step = KINDS[kind]
    detector = build()
    before = dict(vars(detector))
    stop_at(monkeypatch, step, error)
    with pytest.raises(error):
        detector.fit(IMAGES)
    assert vars(detector) == before
    with pytest.raises(NotFittedError):
        detector.predict(IMAGES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fitted_one_goes_on_as_before(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    build, step = KINDS[kind]
    detector = build().fit(IMAGES)
    scores = detector.decision_function(OTHERS)
    before = dict(vars(detector))
    stop_at(monkeypatch, step, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        detector.fit(OTHERS)
    monkeypatch.undo()
    with pytest.raises(ImageReadError):
        detector.fit([*OTHERS, "no such file.png"])
    with pytest.raises(InvalidInputError, match="normal images only"):
        detector.fit(OTHERS, [1] * len(OTHERS))
    assert vars(detector).keys() == before.keys()
    assert all(vars(detector)[name] is value for name, value in before.items())
    np.testing.assert_array_equal(detector.decision_function(OTHERS), scores)


def stop_at(monkeypatch: pytest.MonkeyPatch, step: str, error: type[BaseException]) -> None:
    """Have the last step of a fit raise, when all else was learnt."""

    def stopped(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(step, stopped)


@pytest.mark.parametrize("kind", KINDS)
def test_warnings_of_the_threshold_point_at_the_call_of_fit(kind: str) -> None:
    detector = KINDS[kind][0]()
    with pytest.warns(ThresholdWarning) as caught:
        detector.fit(IMAGES)
    assert {warning.filename for warning in caught} == {__file__}


def test_two_detectors_that_share_an_extractor_do_not_change_each_other() -> None:
    extractor = Scaled()
    first = ClassicalDetector("knn", feature_extractor=extractor).fit(IMAGES)
    expected = first.decision_function(OTHERS)
    bright = [np.minimum(image.astype(int) + 90, 255).astype(np.uint8) for image in IMAGES]
    ClassicalDetector("knn", feature_extractor=extractor).fit(bright)
    np.testing.assert_array_equal(first.decision_function(OTHERS), expected)
    assert vars(extractor) == {"power": 1.0}
    assert first.feature_extractor is extractor
    assert first.features_ is not extractor


def test_the_packages_own_extractor_is_left_alone_too() -> None:
    extractor = PooledFilterBank(16)
    detector = ClassicalDetector("knn", feature_extractor=extractor).fit(IMAGES)
    assert not hasattr(extractor, "patches_")
    assert detector.features_.image_size == 16


def test_an_extractor_that_learns_nothing_is_used_as_it_is() -> None:
    class Large:
        def extract(self, images: list[np.ndarray]) -> np.ndarray:
            return np.array([image.mean(axis=(0, 1)) for image in images], dtype=np.float32)

        def __deepcopy__(self, memo: Any) -> Large:
            raise AssertionError("copied for nothing")

    extractor = Large()
    detector = ClassicalDetector("knn", feature_extractor=extractor).fit(IMAGES)
    assert detector.features_ is extractor


def test_an_extractor_that_learns_and_cannot_be_copied_is_an_error() -> None:
    class Locked(Scaled):
        def __deepcopy__(self, memo: Any) -> Locked:
            raise TypeError("it holds a camera")

    with pytest.raises(InvalidInputError, match="feature_extractor Locked .* holds a camera"):
        ClassicalDetector("knn", feature_extractor=Locked()).fit(IMAGES)


def test_the_seed_reaches_the_extractor() -> None:
    detector = ClassicalDetector("knn", feature_extractor=Scaled(), random_state=7).fit(IMAGES)
    assert detector.features_.seed == 7


def test_the_seed_reaches_the_filter_bank(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []
    original = PooledFilterBank.fit

    def watched(self: Any, images: Any, *, random_state: int = 0) -> Any:
        seeds.append(random_state)
        return original(self, images, random_state=random_state)

    monkeypatch.setattr(PooledFilterBank, "fit", watched)
    own = PooledFilterBank(16)
    ClassicalDetector("knn", random_state=5, feature_extractor=own).fit(IMAGES)
    assert seeds == [5]
