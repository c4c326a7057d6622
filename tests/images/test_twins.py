"""Training images that show the same picture count as one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pyimgano.datasets.synthetic import generate_synthetic
from pyimgano.errors import ThresholdWarning
from pyimgano.images.preprocess import ImagePreprocessor
from pyimgano.images.twins import group_twins, thumbnail
from pyimgano.models import create_model

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Pixels]]:
    """Good photos of a texture, and of a part that lies in one place."""
    root = tmp_path_factory.mktemp("twins")
    generate_synthetic(root, categories=["gear", "leather"], n_train=12, n_test_good=1, seed=3)
    found = {}
    for name in ("gear", "leather"):
        files = sorted((root / name / "train" / "good").iterdir())
        found[name] = [np.asarray(cv2.imread(str(f))[..., ::-1], dtype=np.uint8) for f in files]
    return found


def groups(images: list[Pixels]) -> list[int]:
    loaded = [ImagePreprocessor(resize=256).load(np.ascontiguousarray(i)).pixels for i in images]
    digests = [one.tobytes() for one in loaded]
    return group_twins(digests, np.array([thumbnail(one) for one in loaded])).tolist()


def noisy(image: Pixels, sigma: float, seed: int) -> Pixels:
    drawn = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(image + drawn, 0, 255).round().astype(np.uint8)


def as_jpeg(image: Pixels, quality: int) -> Pixels:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)


@pytest.mark.parametrize("name", ["gear", "leather"])
def test_different_photos_of_one_kind_are_no_twins(
    photos: dict[str, list[Pixels]], name: str
) -> None:
    assert groups(photos[name]) == list(range(12))


@pytest.mark.parametrize("name", ["gear", "leather"])
def test_a_copy_a_jpeg_of_it_one_with_noise_and_one_a_little_darker_are_its_twins(
    photos: dict[str, list[Pixels]], name: str
) -> None:
    first, second = photos[name][:2]
    darker = np.asarray(first * 0.97, dtype=np.uint8)
    again = [first.copy(), as_jpeg(first, 75), noisy(first, 3, 0), darker]
    assert groups([second, first, *again]) == [0, 1, 1, 1, 1, 1]


def test_a_camera_that_froze_gives_one_picture(photos: dict[str, list[Pixels]]) -> None:
    frozen = [noisy(photos["gear"][0], 2, seed) for seed in range(20)]
    assert set(groups(frozen)) == {0}


def test_more_images_than_one_block_find_their_twins(photos: dict[str, list[Pixels]]) -> None:
    rng = np.random.default_rng(0)
    rows = rng.random((600, 4096), dtype=np.float32)
    rows[599] = rows[3] + 1e-4
    found = group_twins(list(range(600)), rows)
    assert found.tolist() == [*range(599), 3]


def test_plain_surfaces_are_twins_only_where_they_are_equal() -> None:
    flat = [np.full((64, 64, 3), 128, np.uint8)] * 2
    noise = [noisy(flat[0], 4, seed) for seed in range(4)]
    assert groups([*flat, *noise]) == [0, 0, 2, 3, 4, 5]


def fitted(model: str, images: list[Pixels]) -> object:
    kind = {"backbone": "embedded", "image_size": 96} if model == "patchcore" else {}
    return create_model(model, **kind).fit(images)


@pytest.mark.parametrize("model", ["patchcore", "vision_knn"])
def test_every_good_photo_twice_gives_the_threshold_of_once(
    photos: dict[str, list[Pixels]], model: str
) -> None:
    if model != "patchcore":
        pytest.importorskip("pyod", reason="the classical detectors need PyOD")
    once = fitted(model, photos["gear"])
    twice = fitted(model, [*photos["gear"], *(one.copy() for one in photos["gear"])])
    assert twice.false_positive_rate_.n == once.false_positive_rate_.n == 12
    assert twice.threshold_ == pytest.approx(once.threshold_, rel=0.15)
    assert twice.decision_scores_[:12] == pytest.approx(twice.decision_scores_[12:])
    assert "12 of them show the same picture as another" in twice.threshold_source_


@pytest.mark.parametrize("model", ["patchcore", "vision_knn"])
def test_every_good_photo_once_more_as_jpeg_does_not_count(
    photos: dict[str, list[Pixels]], model: str
) -> None:
    if model != "patchcore":
        pytest.importorskip("pyod", reason="the classical detectors need PyOD")
    detector = fitted(model, [*photos["gear"], *(as_jpeg(one, 85) for one in photos["gear"])])
    assert detector.twins_.tolist() == [*range(12), *range(12)]
    assert detector.false_positive_rate_.n == 12


class Brightness:
    """Features of a user's own, of what nothing else can read."""

    def extract(self, images: list[object]) -> NDArray[np.float32]:
        return np.array([[float(str(one).rpartition("=")[2])] for one in images], np.float32)


def test_where_only_the_users_extractor_reads_the_images_equal_features_show_a_copy() -> None:
    pytest.importorskip("pyod", reason="the classical detectors need PyOD")
    known = [f"camera://part-{i}?light={light}" for i, light in enumerate((1, 2, 3, 4, 2))]
    detector = create_model("vision_knn", feature_extractor=Brightness(), n_neighbors=1)
    with pytest.warns(ThresholdWarning, match="an estimate"):
        detector.fit(known)
    assert detector.twins_.tolist() == [0, 1, 2, 3, 1]


def test_a_frozen_camera_gives_no_threshold_and_says_why(
    photos: dict[str, list[Pixels]], tmp_path: Path
) -> None:
    import pyimgano

    frozen = [noisy(photos["gear"][0], 2, seed) for seed in range(5)]
    with pytest.warns(ThresholdWarning, match="5 training images that show the same picture"):
        detector = create_model("patchcore", backbone="embedded", image_size=96).fit(frozen)
    assert detector.threshold_ == np.inf
    detector.save(tmp_path / "frozen.pyimgano")
    assert pyimgano.load(tmp_path / "frozen.pyimgano").threshold_ == np.inf
