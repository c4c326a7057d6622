from __future__ import annotations

import builtins
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from pyimgano.errors import (
    ImageReadError,
    InvalidInputError,
    NotFittedError,
    PyimganoError,
    ThresholdWarning,
    UnknownNameError,
)
from pyimgano.features.patches.pooled import PooledFilterBank
from pyimgano.models import create_model, list_models, model_info
from pyimgano.models.classical import ClassicalDetector
from pyimgano.models.pyod_catalogue import DETECTORS
from pyimgano.models.pyod_estimator import RowDetector
from tests.conftest import texture, with_blot, write_image

NAMES = [model_info(name)["name"] for name in list_models("classical")]


class Means:
    """Three numbers per array, quick: the mean of each colour."""

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift

    def extract(self, images: list[np.ndarray]) -> np.ndarray:
        rows = [np.asarray(i).mean(axis=(0, 1)) + self.shift for i in images]
        return np.array(rows, dtype=np.float32)


def flat(value: float, noise: int) -> np.ndarray:
    rng = np.random.default_rng(noise)
    return np.clip(rng.normal(value, 6, (12, 12, 3)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def normal() -> list[np.ndarray]:
    return [flat(100, i) for i in range(24)]


@pytest.fixture(scope="module", autouse=True)
def _pyod() -> None:
    pytest.importorskip("pyod", reason="needs the extra pyod")


def test_the_names_that_users_expect_are_there() -> None:
    wanted = ["ecod", "copod", "knn", "pca", "iforest", "lof", "ocsvm", "hbos", "mcd", "loda"]
    assert {f"vision_{name}" for name in wanted} <= set(NAMES)
    assert model_info("vision_ecod")["extra"] == "pyod"


# PyOD's LODA counts what lies beyond the training range as an edge bin, which may be a full one.
@pytest.mark.parametrize("name", [n for n in NAMES if n != "vision_loda"])
def test_every_detector_ranks_what_is_far_above_what_is_near(
    name: str, normal: list[np.ndarray]
) -> None:
    detector = create_model(name, feature_extractor=Means()).fit(normal)
    test = [flat(100, 90), flat(100, 91), flat(100, 92), flat(160, 93), flat(40, 94)]
    scores = detector.decision_function(test)
    assert (scores.dtype, scores.shape) == (np.float64, (5,))
    assert np.median(scores[:3]) < scores[3:].min()
    labels = detector.predict(test)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, scores > detector.threshold_)
    np.testing.assert_array_equal(detector.labels_, detector.decision_scores_ > detector.threshold_)


@pytest.mark.parametrize("name", NAMES)
def test_an_images_score_does_not_depend_on_the_others_in_the_call(
    name: str, normal: list[np.ndarray]
) -> None:
    detector = create_model(name, feature_extractor=Means()).fit(normal)
    test = [flat(100, 90), flat(160, 93), flat(40, 94)]
    alone = [detector.decision_function([image])[0] for image in test]
    np.testing.assert_array_equal(alone, detector.decision_function(test))
    predictions = list(detector.iter_predict(test))
    assert [p.score for p in predictions] == alone
    assert all(p.anomaly_map is None and p.path is None for p in predictions)


@pytest.mark.parametrize("name", NAMES)
def test_fit_is_reproducible_and_leaves_the_global_generator_alone(
    name: str, normal: list[np.ndarray]
) -> None:
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    runs = []
    for _ in range(2):
        np.random.seed(len(runs))  # noqa: NPY002
        state = np.random.get_state()[1].tolist()  # noqa: NPY002
        detector = create_model(name, feature_extractor=Means(), random_state=3).fit(normal)
        assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
        runs.append(detector.decision_function([flat(120, 1)])[0])
    assert runs[0] == runs[1]
    assert len(before) == 624


def test_the_plain_call_works_on_arrays_and_on_paths(tmp_path: Path) -> None:
    arrays = [texture(i) for i in range(10)]
    paths = [write_image(tmp_path / f"{i}.png", a) for i, a in enumerate(arrays)]
    by_array = create_model("vision_ecod", contamination=0.1).fit(arrays)
    by_path = create_model("vision_ecod", contamination=0.1).fit(paths)
    scores = by_array.decision_function([*arrays[:3], with_blot(texture(40))])
    assert scores.shape == (4,)
    assert scores[3] > scores[:3].max()
    np.testing.assert_array_equal(scores[:3], by_path.decision_function(paths[:3]))
    assert [p.path for p in by_path.iter_predict(paths[:2])] == paths[:2]


def test_knn_scores_are_the_distances_to_the_fifth_neighbour(normal: list[np.ndarray]) -> None:
    detector = create_model("vision_knn", feature_extractor=Means(), standardize=False).fit(normal)
    test = [flat(100, 90), flat(150, 91)]
    bank, rows = Means().extract(normal), Means().extract(test)
    distances = np.sort(np.linalg.norm(rows[:, None].astype(float) - bank[None], axis=-1), axis=1)
    np.testing.assert_allclose(detector.decision_function(test), distances[:, 4], rtol=1e-6)


def test_training_scores_are_held_out(normal: list[np.ndarray]) -> None:
    # An odd one among the training images is its own cover when it is scored with itself.
    images = [*normal, flat(180, 500)]
    params = {"feature_extractor": Means(), "n_neighbors": 1}
    detector = create_model("vision_knn", **params).fit(images)
    assert "held out in 5 refits" in detector.threshold_source_
    assert (detector.false_positive_rate_.n, detector.false_positive_rate_.target) == (25, 0.1)
    assert detector.decision_scores_.argmax() == len(normal)
    assert detector.decision_scores_.min() > 0
    assert detector.labels_[-1] == 1
    ranks = np.sort(detector.decision_scores_)
    assert detector.threshold_ == ranks[int(np.ceil(26 * 0.9)) - 1]


def test_false_alarms_on_further_normal_images_stay_near_the_contamination() -> None:
    alarms = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(60, 8)).astype(np.float32)
        further = rng.normal(size=(200, 8)).astype(np.float32)
        extractor = _Rows()
        detector = create_model("vision_knn", feature_extractor=extractor, contamination=0.1)
        alarms.append(detector.fit(_as_images(rows)).predict(_as_images(further)).mean())
    assert 0.05 < np.mean(alarms) < 0.14


