"""A fitted detector as a file: what comes back, in this process and in another."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import safetensors

import pyimgano
from pyimgano.errors import InvalidInputError, NotFittedError, ThresholdWarning
from pyimgano.features.patches.pooled import PooledFilterBank
from pyimgano.models import PatchCore, create_model
from pyimgano.persistence.container import checksum
from tests.conftest import REPO, texture, with_blot, write_image

SIZE = (48, 64)
IMAGES = [texture(50), with_blot(texture(51)), texture(52, (60, 40))]


def patchcore(**kwargs: object) -> PatchCore:
    return PatchCore(**{"backbone": "embedded", "image_size": SIZE, **kwargs})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def normal() -> list[np.ndarray]:
    return [texture(i) for i in range(12)]


@pytest.fixture(scope="module")
def fitted(normal: list[np.ndarray]) -> PatchCore:
    return patchcore().fit(normal)


def header_of(path: Path) -> dict:
    with safetensors.safe_open(path, "np") as file:
        return json.loads(file.metadata()["pyimgano"])


def same_predictions(one: object, other: object, images: list = IMAGES) -> None:
    for a, b in zip(one.iter_predict(images), other.iter_predict(images), strict=True):
        assert (a.path, a.score, a.label) == (b.path, b.score, b.label)
        np.testing.assert_array_equal(a.anomaly_map, b.anomaly_map)


def test_another_process_gives_the_same_scores_and_maps_bit_for_bit(
    fitted: PatchCore, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "part.pyimgano")
    np.savez(tmp_path / "images.npz", *IMAGES)
    program = """
