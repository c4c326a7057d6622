"""Detectors of other packages are saved and loaded as ours are, by what their class offers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from pyimgano import load
from pyimgano.errors import DetectorFileError, InvalidInputError
from pyimgano.extend import COMMON, Number, Parameter, register_model
from pyimgano.models import PatchCore, PatchDetector
from pyimgano.models.base import PixelDetector
from pyimgano.postprocess import AnomalyMapPostprocess
from pyimgano.scorers.memory_bank import MemoryBankScorer
from pyimgano.types import ImageInput, Prediction
from tests.conftest import texture, with_blot

pytestmark = [
    pytest.mark.usefixtures("own_registries"),
    pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning"),
]
TRAIN = [texture(i, (32, 32)) for i in range(6)]
TEST = [texture(30, (32, 32)), with_blot(texture(31, (32, 32)), 8, 8, 8)]


class Golden(PixelDetector):
    """How far each pixel is from the mean image."""

    kind = "golden"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "contamination": COMMON["contamination"],
        "power": Number(1, 4),
    }

    def __init__(self, *, contamination: float = 0.1, power: float = 1.0) -> None:
        self.contamination = contamination
        self.power = power

    def _map(self, image: Any) -> NDArray[np.float32]:
        apart = np.abs(image.astype(np.float64) - self.mean_).mean(axis=2)
        return (apart**self.power).astype(np.float32)

    def _fit(self, images: Sequence[ImageInput]) -> None:
        self.mean_ = np.mean([np.asarray(image) for image in images], axis=0)
        self.decision_scores_ = np.array([float(self._map(one).max()) for one in images])
        self.set_threshold(float(self.decision_scores_.max()), source="the highest")

    def iter_predict(
        self, X: Iterable[ImageInput], *, with_maps: bool = True
    ) -> Iterator[Prediction]:
        self._check_fitted()
        for image in X:
            found = self._map(image)
            yield self._prediction(None, float(found.max()), found if with_maps else None, None)

    def to_state(self) -> Mapping[str, NDArray[Any]]:
        return {"mean": self.mean_}

    @classmethod
    def from_state(cls, parameters: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> Self:
        detector = cls(**parameters)
        detector.mean_ = state["mean"]
        if detector.mean_.ndim != 3:
            raise ValueError(f"a mean of shape {detector.mean_.shape}")
        return detector


def test_what_it_has_learnt_and_how_it_decides_are_in_the_file(tmp_path: Path) -> None:
    register_model("golden", Golden)
    detector = Golden(power=2.0).fit(TRAIN)
    detector.set_threshold(123.5, source="by hand, for a test")
    detector.set_postprocess(AnomalyMapPostprocess(gaussian_sigma=1.0))
    detector.set_params(power=3.0)  # takes effect at the next fit
    detector.save(tmp_path / "one.pyimgano")
    loaded: Any = load(tmp_path / "one.pyimgano")
    assert type(loaded) is Golden
    assert loaded.get_params() == {"contamination": 0.1, "power": 2.0}
    assert (loaded.threshold_, loaded.threshold_source_) == (123.5, "by hand, for a test")
    assert loaded.postprocess_ == AnomalyMapPostprocess(gaussian_sigma=1.0)
    np.testing.assert_array_equal(loaded.decision_scores_, detector.decision_scores_)
    assert not hasattr(loaded, "map_threshold_")  # it never had one
    detector.set_params(power=2.0)
    np.testing.assert_array_equal(
        loaded.get_anomaly_map(TEST[1]), detector.get_anomaly_map(TEST[1])
    )


class Highest(PatchCore):
    """PatchCore without the weights of its image score."""

    kind = "highest"

    def build_scorer(self) -> MemoryBankScorer:
        return MemoryBankScorer(n_neighbors=1, coreset_ratio=self.coreset_ratio)


class Short(PatchDetector):
    """With few of the parameters."""

    kind = "short"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        name: PatchDetector.PARAMETERS[name] for name in ("backbone", "image_size")
    }

    def __init__(self, *, backbone: str = "embedded", image_size: int = 32) -> None:
        super().__init__(backbone=backbone, image_size=image_size)


def test_a_patch_detector_of_others_goes_with_its_features_and_its_scorer(tmp_path: Path) -> None:
    register_model("highest", Highest)
    detector = Highest(coreset_ratio=0.5, backbone="embedded", image_size=32).fit(TRAIN)
    detector.save(tmp_path / "one.pyimgano")
    loaded: Any = load(tmp_path / "one.pyimgano")
    assert (type(loaded), loaded.coreset_ratio, loaded.image_size) == (Highest, 0.5, 32)
    assert loaded.scorer_.n_neighbors == 1
    expected = detector.decision_function(TEST)
    np.testing.assert_array_equal(loaded.decision_function(TEST), expected)


def test_a_patch_detector_without_parameters_that_its_extractor_needs_is_refused(
    tmp_path: Path,
) -> None:
    register_model("short", Short)
    with pytest.raises(InvalidInputError, match="its PARAMETERS lack 'batch_size', which Patch"):
        Short().fit(TRAIN).save(tmp_path / "one.pyimgano")


def test_a_kind_that_nobody_registered_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyimgano.models.catalogue import _STORABLE

    register_model("golden", Golden)
    Golden().fit(TRAIN).save(tmp_path / "one.pyimgano")
    known = {k: v for k, v in _STORABLE._entries.items() if k != "golden"}
    monkeypatch.setattr(_STORABLE, "_entries", known)
    with pytest.raises(DetectorFileError, match="one.pyimgano: unknown kind of detector 'golden'"):
        load(tmp_path / "one.pyimgano")
    with pytest.raises(InvalidInputError, match=r"call register_model\(NAME, Golden\)"):
        Golden().fit(TRAIN).save(tmp_path / "two.pyimgano")


def test_a_subclass_is_not_taken_for_its_class(tmp_path: Path) -> None:
    class Further(Golden):
        """Without a kind of its own."""

    register_model("golden", Golden)
    register_model("further", Further)
    with pytest.raises(InvalidInputError, match="Further is not registered as storable"):
        Further().fit(TRAIN).save(tmp_path / "one.pyimgano")


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (None, "it gives None as its state, not arrays by names"),
        ({"mean": [None]}, "it gives 'mean' as object"),
        ({"mean": np.zeros((2, 2))}, r"Lying.from_state fails with ValueError: a mean of shape"),
        ({"other": np.zeros(2)}, "Lying.from_state fails with KeyError: 'mean'"),
        ({"mean": np.full((2, 2, 3), np.nan)}, "tensor 'detector.mean' has values outside"),
        (ZeroDivisionError("none"), "Lying.to_state fails with ZeroDivisionError: none"),
    ],
)
def test_a_state_that_no_detector_can_be_made_of_is_not_written(
    state: Any, told: str, tmp_path: Path
) -> None:
    class Lying(Golden):
        kind = "lying"

        def to_state(self) -> Any:
            if isinstance(state, Exception):
                raise state
            return state

    register_model("lying", Lying)
    with pytest.raises(InvalidInputError, match=f"^Lying cannot be stored: {told}"):
        Lying().fit(TRAIN).save(tmp_path / "one.pyimgano")
    assert not (tmp_path / "one.pyimgano").exists()


def test_what_could_not_be_loaded_is_refused_where_it_is_registered() -> None:
    class Undeclared(Golden):
        kind = "undeclared"

        def __init__(self, *, power: float = 1.0, further: int = 0) -> None:
            super().__init__(power=power)

    class Taken(Golden):
        kind = "patchcore"

    with pytest.raises(InvalidInputError, match="Undeclared: its PARAMETERS lack 'further'"):
        register_model("undeclared", Undeclared)
    with pytest.raises(InvalidInputError, match="kind of detector 'patchcore' is registered"):
        register_model("mine", Taken)


def test_a_single_number_keeps_its_shape(tmp_path: Path) -> None:
    class Level(Golden):
        kind = "level"

        def to_state(self) -> Mapping[str, NDArray[Any]]:
            return {"mean": self.mean_, "level": np.array(2.5)}

        @classmethod
        def from_state(cls, parameters: Mapping[str, Any], state: Mapping[str, Any]) -> Self:
            detector = super().from_state(parameters, state)
            detector.level_ = state["level"]
            return detector

        level_: NDArray[Any]

    register_model("level", Level)
    Level().fit(TRAIN).save(tmp_path / "one.pyimgano")
    level = load(tmp_path / "one.pyimgano").level_
    assert (level.shape, float(level)) == ((), 2.5)


def test_a_class_that_restores_nothing_is_named_when_it_is_saved(tmp_path: Path) -> None:
    class Forgetful(Golden):
        kind = "forgetful"

        @classmethod
        def from_state(cls, parameters: Mapping[str, Any], state: Mapping[str, Any]) -> Self:
            return cast("Self", None)

    register_model("forgetful", Forgetful)
    with pytest.raises(InvalidInputError, match=r"Forgetful\.from_state gives a NoneType"):
        Forgetful().fit(TRAIN).save(tmp_path / "one.pyimgano")
    assert not (tmp_path / "one.pyimgano").exists()