class _Rows:
    def extract(self, images: list[np.ndarray]) -> np.ndarray:
        return np.stack([np.asarray(i).reshape(-1) for i in images]).astype(np.float32)


def _as_images(rows: np.ndarray) -> list[np.ndarray]:
    return list(rows[:, None, :])


def test_too_few_images_to_hold_any_out_is_said() -> None:
    detector = create_model("vision_ecod", feature_extractor=Means())
    with pytest.warns(ThresholdWarning):
        detector.fit([flat(100, 0)])
    assert detector.threshold_ == np.inf


def test_parameters_reach_pyod_and_scikit_learns_protocol_works(normal: list[np.ndarray]) -> None:
    detector = create_model("vision_knn", n_neighbors=2, feature_extractor=Means(1.0))
    assert detector.get_params()["n_neighbors"] == 2
    twin = clone(detector)
    assert twin is not detector
    assert twin.get_params()["n_neighbors"] == 2
    assert twin.get_params()["detector"] == "knn"
    assert "n_neighbors=2" in repr(twin)
    assert repr(ClassicalDetector(method="mean")) == "ClassicalDetector(method='mean')"
    twin.set_params(n_neighbors=1, contamination=0.2)
    assert twin.get_params()["n_neighbors"] == 1
    assert detector.get_params()["n_neighbors"] == 2
    far = [flat(180, 7)]
    assert twin.fit(normal).decision_function(far) < detector.fit(normal).decision_function(far)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"neighbours": 3}, "KNN has no parameter 'neighbours'; it has n_neighbors"),
        ({"batch_size": 0}, "batch_size"),
        ({"max_dims": 0}, "max_dims"),
        ({"contamination": 1.5}, "contamination"),
        ({"on_bad_image": "maybe"}, "on_bad_image"),
    ],
)
def test_wrong_parameters_are_named_before_any_image_is_read(
    params: dict[str, object], message: str
) -> None:
    detector = create_model("vision_knn", **params)
    with pytest.raises(InvalidInputError, match=message):
        detector.validate()
    with pytest.raises(InvalidInputError, match=message):
        detector.fit(["no such file.png"])


def test_unknown_names_list_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="vision_ecod"):
        create_model("vision_ecd")
    with pytest.raises(UnknownNameError, match="ecod"):
        ClassicalDetector("ecodd").validate()
    with pytest.raises(InvalidInputError, match="no parameter 'bandwith'"):
        create_model("vision_kde").set_params(bandwith=2)


def test_a_feature_extractor_must_extract_one_finite_row_per_image(
    normal: list[np.ndarray],
) -> None:
    class Wrong:
        def __init__(self, rows: np.ndarray) -> None:
            self.rows = rows

        def extract(self, images: list[np.ndarray]) -> np.ndarray:
            return self.rows

    with pytest.raises(InvalidInputError, match="feature_extractor must be .* extract"):
        create_model("vision_knn", feature_extractor=object()).fit(normal)
    with pytest.raises(InvalidInputError, match=r"Wrong.extract gave shape \(1, 3\) for 16"):
        create_model("vision_knn", feature_extractor=Wrong(np.zeros((1, 3)))).fit(normal)
    with pytest.raises(InvalidInputError, match="not finite"):
        create_model("vision_knn", feature_extractor=Wrong(np.full((16, 3), np.nan))).fit(normal)


def test_a_detector_that_cannot_learn_from_constant_features_is_named() -> None:
    rows = np.ones((12, 4), dtype=np.float32)
    detector = RowDetector("mcd", {}, n_rows=9, max_dims=None, standardize=True, random_state=0)
    with pytest.raises(PyimganoError, match=r"MCD cannot learn from 12 images .* 4 of them const"):
        detector.fit(rows)
    images = [np.full((8, 8, 3), 7, np.uint8)] * 12
    with pytest.raises(PyimganoError, match="MCD"):
        create_model("vision_mcd", feature_extractor=Means()).fit(images)


