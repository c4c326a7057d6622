from __future__ import annotations

import builtins
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sklearn.base import clone

import pyimgano
from pyimgano.errors import (
    ImageReadError,
    InvalidInputError,
    NotFittedError,
    RepeatedImageWarning,
    ThresholdWarning,
    UnknownNameError,
)
from pyimgano.models import PatchCore, create_model, list_models, model_info
from pyimgano.models.good_photos import describe_good
from tests.conftest import texture, with_blot, write_image

SIZE = (48, 64)


def detector(**kwargs: object) -> PatchCore:
    return PatchCore(**{"backbone": "embedded", "image_size": SIZE, **kwargs})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def normal() -> list[np.ndarray]:
    return [texture(i) for i in range(12)]


@pytest.fixture(scope="module")
def fitted(normal: list[np.ndarray]) -> PatchCore:
    return detector().fit(normal)


def test_a_defect_scores_above_the_threshold_and_lights_up_where_it_is(
    normal: list[np.ndarray],
) -> None:
    fitted = detector(image_size=(96, 128)).fit(normal)
    bad = with_blot(texture(50), top=16, left=40, side=12)
    (prediction,) = fitted.iter_predict([bad])
    assert prediction.score > fitted.threshold_
    assert prediction.label == 1
    row, column = np.unravel_index(int(prediction.anomaly_map.argmax()), SIZE)
    assert 12 <= row < 32
    assert 36 <= column < 56


def test_scores_labels_and_maps_have_the_types_users_expect(fitted: PatchCore) -> None:
    images = [texture(60), with_blot(texture(61))]
    scores = fitted.decision_function(images)
    assert (scores.dtype, scores.shape) == (np.float64, (2,))
    labels = fitted.predict(images)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, scores > fitted.threshold_)
    maps = fitted.predict_anomaly_map(images)
    assert [(m.shape, m.dtype) for m in maps] == [(SIZE, np.float32)] * 2
    np.testing.assert_array_equal(fitted.get_anomaly_map(images[1]), maps[1])


def test_maps_have_the_size_of_their_own_image(fitted: PatchCore) -> None:
    images = [texture(0, (60, 90)), texture(1, (30, 20)), texture(2)]
    assert [m.shape for m in fitted.predict_anomaly_map(images)] == [(60, 90), (30, 20), SIZE]


def test_one_pass_gives_the_same_as_the_separate_calls(fitted: PatchCore, tmp_path: Path) -> None:
    paths = [write_image(tmp_path / f"{i}.png", texture(70 + i)) for i in range(3)]
    predictions = list(fitted.iter_predict(paths))
    assert [p.path for p in predictions] == paths
    np.testing.assert_array_equal([p.score for p in predictions], fitted.decision_function(paths))
    for prediction, anomaly_map in zip(predictions, fitted.predict_anomaly_map(paths), strict=True):
        np.testing.assert_array_equal(prediction.anomaly_map, anomaly_map)


def test_training_scores_come_in_the_order_given_from_banks_without_their_image(
    fitted: PatchCore, normal: list[np.ndarray]
) -> None:
    assert fitted.decision_scores_.shape == (12,)
    assert "each left out" in fitted.threshold_source_
    # A training image that is unlike all others must stand out although it was trained on.
    with_odd_one = [*normal[:5], with_blot(texture(5)), *normal[6:]]
    scores = detector(image_size=(96, 128)).fit(with_odd_one).decision_scores_
    assert scores.argmax() == 5
    assert scores[5] > 1.3 * np.delete(scores, 5).max()


def test_the_same_seed_gives_the_same_detector_bit_for_bit(normal: list[np.ndarray]) -> None:
    image = with_blot(texture(80))
    one, two, other = (detector(random_state=seed).fit(normal) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.memory_bank_, two.memory_bank_)
    assert one.decision_function([image]) == two.decision_function([image])
    assert one.threshold_ == two.threshold_
    assert not np.array_equal(one.memory_bank_, other.memory_bank_)


def test_batch_size_changes_nothing(normal: list[np.ndarray]) -> None:
    images = [texture(90 + i) for i in range(5)]
    expected = detector(batch_size=1).fit(normal).decision_function(images)
    np.testing.assert_array_equal(
        detector(batch_size=7).fit(normal).decision_function(images), expected
    )


def test_patch_features_come_with_their_grid(fitted: PatchCore) -> None:
    features, (height, width) = fitted._extract_patch_features(texture(0))
    assert features.shape == (height * width, fitted.memory_bank_.shape[1])
    assert height < width  # 48 x 64


def test_native_size_takes_images_of_differing_sizes() -> None:
    images = [texture(i, (48 + 8 * (i % 3), 64)) for i in range(9)]
    model = detector(image_size=None).fit(images)
    assert model.get_anomaly_map(texture(20, (80, 56))).shape == (80, 56)
    assert len(model.decision_scores_) == 9


