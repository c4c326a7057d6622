"""Detectors on the embedded network as files, and files of the filter bank from before it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import pyimgano
from pyimgano.errors import DetectorFileError, WeightsError
from pyimgano.features.backbones.embedded.networks import NETWORKS, NEWEST
from pyimgano.features.patches.pooled import PooledNetwork
from pyimgano.models import PatchCore, create_model
from pyimgano.persistence.container import read_container, write_container
from tests.conftest import texture

STORED = Path(__file__).parent / "stored"
IMAGES = [texture(50, (24, 24)), texture(51, (24, 24))]


@pytest.fixture(scope="module")
def fitted() -> PatchCore:
    detector = PatchCore(backbone="embedded", image_size=(40, 24), coreset_ratio=0.5)
    return detector.fit([texture(i, (40, 24)) for i in range(10)])


def rewritten(source: Path, target: Path, change: Callable[[dict], None]) -> Path:
    """A detector file with another header."""
    header, tensors = read_container(source)
    change(header)
    header.pop("checksum", None)
    write_container(target, header, tensors)
    return target


def test_a_file_names_the_network_that_it_needs(fitted: PatchCore, tmp_path: Path) -> None:
    fitted.save(tmp_path / "part")
    header, _ = read_container(tmp_path / "part")
    assert header["features"] == {
        "kind": "network",
        "backbone": "embedded",
        "layers": ["layer2", "layer3"],
        "network": NEWEST,
        "network_sha256": NETWORKS[NEWEST],
        "engine": "rust",
    }
    loaded = pyimgano.load(tmp_path / "part")
    np.testing.assert_array_equal(
        loaded.decision_function(IMAGES), fitted.decision_function(IMAGES)
    )


def test_a_file_names_the_layers_that_were_chosen(tmp_path: Path) -> None:
    layers = ["layer1", "layer2", "layer3"]
    detector = PatchCore(backbone="embedded", layers=layers, image_size=40)
    detector.fit([texture(i, (40, 40)) for i in range(10)]).save(tmp_path / "part")
    assert read_container(tmp_path / "part")[0]["features"]["layers"] == layers
    loaded = pyimgano.load(tmp_path / "part")
    np.testing.assert_array_equal(
        loaded.decision_function(IMAGES), detector.decision_function(IMAGES)
    )


def test_a_network_that_this_version_has_not_is_named(fitted: PatchCore, tmp_path: Path) -> None:
    fitted.save(tmp_path / "part")

    def of_tomorrow(header: dict) -> None:
        header["features"] |= {"network": "embedded-9", "network_sha256": "9" * 64}

    rewritten(tmp_path / "part", tmp_path / "next", of_tomorrow)
    with pytest.raises(WeightsError, match=f"next: .* SHA-256 {'9' * 64} is not in this version"):
        pyimgano.load(tmp_path / "next")


@pytest.mark.parametrize(
    ("entry", "value", "match"),
    [
        ("layers", ["layer9"], "layer of embedded"),
        ("engine", "mine", "engine"),
        ("layers", ["layer2"], "rows of 384 features do not go with extractors of 128"),
    ],
)
def test_entries_that_do_not_fit_are_refused(
    entry: str, value: object, match: str, fitted: PatchCore, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "part")
    rewritten(tmp_path / "part", tmp_path / "bad", lambda h: h["features"].update({entry: value}))
    with pytest.raises(DetectorFileError, match=f"bad: .*{match}"):
        pyimgano.load(tmp_path / "bad")


@pytest.mark.parametrize(("engine", "error"), [("onnxruntime", 1e-4), ("opencv", 1e-5)])
def test_another_engine_may_run_a_stored_detector(
    engine: str, error: float, fitted: PatchCore, tmp_path: Path
) -> None:
    if engine != "opencv":
        pytest.importorskip(engine)
    fitted.save(tmp_path / "part")
    other = pyimgano.load(tmp_path / "part", engine=engine)
    assert other.features_.backbone.info.origin["engine"] == engine
    expected = fitted.decision_function(IMAGES)
    np.testing.assert_allclose(other.decision_function(IMAGES), expected, rtol=error)
    np.testing.assert_array_equal(other.predict(IMAGES), fitted.predict(IMAGES))


def test_a_file_from_before_the_packages_own_convolutions_is_run_by_opencv_as_it_was(
    fitted: PatchCore, tmp_path: Path
) -> None:
    before = PatchCore(**{**fitted.get_params(), "engine": "opencv"})
    before.fit([texture(i, (40, 24)) for i in range(10)]).save(tmp_path / "part")

    def without_choice(header: dict) -> None:
        header["params"]["engine"] = None  # as it was where "opencv" was the default

    rewritten(tmp_path / "part", tmp_path / "before", without_choice)
    loaded = pyimgano.load(tmp_path / "before")
    assert loaded.features_.backbone.info.origin["engine"] == "opencv"
    scores = before.decision_function(IMAGES)
    np.testing.assert_array_equal(loaded.decision_function(IMAGES), scores)
    np.testing.assert_allclose(fitted.decision_function(IMAGES), scores, rtol=1e-5)
    assert fitted.threshold_ == pytest.approx(before.threshold_, rel=1e-5)


def as_the_first_version_had_it(header: dict) -> None:
    patches = header["features"].get("patches", header["features"])
    patches |= {"kind": "embedded", "backbone": "embedded"}


@pytest.mark.parametrize("first", [False, True], ids=["last version", "first version"])
def test_files_from_before_the_network_score_as_before_by_the_filter_bank(
    first: bool, tmp_path: Path
) -> None:
    """They call the filter bank "embedded"."""
    path = STORED / "filter_bank.pyimgano"
    header, _ = read_container(path)
    assert header["params"]["backbone"] == "embedded"
    if first:
        path = rewritten(path, tmp_path / "first", as_the_first_version_had_it)
    detector = pyimgano.load(path)
    assert detector.backbone == "filterbank"
    expected = [10.857539321233801, 16.948415252639208]
    np.testing.assert_allclose(detector.decision_function(IMAGES), expected, rtol=1e-5)
    detector.save(tmp_path / "again")
    again = pyimgano.load(tmp_path / "again")
    np.testing.assert_array_equal(
        again.decision_function(IMAGES), detector.decision_function(IMAGES)
    )


@pytest.mark.parametrize("first", [False, True], ids=["last version", "first version"])
def test_classical_detectors_from_before_the_network_score_as_before(
    first: bool, tmp_path: Path
) -> None:
    pytest.importorskip("pyod")
    path = STORED / "pooled_filter_bank.pyimgano"
    if first:
        path = rewritten(path, tmp_path / "first", as_the_first_version_had_it)
    scores = pyimgano.load(path).decision_function(IMAGES)
    np.testing.assert_allclose(scores, [105.55346546, 100.40020209], rtol=1e-5)


@pytest.mark.parametrize("given", [False, True], ids=["default", "given"])
def test_classical_detectors_use_the_network_and_come_back(given: bool, tmp_path: Path) -> None:
    pytest.importorskip("pyod")
    how = {"feature_extractor": PooledNetwork((40, 32))} if given else {}
    detector = create_model("vision_knn", **how).fit([texture(i, (24, 24)) for i in range(10)])
    detector.save(tmp_path / "part")
    header, _ = read_container(tmp_path / "part")
    assert header["features"]["kind"] == "pooled_network"
    assert header["features"]["patches"]["network_sha256"] == NETWORKS[NEWEST]
    loaded = pyimgano.load(tmp_path / "part")
    assert type(loaded.features_) is PooledNetwork
    np.testing.assert_array_equal(
        loaded.decision_function(IMAGES), detector.decision_function(IMAGES)
    )
    assert loaded.features_.extract(IMAGES).shape == (2, 384)
