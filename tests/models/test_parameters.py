"""Every constructor parameter of every detector: a wrong value is an error that names it."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest

from pyimgano import create_model, list_models
from pyimgano.benchmark import AlgorithmBenchmark
from pyimgano.errors import InvalidInputError, PyimganoError
from pyimgano.features.patches.filter_bank import FilterBank
from pyimgano.features.patches.pooled import PooledFilterBank
from pyimgano.images.preprocess import ImagePreprocessor
from pyimgano.models.anomalib_backend import AnomalibDetector
from pyimgano.models.anomalydino import AnomalyDINO
from pyimgano.models.classical import ClassicalDetector
from pyimgano.models.mutual import MutualScoring
from pyimgano.models.padim import PaDiM
from pyimgano.models.patchcore import PatchCore
from pyimgano.models.subspacead import SubspaceAD
from pyimgano.models.superadd import SuperADD
from pyimgano.postprocess import AnomalyMapPostprocess
from pyimgano.scorers.memory_bank import MemoryBankScorer
from pyimgano.utils.params import ParamsMixin, check_declaration
from tests.conftest import texture

ON_PATCHES = (PatchCore, PaDiM, SubspaceAD, AnomalyDINO, SuperADD, MutualScoring)
CLASSES = (*ON_PATCHES, ClassicalDetector, AnomalibDetector)
#: What can be none of a kind's values; None, where it can be one, is not among them.
ODD: list[Any] = [object(), 1j, {}, [], float("nan"), math.inf, -math.inf, -1, 10**30, b"x"]


def parameters() -> list[Any]:
    return [
        pytest.param(cls, name, id=f"{cls.__name__}-{name}")
        for cls in CLASSES
        for name, p in inspect.signature(cls.__init__).parameters.items()
        if name != "self" and p.kind is not p.VAR_KEYWORD
    ]


@pytest.mark.parametrize(("cls", "name"), parameters())
def test_a_value_that_cannot_be_is_an_error_that_names_the_parameter(cls: type, name: str) -> None:
    for value in (one for one in ODD if (name, one) != ("n_jobs", -1)):
        detector = cls(**{name: value})  # set as it is: `clone` needs that
        with pytest.raises(PyimganoError, match=name) as caught:
            detector.fit([texture(0, (16, 16))])
        assert isinstance(caught.value, (ValueError, TypeError))
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "cls", [FilterBank, PooledFilterBank, AlgorithmBenchmark, MemoryBankScorer]
)
def test_other_classes_declare_theirs_too(cls: type[ParamsMixin]) -> None:
    check_declaration(cls)
    cls().check_params()


def test_post_processing_declares_its_own() -> None:
    check_declaration(AnomalyMapPostprocess)


@pytest.mark.parametrize("name", [n for n in list_models() if not n.startswith("test_")])
def test_every_model_declares_its_parameters_and_takes_its_own_defaults(name: str) -> None:
    detector = create_model(name)
    check_declaration(type(detector))
    detector.check_params()


@pytest.mark.parametrize("value", ["auto", "x", None, math.nan, math.inf, 0, 1, -0.1, 10**400])
def test_a_contamination_that_is_none_is_told_by_every_kind_of_detector(value: Any) -> None:
    for name in ("patchcore", "vision_ecod", "vision_padim_anomalib"):
        with pytest.raises(InvalidInputError, match="contamination must be above 0 and below 1"):
            create_model(name, contamination=value).fit([texture(0, (16, 16))])


def test_numpy_numbers_are_numbers() -> None:
    given: dict[str, Any] = {
        "contamination": np.float32(0.25),
        "image_size": np.array([16, 24]),
        "random_state": np.int64(3),
        "verbose": np.False_,
        "gaussian_sigma": np.int32(2),
        "batch_size": np.uint8(4),
    }
    detector = PatchCore(backbone="embedded", **given)
    detector.fit([texture(i, (16, 24)) for i in range(4)])
    assert detector.get_anomaly_map(texture(0, (16, 24))).shape == (16, 24)


@pytest.mark.parametrize("value", ODD)
def test_a_parameter_of_pyod_that_cannot_be_names_the_detector_and_the_value(value: Any) -> None:
    pytest.importorskip("pyod", reason="needs the extra pyod")
    images = [texture(i, (16, 16)) for i in range(6)]
    detector = create_model("vision_knn", feature_extractor=Means(), n_neighbors=value)
    with pytest.raises(InvalidInputError, match=r"KNN cannot learn .*n_neighbors="):
        detector.fit(images)


class Means:
    def extract(self, images: list[np.ndarray]) -> np.ndarray:
        return np.array([image.mean(axis=(0, 1)) for image in images], dtype=np.float32)


@pytest.mark.parametrize("name", inspect.signature(FilterBank).parameters)
@pytest.mark.parametrize("value", ["x", math.nan, math.inf, -1, 10**30, None])
def test_the_embedded_features_name_it(name: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=name):
        FilterBank(**{name: value}).fit([np.zeros((16, 16, 3), np.float32)])


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (PooledFilterBank, "image_size"),
        (PooledFilterBank, "max_pixels"),
        (ImagePreprocessor, "resize"),
        (ImagePreprocessor, "center_crop"),
        (ImagePreprocessor, "bit_depth"),
        (ImagePreprocessor, "max_pixels"),
    ],
)
@pytest.mark.parametrize("value", ["x", math.nan, math.inf, -1, 10**30])
def test_the_readers_of_images_name_it(build: Any, name: str, value: Any) -> None:
    named = "resize" if build is PooledFilterBank and name == "image_size" else name
    with pytest.raises(InvalidInputError, match=named):
        build(**{name: value}).fit([texture(0, (16, 16))])


@pytest.mark.parametrize(
    ("model", "given", "told"),
    [
        (
            "superadd",
            "coreset_block",
            r"'superadd' has no parameter 'coreset_block'; patchcore can",
        ),
        (
            "padim",
            "coreset_ratio",
            r"'coreset_ratio'; patchcore, anomalydino, superadd can take it",
        ),
        ("vision_patchcore", "layer", r"'vision_patchcore' has no .* 'layer'; it has .*layers, "),
    ],
)
def test_a_parameter_that_a_model_has_not_is_told_with_those_that_have_it(
    model: str, given: str, told: str
) -> None:
    with pytest.raises(InvalidInputError, match=told):
        create_model(model, **{given: 3})