def test_the_paper_preset_sees_the_centre_only() -> None:
    model = detector(preset="paper").fit([texture(i) for i in range(4)] + [texture(9)] * 6)
    clean = texture(5, (256, 256))
    at_the_rim = with_blot(clean, top=0, left=0, side=12)
    np.testing.assert_array_equal(
        model.decision_function([clean]), model.decision_function([at_the_rim])
    )
    anomaly_map = model.get_anomaly_map(clean)
    assert anomaly_map.shape == (256, 256)
    assert np.all(anomaly_map[:16] == anomaly_map.min())


def test_the_bank_has_the_share_of_patches_asked_for(normal: list[np.ndarray]) -> None:
    full = detector(coreset_ratio=1.0).fit(normal)
    part = detector(coreset_ratio=0.25).fit(normal)
    assert len(part.memory_bank_) == len(full.memory_bank_) // 4
    assert full.decision_function([normal[0]])[0] == pytest.approx(0.0, abs=1e-6)


def test_one_training_image_gives_an_infinite_threshold_and_says_so() -> None:
    with pytest.warns(ThresholdWarning, match="infinite"):
        model = detector().fit([texture(0)])
    assert model.threshold_ == math.inf
    assert model.predict([with_blot(texture(1))]).tolist() == [0]


def test_the_false_positive_rate_goes_with_the_threshold(normal: list[np.ndarray]) -> None:
    fitted = detector(contamination=0.25).fit(normal)
    rate = fitted.false_positive_rate_
    assert (rate.target, rate.n, rate.rank) == (0.25, 12, 10)
    assert fitted.threshold_ == np.sort(fitted.decision_scores_)[rate.rank - 1]


def test_few_training_images_give_an_estimate_and_say_so() -> None:
    with pytest.warns(ThresholdWarning, match="takes 9 training images, here are 4"):
        model = detector().fit([texture(i) for i in range(4)])
    assert model.threshold_ > model.decision_scores_.max()
    assert model.false_positive_rate_.fitted


def test_the_source_of_the_threshold_names_the_photo_that_sets_it(
    normal: list[np.ndarray],
) -> None:
    model = detector().fit(normal)
    at = int(np.flatnonzero(model.decision_scores_ == model.threshold_)[0])
    assert model.threshold_source_.endswith(f"set by image {at}")
    assert describe_good(model).odd[0].number == int(np.argmax(model.decision_scores_))


def test_a_threshold_that_is_assigned_is_noted_as_set_by_hand(normal: list[np.ndarray]) -> None:
    model = detector().fit(normal)
    model.threshold_ = 12
    assert (model.threshold_, model.threshold_source_) == (12.0, "set by hand")
    assert model.false_positive_rate_ is None
    assert model.labels_.tolist() == (model.decision_scores_ > 12).astype(int).tolist()
    with pytest.raises(NotFittedError):
        detector().threshold_ = 12


@pytest.mark.parametrize("value", ["12", None, True, float("nan")])
def test_a_threshold_that_is_no_number_is_refused_and_the_old_one_stays(
    normal: list[np.ndarray], value: Any
) -> None:
    model = detector().fit(normal)
    before = model.threshold_
    with pytest.raises(InvalidInputError, match="the threshold must be a number, got"):
        model.threshold_ = value
    assert model.threshold_ == before


def test_it_knows_the_pictures_it_has_learnt_whatever_their_name(
    normal: list[np.ndarray], tmp_path: Path
) -> None:
    model = detector().fit(normal)
    cv2.imwrite(str(tmp_path / "copy.bmp"), normal[3][..., ::-1])
    assert model.has_learnt(normal[3])
    assert model.has_learnt(tmp_path / "copy.bmp")
    assert not model.has_learnt(texture(777))
    model.save(tmp_path / "part.pyimgano")
    loaded = pyimgano.load(tmp_path / "part.pyimgano")
    assert loaded.has_learnt(normal[3])
    assert not loaded.has_learnt(texture(777))


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("coreset_ratio", 0),
        ("coreset_ratio", 2),
        ("coreset_ratio", math.nan),
        ("contamination", 1.0),
        ("n_neighbors", 0),
        ("batch_size", 0),
        ("gaussian_sigma", -1.0),
        ("image_size", 0),
        ("preset", "papers"),
        ("on_bad_image", "ignore"),
        ("knn_backend", "annoy"),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(
    normal: list[np.ndarray], parameter: str, value: object
) -> None:
    with pytest.raises(ValueError, match=parameter):
        detector(**{parameter: value}).fit(normal)


