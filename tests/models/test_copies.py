"""Copies and pickles of fitted detectors and of search indices score as the original does."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

import pyimgano
from pyimgano import create_model, list_models
from pyimgano.errors import DetectorFileError, ThresholdWarning
from pyimgano.features.patches.pooled import PooledFilterBank
from pyimgano.kernels import KnnIndex
from pyimgano.models.base import Detector
from pyimgano.neighbors import create_neighbors
from tests.conftest import texture
from tests.features.onnx_support import tiny
from tests.scorers.support import bank_of, score

TRAIN = [texture(i, (24, 32)) for i in range(6)]
TEST = [texture(i, (24, 32)) for i in range(20, 23)]

pytestmark = pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")


def by_joblib(one: Any, folder: Path) -> Any:
    joblib.dump(one, folder / "one.joblib")
    return joblib.load(folder / "one.joblib")


WAYS: dict[str, Callable[[Any, Path], Any]] = {
    "copy": lambda one, _: copy.copy(one),
    "deepcopy": lambda one, _: copy.deepcopy(one),
    "pickle": lambda one, _: pickle.loads(pickle.dumps(one)),
    "joblib": by_joblib,
}


def assert_same(found: Detector, expected: Detector, scores: Any = None) -> None:
    scores = expected.decision_function(TEST) if scores is None else scores
    np.testing.assert_array_equal(found.decision_function(TEST), scores)
    np.testing.assert_array_equal(found.decision_scores_, expected.decision_scores_)
    assert found.threshold_ == expected.threshold_
    assert found.get_params().keys() == expected.get_params().keys()


def assert_survives(detector: Detector, folder: Path) -> None:
    scores = detector.decision_function(TEST)
    for way in WAYS.values():
        assert_same(way(detector, folder), detector, scores)


def fit(name: str, **params: Any) -> Detector:
    detector: Detector = create_model(name, **params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ThresholdWarning)
        return detector.fit(TRAIN)


@pytest.fixture(scope="module")
def patchcore() -> Detector:
    return fit("patchcore", backbone="embedded", image_size=24)


@pytest.mark.parametrize("way", WAYS)
def test_patchcore_survives(way: str, patchcore: Any, tmp_path: Path) -> None:
    found = WAYS[way](patchcore, tmp_path)
    assert_same(found, patchcore)
    maps = zip(found.predict_anomaly_map(TEST), patchcore.predict_anomaly_map(TEST), strict=True)
    assert all(np.array_equal(a, b) for a, b in maps)


@pytest.mark.parametrize("backend", ["rust", "sklearn", "faiss"])
def test_patchcore_survives_with_any_search(backend: str, tmp_path: Path) -> None:
    if backend == "faiss":
        pytest.importorskip("faiss", reason="needs the extra faiss")
    detector = fit("patchcore", backbone="embedded", image_size=24, knn_backend=backend)
    assert_survives(detector, tmp_path)


def test_patchcore_on_a_torchvision_network_survives(tmp_path: Path) -> None:
    pytest.importorskip("torchvision", reason="needs the extra torch")
    detector = fit("patchcore", backbone="resnet18", pretrained=False, image_size=32)
    assert_survives(detector, tmp_path)


@pytest.mark.parametrize("engine", ["opencv", "onnxruntime", "openvino"])
def test_patchcore_on_an_onnx_network_survives(engine: str, tmp_path: Path) -> None:
    pytest.importorskip(engine.replace("opencv", "cv2"), reason="needs the engine")
    (tmp_path / "net.onnx").write_bytes(tiny())
    detector = fit("patchcore", backbone=tmp_path / "net.onnx", image_size=32, engine=engine)
    (tmp_path / "net.onnx").unlink()  # the copy brings the network along
    assert_survives(detector, tmp_path)


@pytest.mark.parametrize("name", list_models("classical"))
def test_every_classical_detector_survives(name: str, tmp_path: Path) -> None:
    pytest.importorskip("pyod", reason="needs the extra pyod")
    detector: Detector = create_model(name, feature_extractor=PooledFilterBank((24, 32)))
    detector.fit([texture(i, (24, 32)) for i in range(20)])
    assert_survives(detector, tmp_path)


def test_a_classical_detector_on_its_own_features_survives(tmp_path: Path) -> None:
    pytest.importorskip("pyod", reason="needs the extra pyod")
    detector = fit("vision_knn")
    assert_survives(detector, tmp_path)


def test_an_unfitted_detector_survives_and_can_be_fitted(
    patchcore: Detector, tmp_path: Path
) -> None:
    for way in WAYS.values():
        found = way(create_model("patchcore", backbone="embedded", image_size=24), tmp_path)
        assert_same(found.fit(TRAIN), patchcore)


def test_other_processes_score_alike(patchcore: Detector) -> None:
    pool = ProcessPoolExecutor(2, mp_context=get_context("spawn"))
    with pool:
        found = list(pool.map(patchcore.decision_function, [[image] for image in TEST]))
    np.testing.assert_array_equal(np.concatenate(found), patchcore.decision_function(TEST))


def test_a_pickle_holds_the_bank_once_and_no_index(tmp_path: Path) -> None:
    given: dict[str, Any] = {"image_size": 96, "coreset_ratio": 1.0}
    detector: Any = fit("patchcore", backbone="embedded", **given)
    assert len(pickle.dumps(detector)) < 1.5 * detector.memory_bank_.nbytes
    joblib.dump(detector, tmp_path / "one.joblib")  # which keeps arrays apart from the rest
    assert (tmp_path / "one.joblib").stat().st_size < 1.5 * detector.memory_bank_.nbytes


def test_a_copy_is_independent_of_the_original(patchcore: Any) -> None:
    expected = patchcore.decision_function(TEST)
    twin = copy.deepcopy(patchcore)
    twin.memory_bank_[:] = 0
    np.testing.assert_array_equal(patchcore.decision_function(TEST), expected)


def test_load_reads_no_pickle(patchcore: Detector, tmp_path: Path) -> None:
    path = tmp_path / "detector.pkl"
    path.write_bytes(pickle.dumps(patchcore))
    with pytest.raises(DetectorFileError, match=r"detector\.pkl"):
        pyimgano.load(path)


def rows(n: int, d: int = 5) -> np.ndarray:
    return np.random.default_rng(n).normal(size=(n, d)).astype(np.float32)


@pytest.mark.parametrize("n", [3, 2_000])  # few rows are scanned, many have a structure
@pytest.mark.parametrize("way", WAYS)
def test_a_search_index_survives_with_its_groups(way: str, n: int, tmp_path: Path) -> None:
    queries, groups = rows(40), np.arange(n) % 3
    for given, asked in ((None, None), (groups, np.arange(40) % 3)):
        index = KnnIndex(rows(n), groups=given)
        found = WAYS[way](index, tmp_path)
        assert found.shape == index.shape
        for one, two in zip(
            found.query(queries, 4, groups=asked),
            index.query(queries, 4, groups=asked),
            strict=True,
        ):
            np.testing.assert_array_equal(one, two)


def test_a_search_index_is_pickled_as_it_was_built_whatever_became_of_the_rows() -> None:
    bank = rows(50)
    index = KnnIndex(bank)
    expected = index.query(rows(4), 3)
    bank[:] = 0
    found = pickle.loads(pickle.dumps(index)).query(rows(4), 3)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("backend", ["rust", "sklearn", "faiss"])
@pytest.mark.parametrize("way", WAYS)
def test_every_backend_of_the_search_survives_fitted_or_not(
    way: str, backend: str, tmp_path: Path
) -> None:
    if backend == "faiss":
        pytest.importorskip("faiss", reason="needs the extra faiss")
    index: Any = create_neighbors(backend)
    fitted = WAYS[way](index, tmp_path).fit(rows(50))
    found = WAYS[way](fitted, tmp_path)
    np.testing.assert_array_equal(found.kneighbors(rows(4), 3), fitted.kneighbors(rows(4), 3))


@pytest.mark.parametrize("way", WAYS)
def test_a_memory_bank_survives(way: str, tmp_path: Path) -> None:
    bank = bank_of(rows(60), n_neighbors=4)
    expected, distances = score(bank, rows(7))
    found = score(WAYS[way](bank, tmp_path), rows(7))
    assert found[0] == expected
    np.testing.assert_array_equal(found[1], distances)
