"""What detectors learn of how the good photos were taken, and tell of others."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import pyimgano
from pyimgano.errors import DetectorFileError, ThresholdWarning
from pyimgano.images.health import measure_health
from pyimgano.models import PatchCore, create_model
from pyimgano.models.base import Detector
from pyimgano.persistence.container import checksum
from tests.conftest import texture, write_image

NORMAL = [texture(i) for i in range(12)]


def dark(seed: int) -> np.ndarray:
    return (texture(seed) * 0.5).astype(np.uint8)


@pytest.fixture(scope="module")
def fitted() -> PatchCore:
    return PatchCore(backbone="embedded", image_size=(48, 64)).fit(NORMAL)


def told(detector: Detector, image: np.ndarray | str) -> list[str]:
    return [line.partition(":")[0] for line in detector.predict_one(image).warnings]


def test_each_prediction_tells_how_its_image_is_unlike_the_good_ones(fitted: PatchCore) -> None:
    assert told(fitted, texture(40)) == []
    assert told(fitted, dark(40)) == ["darker than any good photo"]
    assert [len(p.warnings) for p in fitted.iter_predict([texture(41), dark(41)])] == [0, 1]
    assert [len(p.warnings) for p in fitted.iter_predict([dark(41)], with_maps=False)] == [1]


def test_a_path_is_told_the_same_as_its_array(fitted: PatchCore, tmp_path: Path) -> None:
    path = write_image(tmp_path / "dark.png", dark(40))
    assert fitted.predict_one(path).warnings == fitted.predict_one(dark(40)).warnings


@pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")
def test_the_images_learnt_from_are_what_is_compared_with(
    fitted: PatchCore, tmp_path: Path
) -> None:
    assert fitted.health_ is not None
    assert list(fitted.health_.images) == [measure_health(image) for image in NORMAL]
    (tmp_path / "bad.png").write_bytes(b"")
    paths = [write_image(tmp_path / f"{i}.png", NORMAL[i]) for i in range(5)]
    skipping = PatchCore(backbone="embedded", image_size=32, on_bad_image="skip")
    found = skipping.fit([str(tmp_path / "bad.png"), *paths]).health_
    assert found is not None
    assert list(found.images) == [measure_health(image) for image in NORMAL[:5]]


def test_twelve_bit_images_are_measured_by_their_depth() -> None:
    images = [image.astype(np.uint16) * 16 for image in NORMAL]
    detector = PatchCore(backbone="embedded", image_size=(48, 64), bit_depth=12).fit(images)
    assert detector.health_ is not None
    assert detector.health_.images[0].brightness == pytest.approx(
        measure_health(NORMAL[0]).brightness, abs=0.01
    )


def test_a_stored_detector_and_a_copy_tell_the_same(fitted: PatchCore, tmp_path: Path) -> None:
    fitted.save(tmp_path / "part")
    loaded = pyimgano.load(tmp_path / "part")
    assert loaded.health_ == fitted.health_
    assert loaded.predict_one(dark(40)).warnings == fitted.predict_one(dark(40)).warnings != ()
    loaded.save(tmp_path / "again")
    assert pyimgano.load(tmp_path / "again").health_ == fitted.health_
    assert copy.copy(fitted).health_ == fitted.health_


def rewritten(path: Path, health: np.ndarray | None) -> Path:
    """The same file with other figures, or none, and a right checksum."""
    with safetensors.safe_open(path, "np") as file:
        text = file.metadata()["pyimgano"]
    tensors = safetensors.numpy.load_file(path)
    del tensors["health"]
    if health is not None:
        tensors["health"] = health
    data = safetensors.numpy.save(tensors, {"pyimgano": text})
    start = data.index(b'checksum\\":\\"') + len(b'checksum\\":\\"')
    path.write_bytes(data[:start] + checksum(data).encode() + data[start + 64 :])
    return path


def test_a_file_of_an_older_version_loads_and_tells_nothing(
    fitted: PatchCore, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "part")
    loaded = pyimgano.load(rewritten(tmp_path / "part", None))
    assert loaded.health_ is None
    assert loaded.predict_one(dark(40)).warnings == ()
    assert loaded.predict_one(dark(40)).score == fitted.predict_one(dark(40)).score


@pytest.mark.parametrize(
    ("column", "value"),
    [(0, 0.0), (2, -0.5), (2, np.nan), (4, -0.5), (5, 0.0), (6, -1.0), (8, -1.0), (3, np.inf)],
)
def test_figures_that_no_image_has_are_refused(
    fitted: PatchCore, tmp_path: Path, column: int, value: float
) -> None:
    assert fitted.health_ is not None
    rows = fitted.health_.to_array()
    rows[3, column] = value
    fitted.save(tmp_path / "part")
    with pytest.raises(DetectorFileError, match=r"part: .*health"):
        pyimgano.load(rewritten(tmp_path / "part", rows))


@pytest.mark.slow
def test_models_of_anomalib_tell_too() -> None:
    pytest.importorskip("anomalib", reason="needs the extra anomalib")
    detector = create_model(
        "vision_padim_anomalib", pretrained=False, image_size=64, folds=0, n_features=20
    )
    with pytest.warns(ThresholdWarning):
        detector.fit(NORMAL)
    assert told(detector, texture(40)) == []
    assert told(detector, dark(40)) == ["darker than any good photo"]


class Means:
    """Takes what it is given: paths as paths."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def extract(self, images: list[object]) -> np.ndarray:
        self.seen.extend(images)
        rows = [np.load(i) if isinstance(i, str) else np.asarray(i) for i in images]
        return np.array([row.mean(axis=(0, 1)) for row in rows], dtype=np.float32)


def test_classical_detectors_tell_too_and_their_files_keep_it(tmp_path: Path) -> None:
    pytest.importorskip("pyod", reason="needs the extra pyod")
    paths = [write_image(tmp_path / f"{i}.png", image) for i, image in enumerate(NORMAL)]
    detector = create_model("vision_ecod").fit(paths)
    assert told(detector, write_image(tmp_path / "dark.png", dark(40))) == [
        "darker than any good photo"
    ]
    assert told(detector, texture(40)) == []
    detector.save(tmp_path / "part")
    assert told(pyimgano.load(tmp_path / "part"), dark(40)) == ["darker than any good photo"]


def test_an_extractor_of_ones_own_gets_what_was_given_and_files_it_alone_reads(
    tmp_path: Path,
) -> None:
    pytest.importorskip("pyod", reason="needs the extra pyod")
    paths = []
    for i, image in enumerate(NORMAL):
        np.save(tmp_path / f"{i}.npy", image)
        paths.append(str(tmp_path / f"{i}.npy"))
    extractor = Means()
    unknown = create_model("vision_ecod", feature_extractor=extractor).fit(paths)
    assert extractor.seen == paths
    assert unknown.health_ is None
    assert told(unknown, dark(40)) == []
    known = create_model("vision_ecod", feature_extractor=Means()).fit(NORMAL)
    assert told(known, dark(40)) == ["darker than any good photo"]
