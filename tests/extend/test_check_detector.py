"""Every detector that needs no weights keeps what scikit-learn's tools and users rely on."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from pyimgano import create_model, list_models, model_info
from pyimgano.errors import CheckFailedError
from pyimgano.extend import COMMON, EXPECTED_FAILURES, Count, Parameter, check_detector
from pyimgano.features.patches.pooled import PooledFilterBank
from pyimgano.images.preprocess import ImagePreprocessor, check_images
from pyimgano.models import PatchCore
from pyimgano.models.base import Detector
from pyimgano.types import ImageInput, Prediction

#: Other tests register detectors of their own. anomalib's need weights, or a training that takes
#: minutes; one has two names.
REGISTERED = [
    name
    for name in list_models()
    if not name.startswith("test_")
    and name != "vision_patchcore"
    and "anomalib" not in model_info(name)["tags"]
]
#: What a detector refuses by name, for it could tell nothing from those images.
REFUSED = {
    "vision_loda": {
        "check_classifier_data_not_an_array": "its histograms of twelve images have one bin each",
        "check_fit2d_1feature": "its histograms of ten images have one bin each",
    }
}
#: Fewer trees are quicker; eight numbers of which most are equal are too few for the others.
GIVEN: dict[str, dict[str, Any]] = {
    "patchcore": {"coreset_ratio": 0.25},
    "padim": {"n_features": 8},
    "anomalydino": {"coreset_ratio": 0.25},
    "superadd": {"coreset_ratio": 0.25},
    "subspacead": {"variance": 0.9},
    "vision_iforest": {"n_estimators": 10},
    "vision_loda": {"feature_extractor": PooledFilterBank(16)},
    "vision_pca": {"feature_extractor": PooledFilterBank(16)},
}


class Columns:
    """The brightness of eight vertical stripes: quick."""

    def extract(self, images: Sequence[ImageInput]) -> np.ndarray:
        load = ImagePreprocessor((1, 8)).load
        return np.array([load(image).pixels[0, :, 0] for image in images], dtype=np.float32)


def build(name: str) -> Detector:
    if "core" in model_info(name)["tags"]:
        given: dict[str, Any] = {"backbone": "embedded", "image_size": 16, **GIVEN.get(name, {})}
    else:
        pytest.importorskip("pyod", reason="needs the extra pyod")
        given = {"feature_extractor": Columns(), **GIVEN.get(name, {})}
    detector: Detector = create_model(name, **given)
    return detector


@pytest.mark.slow
@pytest.mark.parametrize("name", REGISTERED)
def test_the_registrys_detectors_pass(name: str) -> None:
    check_detector(build(name), expected_failures=REFUSED.get(name))


def test_the_second_name_of_patchcore_stands_for_the_same() -> None:
    one, other = create_model("patchcore"), create_model("vision_patchcore")
    assert type(one) is type(other)
    assert one.get_params() == other.get_params()


def test_every_expected_failure_has_a_reason() -> None:
    reasons = [*EXPECTED_FAILURES.values(), *(r for one in REFUSED.values() for r in one.values())]
    assert all(len(reason) > 20 for reason in reasons)


def test_the_detector_is_not_changed() -> None:
    detector = build("vision_knn")
    before = dict(vars(detector))
    check_detector(detector)
    assert vars(detector) == before


class Fixed(Detector):
    """Scores by brightness, all in one: to be broken."""

    PARAMETERS: ClassVar[dict[str, Parameter]] = {"random_state": COMMON["random_state"]}

    def __init__(self, *, random_state: int = 0) -> None:
        self.random_state = random_state

    def _fit(self, images: Sequence[ImageInput]) -> None:
        self.decision_scores_ = np.array(self.scores(images))
        self.set_threshold(self.decision_scores_.max(), source="the brightest")

    def scores(self, images: Sequence[ImageInput]) -> list[float]:
        load = ImagePreprocessor(4).load
        return [float(load(image).pixels.mean()) for image in images]

    def iter_predict(self, X: Any, *, with_maps: bool = True) -> Iterator[Prediction]:
        self._check_fitted()
        for image in check_images(X):
            (score,) = self.scores([image])
            yield Prediction(None, score, int(score > self.threshold_), None)


class Relative(Fixed):
    def iter_predict(self, X: Any, *, with_maps: bool = True) -> Iterator[Prediction]:
        found = list(super().iter_predict(X))
        mean = np.mean([one.score for one in found])
        yield from (Prediction(None, one.score - float(mean), 0, None) for one in found)


class Locked(Fixed):
    def _fit(self, images: Sequence[ImageInput]) -> None:
        super()._fit(images)
        self.lock_ = threading.Lock()


class Untold(Fixed):
    def iter_predict(self, X: Any, *, with_maps: bool = True) -> Iterator[Prediction]:
        return super().iter_predict([X] if isinstance(X, str) else X)


class Hasty(Fixed):
    def fit(self, X: Any, y: Any = None) -> Hasty:
        self.threshold_source_ = ""
        self._fit(list(X))
        return self


class Forgetful(Fixed):
    def __init__(self, *, random_state: int = 0, n_bins: int = 8) -> None:
        super().__init__(random_state=random_state)
        self.n_bins = n_bins


class Outdated(Fixed):
    PARAMETERS: ClassVar[dict[str, Parameter]] = {**Fixed.PARAMETERS, "n_bins": Count()}


def test_a_detector_of_ones_own_passes() -> None:
    check_detector(Fixed())


@pytest.mark.parametrize(
    ("cls", "named"),
    [
        (Relative, "check_scores_keep_the_order.*depends on the others in the call"),
        (Locked, "check_copies_score_alike.*cannot pickle"),
        (Untold, "check_errors_say_what_to_pass.*cannot read image"),
        (Hasty, "check_a_failed_fit_changes_nothing"),
        (Forgetful, "check_every_parameter_is_declared.*its PARAMETERS lack 'n_bins'"),
        (Outdated, "check_every_parameter_is_declared.*its constructor lacks 'n_bins'"),
    ],
)
def test_what_is_broken_is_named(cls: type[Fixed], named: str) -> None:
    with pytest.raises(CheckFailedError, match=f"{cls.__name__} fails .*{named}"):
        check_detector(cls())


def test_a_failure_that_is_expected_passes() -> None:
    with pytest.raises(CheckFailedError) as caught:
        check_detector(Untold())
    names = re.findall(r"(check_\w+):", str(caught.value))
    check_detector(Untold(), expected_failures=dict.fromkeys(names, "shown here"))


def test_what_is_no_detector_is_said_at_once() -> None:
    with pytest.raises(CheckFailedError, match="^5 is no detector: it lacks fit, iter_predict, "):
        check_detector(5)
    with pytest.raises(CheckFailedError, match="PatchCore'> is no detector: it is a class$"):
        check_detector(PatchCore)