import sys, numpy as np, pyimgano
detector = pyimgano.load(sys.argv[1])
found = list(detector.iter_predict(list(np.load(sys.argv[2]).values())))
maps = {f"map{i}": p.anomaly_map for i, p in enumerate(found)}
np.savez(sys.argv[3], scores=[p.score for p in found], labels=[p.label for p in found], **maps)
heavy = {"torch", "sklearn", "scipy", "pyod", "tqdm"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    paths = [os.fspath(tmp_path / n) for n in ("part.pyimgano", "images.npz", "out.npz")]
    environment = {**os.environ, "PYTHONPATH": os.fspath(REPO / "python")}
    subprocess.run([sys.executable, "-c", program, *paths], check=True, env=environment)
    with np.load(tmp_path / "out.npz") as found:
        for i, expected in enumerate(fitted.iter_predict(IMAGES)):
            assert found["scores"][i] == expected.score
            assert found["labels"][i] == expected.label
            np.testing.assert_array_equal(found[f"map{i}"], expected.anomaly_map)


@pytest.mark.parametrize(
    "params",
    [
        {"image_size": None},
        {"image_size": 64, "n_neighbors": 3, "gaussian_sigma": 0.0, "coreset_ratio": 1.0},
        {"preset": "paper"},
        {"knn_backend": "sklearn"},
        {"knn_backend": "rust", "contamination": np.float64(0.2), "random_state": np.int64(3)},
        {"layers": ["layer3"], "on_bad_image": "skip"},
        {"backbone": "filterbank", "normalization": ((0.5, 0.5, 0.5), (0.2, 0.2, 0.2))},
    ],
    ids=str,
)
def test_parameters_survive(params: dict, normal: list[np.ndarray], tmp_path: Path) -> None:
    detector = patchcore(**params).fit(normal)
    detector.save(tmp_path / "a")
    loaded = pyimgano.load(tmp_path / "a")
    same_predictions(detector, loaded)
    for name in ("image_size", "n_neighbors", "preset", "knn_backend", "coreset_ratio"):
        assert getattr(loaded, name) == getattr(detector, name)


def test_faiss_survives(normal: list[np.ndarray], tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    detector = patchcore(knn_backend="faiss").fit(normal)
    detector.save(tmp_path / "a")
    same_predictions(detector, pyimgano.load(tmp_path / "a"))


def test_twelve_bit_cameras_survive(tmp_path: Path) -> None:
    images = [texture(i).astype(np.uint16) * 16 for i in range(10)]
    detector = patchcore(bit_depth=12).fit(images)
    detector.save(tmp_path / "a")
    same_predictions(detector, pyimgano.load(tmp_path / "a"), images[:2])


def test_fitted_attributes_survive(tmp_path: Path) -> None:
    paths = [write_image(tmp_path / f"{i}.png", texture(i)) for i in range(10)]
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    detector = patchcore(on_bad_image="skip").fit([*paths, str(bad)])
    detector.save(tmp_path / "a")
    loaded = pyimgano.load(tmp_path / "a")
    for name in ("threshold_", "map_threshold_", "map_level_", "threshold_source_"):
        assert getattr(loaded, name) == getattr(detector, name)
    np.testing.assert_array_equal(loaded.decision_scores_, detector.decision_scores_)
    np.testing.assert_array_equal(loaded.labels_, detector.labels_)
    assert loaded.skipped_ == [str(bad)]
    assert loaded.training_set_ == detector.training_set_
    assert loaded.training_set_["n_images"] == 10
    loaded.save(tmp_path / "b")
    same_predictions(detector, pyimgano.load(tmp_path / "b"))


def test_an_infinite_threshold_survives(tmp_path: Path) -> None:
    with pytest.warns(ThresholdWarning):
        detector = patchcore().fit([texture(0)])
    detector.save(tmp_path / "a")
    loaded = pyimgano.load(tmp_path / "a")
    assert loaded.threshold_ == math.inf
    assert np.isnan(loaded.decision_scores_).all()
    same_predictions(detector, loaded)


def test_the_training_set_is_known_by_its_images_not_by_their_order(
    normal: list[np.ndarray], fitted: PatchCore
) -> None:
    other = patchcore().fit(normal[::-1])
    assert other.training_set_ == fitted.training_set_
    assert patchcore().fit(normal[1:]).training_set_ != fitted.training_set_


def test_what_is_stored_are_the_parameters_of_the_fit(
    normal: list[np.ndarray], tmp_path: Path
) -> None:
    detector = patchcore().fit(normal)
    before = detector.decision_function(IMAGES)
    detector.set_params(n_neighbors=2, image_size=96)  # for the next fit
    detector.save(tmp_path / "a")
    loaded = pyimgano.load(tmp_path / "a")
    assert loaded.n_neighbors == 9
    np.testing.assert_array_equal(loaded.decision_function(IMAGES), before)


def test_the_same_detector_gives_the_same_bytes_but_for_the_time(
    fitted: PatchCore, tmp_path: Path
) -> None:
    contents = []
    for name in "ab":
        fitted.save(tmp_path / name)
        data = (tmp_path / name).read_bytes()
        stamp = header_of(tmp_path / name)["created"].encode()
        contents.append(data.replace(stamp, b"").replace(checksum(data).encode(), b""))
    assert contents[0] == contents[1]


def test_the_file_is_hardly_larger_than_the_bank_and_half_of_it_in_half_precision(
    tmp_path: Path,
) -> None:
    detector = patchcore(coreset_ratio=1.0, image_size=(192, 256)).fit(
        [texture(i, (192, 256)) for i in range(4)]
    )
    detector.save(tmp_path / "full")
    detector.save(tmp_path / "half", bank_dtype="float16")
    bank = detector.memory_bank_.nbytes
    assert bank < (tmp_path / "full").stat().st_size < bank + 100_000
    assert bank / 2 < (tmp_path / "half").stat().st_size < bank / 2 + 100_000


def test_half_precision_says_what_it_changes(fitted: PatchCore, tmp_path: Path) -> None:
    fitted.save(tmp_path / "half", bank_dtype="float16")
    loaded = pyimgano.load(tmp_path / "half")
    np.testing.assert_array_equal(
        loaded.memory_bank_, fitted.memory_bank_.astype(np.float16).astype(np.float32)
    )
    change = header_of(tmp_path / "half")["bank"]["change"]
    assert "float16 bank relative to the float32 bank" in change["measured"]
    assert change["rows"] == len(fitted.memory_bank_)
    assert 0 < change["median_relative"] < change["largest_relative"] < 0.01
    scores = fitted.decision_function(IMAGES)
    np.testing.assert_allclose(loaded.decision_function(IMAGES), scores, rtol=0.01)
    assert (loaded.decision_function(IMAGES) != scores).any()


@pytest.mark.parametrize("name", ["ecod", "knn", "pca", "iforest", "sampling", "gmm"])
def test_classical_detectors_come_back_by_a_new_fit(
    name: str, normal: list[np.ndarray], tmp_path: Path
) -> None:
    pytest.importorskip("pyod")
    detector = create_model(f"vision_{name}", random_state=3).fit(normal)
    detector.save(tmp_path / "a")
    loaded = pyimgano.load(tmp_path / "a")
    assert loaded.detector == name
    assert loaded.feature_extractor is None
    same_predictions(detector, loaded)
    assert loaded.threshold_ == detector.threshold_


def test_parameters_of_pyod_and_of_the_extractor_come_back(
    normal: list[np.ndarray], tmp_path: Path
) -> None:
    pytest.importorskip("pyod")
    extractor = PooledFilterBank(image_size=(48, 64))
    detector = create_model("vision_knn", n_neighbors=2, feature_extractor=extractor).fit(normal)
    detector.save(tmp_path / "a")
    loaded = pyimgano.load(tmp_path / "a")
    assert loaded.params == {"n_neighbors": 2}
    assert loaded.feature_extractor.image_size == (48, 64)
    same_predictions(detector, loaded)


class Brightness:
    def extract(self, images: list) -> np.ndarray:
        return np.array([[np.mean(x), np.std(x)] for x in images], dtype=np.float32)


def test_what_cannot_be_stored_is_refused_and_says_why(
    normal: list[np.ndarray], fitted: PatchCore, tmp_path: Path
) -> None:
    pytest.importorskip("pyod")
    target = tmp_path / "a"

    class Special(PatchCore):
        pass

    own = create_model("vision_knn", feature_extractor=Brightness()).fit(normal)
    with pytest.raises(InvalidInputError, match="extractor of your own.*Brightness"):
        own.save(target)
    odd = create_model("vision_knn", metric_params={"p": 2}).fit(normal)
    with pytest.raises(InvalidInputError, match="metric_params is of type dict"):
        odd.save(target)
    special = Special(backbone="embedded", image_size=48).fit(normal)
    with pytest.raises(InvalidInputError, match="Special is not registered as storable"):
        special.save(target)
    anomalib = create_model("vision_padim_anomalib")
    with pytest.raises(NotFittedError):
        anomalib.save(target)
    anomalib._threshold = 1.0  # as if it were fitted
    with pytest.raises(InvalidInputError, match="cannot be stored without pickle"):
        anomalib.save(target)
    with pytest.raises(InvalidInputError, match="bank_dtype"):
        fitted.save(target, bank_dtype="float64")
    with pytest.raises(InvalidInputError, match="comes with the package"):
        fitted.save(target, embed_backbone=True)
    with pytest.raises(InvalidInputError, match="batch_size.*an integer from 1 to 1,024"):
        patchcore(batch_size=2000).fit(normal).save(target)
    assert not target.exists()


def test_threads_share_a_detector(fitted: PatchCore, normal: list[np.ndarray]) -> None:
    pytest.importorskip("pyod")
    images = [texture(i, (40 + i, 64)) for i in range(24)]
    for detector in (fitted, create_model("vision_knn").fit(normal)):
        expected = [detector.predict_one(image) for image in images]
        detector.timings_.clear()
        with ThreadPoolExecutor(4) as pool:
            runs = [
                pool.submit(lambda d=detector: [d.predict_one(x) for x in images]) for _ in range(4)
            ]
            for run in runs:
                for a, b in zip(run.result(), expected, strict=True):
                    assert a.score == b.score
                    np.testing.assert_array_equal(a.anomaly_map, b.anomaly_map)
        assert all(seconds > 0 for seconds in detector.timings_.values())


def test_predict_one_takes_arrays_of_all_kinds_and_paths(fitted: PatchCore, tmp_path: Path) -> None:
    colour = texture(7)
    path = write_image(tmp_path / "a.png", colour)
    expected = fitted.predict_one(colour)
    assert fitted.predict_one(path).score == expected.score
    assert fitted.predict_one(path).path == path
    assert fitted.predict_one(colour[..., 0]).anomaly_map.shape == SIZE
    assert fitted.predict_one(colour, with_map=False).anomaly_map is None


def test_another_threshold_moves_labels_and_is_stored(
    normal: list[np.ndarray], tmp_path: Path
) -> None:
    detector = patchcore().fit(normal)
    value = float(np.median(detector.decision_scores_))
    detector.set_threshold(value, source="by hand")
    assert detector.labels_.sum() == (detector.decision_scores_ > value).sum() > 0
    detector.save(tmp_path / "a")
    loaded = pyimgano.load(tmp_path / "a")
    assert (loaded.threshold_, loaded.threshold_source_) == (value, "by hand")
    with pytest.raises(InvalidInputError, match="must be a number, got nan"):
        detector.set_threshold(math.nan, source="")


def test_importing_the_package_alone_costs_nothing() -> None:
    program = "import sys, pyimgano; assert not {'numpy', 'cv2'} & set(sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.fspath(REPO / "python")}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