def test_training_data_that_are_not_normal_images_are_refused(normal: list[np.ndarray]) -> None:
    with pytest.raises(InvalidInputError, match="at least one normal image"):
        detector().fit([])
    with pytest.raises(TypeError, match="list of images"):
        detector().fit(normal[0])  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="y marks 1"):
        detector().fit(normal, y=[0] * 11 + [1])
    with pytest.raises(InvalidInputError, match=r"shape \(3,\) for 12"):
        detector().fit(normal, y=[0, 0, 0])
    detector().fit(normal, y=np.zeros(12))


def test_all_unreadable_training_files_are_named_in_one_error(tmp_path: Path) -> None:
    paths = [write_image(tmp_path / f"{i}.png", texture(i)) for i in range(10)]
    Path(paths[2]).write_bytes(b"")
    Path(paths[7]).write_bytes(Path(paths[7]).read_bytes()[:100])
    with pytest.raises(ImageReadError, match=r"2 of 10 images .*2\.png.*7\.png"):
        detector(batch_size=2).fit(paths)
    model = detector(on_bad_image="skip").fit(paths)
    assert model.skipped_ == [paths[2], paths[7]]
    assert len(model.decision_scores_) == 8


def test_an_unreadable_test_file_is_an_error_after_everything_before_it(
    fitted: PatchCore, tmp_path: Path
) -> None:
    paths = [write_image(tmp_path / f"{i}.png", texture(i)) for i in range(3)]
    Path(paths[1]).write_text("no image")
    predictions = fitted.iter_predict(paths)
    assert next(predictions).path == paths[0]
    with pytest.raises(ImageReadError, match=r"1\.png"):
        next(predictions)


def test_grey_and_deep_images_are_taken(normal: list[np.ndarray]) -> None:
    grey = [image[..., 0] for image in normal]
    expected = detector().fit(grey).decision_function(grey[:2])
    deep = [image.astype(np.uint16) * 257 for image in grey]
    np.testing.assert_allclose(
        detector().fit(deep).decision_function(deep[:2]), expected, rtol=1e-3
    )


def test_it_is_cloneable_and_prints_what_was_changed() -> None:
    model = detector(coreset_ratio=0.5, layers=None)
    copy = clone(model)
    assert copy is not model
    assert copy.get_params() == model.get_params()
    assert repr(copy) == "PatchCore(coreset_ratio=0.5, backbone='embedded', image_size=(48, 64))"
    assert copy.set_params(n_neighbors=3).n_neighbors == 3
    with pytest.raises(InvalidInputError, match="no parameter 'neighbors'"):
        copy.set_params(neighbors=3)


def test_use_before_fit_is_an_error() -> None:
    with pytest.raises(NotFittedError, match="call fit first"):
        detector().decision_function([texture(0)])


def test_embedded_features_ignore_pretrained_and_refuse_weights(normal: list[np.ndarray]) -> None:
    detector(pretrained=False).fit(normal[:9])
    with pytest.raises(InvalidInputError, match="no use for weights"):
        detector(weights="x.pth").fit(normal)


def test_without_torch_the_error_names_the_extra_and_the_way_out(
    monkeypatch: pytest.MonkeyPatch, normal: list[np.ndarray]
) -> None:
    real = builtins.__import__

    def no_torch(name: str, *args: object) -> object:
        if name.partition(".")[0] in ("torch", "torchvision"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *args)  # type: ignore[arg-type]

    monkeypatch.setattr("importlib.import_module", lambda name: no_torch(name))
    monkeypatch.setattr("pyimgano.utils.optional_deps.import_module", lambda name: no_torch(name))
    monkeypatch.setattr("pyimgano.utils.optional_deps.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "torch.*backbone="embedded"'):
        PatchCore(backbone="resnet18").fit(normal)


def test_models_are_found_by_name() -> None:
    assert {"patchcore", "vision_patchcore"} <= set(list_models())
    assert "patchcore" in list_models(tags=["pixel"])
    assert model_info("patchcore")["extra"] is None
    assert isinstance(create_model("vision_patchcore", backbone="embedded"), PatchCore)
    with pytest.raises(UnknownNameError, match="'patchcor'; did you mean 'patchcore'"):
        create_model("patchcor")


def test_a_file_listed_twice_is_used_once_for_it_would_be_held_out_against_its_copy(
    tmp_path: Path,
) -> None:
    paths = [write_image(tmp_path / f"{i}.png", texture(i)) for i in range(10)]
    link = tmp_path / "link.png"
    link.symlink_to(paths[0])
    expected = detector().fit(paths)
    with pytest.warns(RepeatedImageWarning, match="11 of 21 training images"):
        model = detector().fit([*paths, *paths, str(link)])
    np.testing.assert_array_equal(model.decision_scores_, expected.decision_scores_)
    assert model.threshold_ == expected.threshold_