ALIKE = {
    "12 constant images": [np.full((8, 8, 3), 7, np.uint8)] * 12,
    "30 constant images": [np.full((8, 8, 3), 7, np.uint8)] * 30,
    "two images": [flat(100, 0), flat(104, 1)],
    "two images six times": [flat(100, 0), flat(104, 1)] * 6,
    "three images": [flat(100, 0), flat(104, 1), flat(97, 2)],
}
#: Who cannot tell anything, or cannot learn at all; PCA of constant ones may depend on LAPACK.
REFUSED = {
    "12 constant images": {"hbos", "iforest", "mcd", "pca"},
    "30 constant images": {"hbos", "iforest", "mcd", "pca"},
    "two images": {"hbos", "iforest", "kpca", "loda"},
    "two images six times": {"iforest", "loda"},
    "three images": {"loda"},
}


@pytest.mark.parametrize("kind", ALIKE)
@pytest.mark.parametrize("name", NAMES)
def test_after_images_that_are_alike_a_defect_is_found_or_the_detector_named(
    name: str, kind: str
) -> None:
    images, short = ALIKE[kind], name.removeprefix("vision_")
    detector = create_model(name, feature_extractor=Means())
    cls = DETECTORS[short].name
    refused = ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            detector.fit(images)
        except InvalidInputError as error:
            refused = str(error)
    if refused:
        assert re.match(rf"{cls} cannot (tell anything|learn) from .*{len(images)} ima", refused)
    else:
        assert short == "pca" or short not in REFUSED[kind]
        far = [np.full((8, 8, 3), value, np.uint8) for value in (0, 255)]
        assert np.isfinite(detector.decision_function(far)).all()
        warned = any(f"{cls} cannot tell anything" in str(one.message) for one in caught)
        assert warned or np.isinf(detector.threshold_) or detector.predict(far).any()


@pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")
@pytest.mark.parametrize("n", [8, 16, 40])
def test_healthy_images_are_refused_by_no_detector(n: int) -> None:
    images = [flat(100, i) for i in range(n)]
    for name in NAMES:
        if name != "vision_loda" or n > 16:  # its histograms have one bin each before that
            create_model(name, feature_extractor=Means()).fit(images)


def test_a_threshold_that_nothing_can_exceed_is_said(normal: list[np.ndarray]) -> None:
    with pytest.warns(ThresholdWarning, match="LODA cannot tell anything") as caught:
        create_model("vision_loda", feature_extractor=Means()).fit(normal)
    assert caught[0].filename == __file__


def test_unreadable_files_are_all_named_or_skipped_on_request(tmp_path: Path) -> None:
    paths = [write_image(tmp_path / f"{i}.png", texture(i)) for i in range(8)]
    for i in (2, 5):
        Path(paths[i]).write_bytes(b"not an image")
    with pytest.raises(ImageReadError, match=r"2 of 8(?s:.*)2\.png(?s:.*)5\.png"):
        create_model("vision_ecod").fit(paths)
    detector = create_model("vision_ecod", on_bad_image="skip").fit(paths)
    assert detector.skipped_ == [paths[2], paths[5]]
    assert detector.decision_scores_.shape == (6,)
    seen: list[str | None] = []
    with pytest.raises(ImageReadError, match=r"2\.png"):
        seen.extend(p.path for p in detector.iter_predict(paths))
    assert seen == paths[:2]


def test_using_it_before_fit_and_training_on_defects_are_errors(normal: list[np.ndarray]) -> None:
    with pytest.raises(NotFittedError):
        create_model("vision_ecod").decision_function(normal)
    with pytest.raises(InvalidInputError, match="normal images only"):
        create_model("vision_ecod", feature_extractor=Means()).fit(normal, [1] * len(normal))
    with pytest.raises(NotFittedError):
        PooledFilterBank().extract(normal)


def test_without_pyod_there_is_one_clean_import_error(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: object, **kwargs: object) -> object:
        if name.split(".")[0] == "pyod":
            raise ImportError(f"No module named {name!r}")
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    for module in [m for m in sys.modules if m.split(".")[0] == "pyod"]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(builtins, "__import__", missing)
    monkeypatch.setattr("pyimgano.utils.optional_deps._is_installed", lambda name: False)
    with pytest.raises(ImportError, match='is not installed: pip install "pyod'):
        create_model("vision_ecod").validate()


def test_a_picture_that_was_learnt_is_known_in_another_format_and_without_its_features(
    tmp_path: Path,
) -> None:
    greys = [texture(i)[..., 0].copy() for i in range(12)]
    paths = [write_image(tmp_path / f"{i}.png", one) for i, one in enumerate(greys)]
    detector = create_model("vision_knn").fit(paths)
    in_colour = write_image(tmp_path / "copy.bmp", np.dstack([greys[3]] * 3))
    detector.features_ = None  # nothing may be extracted
    assert detector.has_learnt(in_colour)
    assert not detector.has_learnt(texture(99))
