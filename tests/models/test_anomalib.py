from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from pyimgano.datasets import load_dataset
from pyimgano.errors import (
    ImageReadError,
    InvalidInputError,
    MissingDependencyError,
    NotFittedError,
    ThresholdWarning,
    UnknownNameError,
    WeightsError,
)
from pyimgano.models import create_model, list_models
from pyimgano.types import Prediction
from pyimgano.utils import optional_deps
from tests.conftest import texture, with_blot, write_image
from tests.models.anomalib_alone import alone, grid_of

SIZE = (80, 96)
TRAIN = [texture(i, SIZE) for i in range(8)]
TEST = [texture(50, SIZE), with_blot(texture(51, SIZE))]


@pytest.fixture(scope="module", autouse=True)
def _anomalib() -> None:
    pytest.importorskip("anomalib", reason="needs the extra anomalib")


def small(name: str, **kwargs: Any) -> Any:
    defaults = {"pretrained": False, "image_size": 64}
    return create_model(f"vision_{name}_anomalib", **{**defaults, **kwargs})


CASES: list[tuple[str, dict[str, Any]]] = [
    ("patchcore", {"backbone": "resnet18", "folds": 2, "coreset_sampling_ratio": 0.1}),
    ("padim", {"folds": 0, "n_features": 20}),
    ("stfpm", {"max_epochs": 1}),
    ("reverse_distillation", {"backbone": "resnet18", "max_steps": 2}),
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")
@pytest.mark.parametrize(("name", "params"), CASES)
def test_it_trains_and_gives_scores_and_maps_and_leaves_nothing_behind(
    name: str,
    params: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    detector = small(name, **params).fit(TRAIN)
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    scores = detector.decision_function(TEST)
    assert (scores.dtype, scores.shape) == (np.float64, (2,))
    predictions = list(detector.iter_predict(TEST))
    assert [p.score for p in predictions] == scores.tolist()
    maps = detector.predict_anomaly_map(TEST)
    assert [(m.shape, m.dtype) for m in maps] == [(SIZE, np.float32)] * 2
    np.testing.assert_array_equal(maps[1], predictions[1].anomaly_map)
    np.testing.assert_array_equal(detector.predict(TEST), scores > detector.threshold_)
    assert detector.decision_scores_.shape == (8,)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    again = small(name, **params).fit(TRAIN)
    np.testing.assert_array_equal(again.decision_function(TEST), scores)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")
def test_training_changes_the_network_and_holds_images_out() -> None:
    one = small("stfpm", max_steps=1, holdout=0.25).fit(TRAIN)
    more = small("stfpm", max_steps=4, holdout=0.25).fit(TRAIN)
    assert "2 training images, not trained on" in one.threshold_source_
    assert one.false_positive_rate_.n == 2
    assert not np.allclose(one.decision_function(TEST), more.decision_function(TEST), rtol=1e-3)
    with pytest.warns(ThresholdWarning, match="had seen"):
        seen = small("stfpm", max_steps=1, holdout=0.0).fit(TRAIN)
    assert "had seen" in seen.threshold_source_
    assert seen.false_positive_rate_ is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")
def test_a_model_without_a_map_says_so() -> None:
    detector = small("dfkde", layers=["layer3"], n_pca_components=2, folds=0).fit(TRAIN)
    assert np.isfinite(detector.decision_function(TEST)).all()
    assert [p.anomaly_map for p in detector.iter_predict(TEST)] == [None, None]
    with pytest.raises(InvalidInputError, match="Dfkde has no anomaly map"):
        detector.predict_anomaly_map(TEST)
    # anomalib itself only logs this and leaves the density unfitted.
    with pytest.raises(InvalidInputError, match="needs at least 17 images in each fit, got 8"):
        small("dfkde", layers=["layer3"], folds=0).fit(TRAIN)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")
def test_efficientad_takes_teacher_and_natural_images_from_disk(tmp_path: Path) -> None:
    """The wiring only: the teacher is a seeded stand-in."""
    import torch
    from anomalib.models.image.efficient_ad.torch_model import EfficientAdModel

    torch.manual_seed(0)
    teacher = EfficientAdModel(teacher_out_channels=384).teacher.state_dict()
    torch.save(teacher, tmp_path / "teacher.pth")
    for i in range(2):
        write_image(tmp_path / f"natural/any/{i}.png", texture(90 + i, (64, 64)))
    given = {"teacher_weights": tmp_path / "teacher.pth", "imagenet_dir": tmp_path / "natural"}
    detector = small("efficientad", image_size=256, max_steps=2, **given).fit(TRAIN[:5])
    for key, tensor in detector.module_.model.teacher.state_dict().items():
        assert torch.equal(tensor, teacher[key]), key
    assert [m.shape for m in detector.predict_anomaly_map(TEST)] == [SIZE] * 2
    assert float(detector.module_.model.quantiles["qb_st"]) > 0
    for missing in given:
        with pytest.raises(WeightsError, match=f"needs {missing}"):
            small("efficientad", **{**given, missing: None}).validate()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")
@pytest.mark.parametrize(
    ("name", "params"), [("anomalydino", {"folds": 0}), ("dinomaly", {"max_steps": 1})]
)
def test_a_vit_takes_its_weights_from_a_file(
    name: str, params: dict[str, Any], tmp_path: Path
) -> None:
    """The wiring only: the file is a seeded stand-in."""
    timm = pytest.importorskip("timm")
    import torch

    torch.manual_seed(0)
    encoder = "vit_small_patch14_dinov2"
    state = timm.create_model(encoder, pretrained=False).state_dict()
    torch.save(state, tmp_path / "vit.pth")
    params = {"backbone": encoder, "weights": tmp_path / "vit.pth", "pretrained": True, **params}
    detector = small(name, image_size=56, **params).fit(TRAIN[:4])
    model = detector.module_.model
    extractor = model.feature_encoder if name == "anomalydino" else model.encoder
    loaded = extractor.feature_extractor.state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in loaded)
    assert [m.shape for m in detector.predict_anomaly_map(TEST)] == [SIZE] * 2


@pytest.fixture(scope="module")
def cookie(shared_data: Path) -> tuple[list[str], list[str]]:
    dataset = load_dataset("mvtec", shared_data, "cookie")
    return dataset.get_train_paths()[:10], dataset.get_test_paths().paths[::8]


def assert_same_map(ours: Prediction, theirs: Any) -> None:
    assert ours.anomaly_map is not None
    expected = grid_of(theirs.anomaly_map, ours.anomaly_map.shape)
    np.testing.assert_allclose(ours.anomaly_map, expected, rtol=1e-4, atol=1e-4 * expected.max())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["patchcore", "padim"])
def test_scores_and_maps_are_anomalibs_own_end_to_end(
    name: str,
    cookie: tuple[list[str], list[str]],
    resnet18_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    train, test = cookie
    reference = alone(name, train, test, resnet18_file)
    detector = create_model(
        f"vision_{name}_anomalib", backbone="resnet18", weights=resnet18_file, folds=0
    ).fit(train)
    predictions = list(detector.iter_predict(test))
    scores = np.array([float(item.pred_score) for item in reference])
    np.testing.assert_allclose([p.score for p in predictions], scores, rtol=1e-4)
    for prediction, item in zip(predictions, reference, strict=True):
        assert_same_map(prediction, item)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["stfpm", "reverse_distillation"])
def test_scores_and_maps_are_anomalibs_own_from_the_same_fitted_state(
    name: str, cookie: tuple[list[str], list[str]], resnet18_file: Path
) -> None:
    import anomalib.models
    import torch
    from anomalib.data.utils import read_image

    train, test = cookie
    detector = create_model(
        f"vision_{name}_anomalib", backbone="resnet18", weights=resnet18_file, max_steps=2
    ).fit(train)
    # A second module of anomalib's own, given that state.
    cls = type(detector.module_)
    assert cls.__module__.startswith(anomalib.models.__name__)
    with pytest.MonkeyPatch.context() as patch:
        import timm

        create = timm.create_model
        patch.setattr(
            timm, "create_model", lambda *a, **k: create(*a, **{**k, "pretrained": False})
        )
        module = cls(backbone="resnet18", post_processor=False, evaluator=False, visualizer=False)
    module.model.load_state_dict(detector.module_.model.state_dict())
    module.eval()
    for prediction in detector.iter_predict(test):
        assert prediction.path is not None
        with torch.inference_mode():
            # What its trainer applies; forward() has a variant for export, without antialiasing.
            pixels = module.pre_processor.transform(read_image(prediction.path, as_tensor=True))
            out = module.model(pixels[None])
        assert prediction.score == pytest.approx(float(out.pred_score), rel=1e-4)
        assert_same_map(prediction, out)


def test_the_models_are_listed() -> None:
    wanted = {f"vision_{name}_anomalib" for name, _ in CASES}
    wanted |= {"vision_efficientad_anomalib", "vision_dinomaly_anomalib"}
    assert wanted <= set(list_models("anomalib"))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"coreset": 1}, "Patchcore has no parameter 'coreset'; it has"),
        ({"batch_size": 0}, "batch_size"),
        ({"holdout": 1.0}, "holdout"),
        ({"max_epochs": 0}, "max_epochs"),
        ({"weights": "some.pth"}, "exclude each other"),
        ({"on_bad_image": "maybe"}, "on_bad_image"),
    ],
)
def test_wrong_parameters_are_named(params: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        small("patchcore", **params).validate()


def test_weights_that_are_not_there_or_do_not_fit_are_named(tmp_path: Path) -> None:
    import torch

    given = {"pretrained": True, "backbone": "resnet18"}
    with pytest.raises(WeightsError, match=r"none\.pth"):
        small("padim", weights=tmp_path / "none.pth", **given).validate()
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "part.pth")
    with pytest.raises(WeightsError, match=r"'part\.pth' lack layer 'bn1'"):
        small("padim", weights=tmp_path / "part.pth", **given).validate()


def test_scikit_learns_protocol_and_errors_before_fit(tmp_path: Path) -> None:
    detector = small("patchcore", num_neighbors=3)
    twin = clone(detector)
    assert twin.get_params()["num_neighbors"] == 3
    assert twin.get_params()["model"] == "patchcore"
    assert "num_neighbors=3" in repr(twin)
    with pytest.raises(NotFittedError):
        detector.decision_function(TEST)
    with pytest.raises(UnknownNameError, match="patchcore"):
        twin.set_params(model="pathcore").validate()
    paths = [write_image(tmp_path / f"{i}.png", TRAIN[i]) for i in range(3)]
    Path(paths[1]).write_bytes(b"no image")
    with pytest.raises(ImageReadError, match=r"1\.png"):
        detector.fit(paths)


def test_without_anomalib_there_is_one_clean_import_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> tuple[None, BaseException]:
        return None, ImportError(name)

    monkeypatch.setattr(optional_deps, "optional_import", missing)
    monkeypatch.setattr(optional_deps, "_is_installed", lambda name: False)
    with pytest.raises(MissingDependencyError, match='is not installed: pip install "anomalib'):
        small("patchcore").validate()


@pytest.mark.parametrize(
    ("name", "n", "folds", "message"),
    [
        ("dfkde", 10, 0, "Dfkde needs at least 17 images in each fit, got 10"),
        ("dfkde", 24, 3, "Dfkde needs at least 17 images in each fit, got 16, with 8 held out"),
        ("padim", 1, 0, "Padim needs at least 2 images in each fit, got 1"),
        ("padim", 2, 3, "Padim needs at least 2 images in each fit, got 1, with 1 held out"),
    ],
)
def test_too_few_images_for_a_fit_are_told_by_number(
    name: str, n: int, folds: int, message: str
) -> None:
    given = {"backbone": "resnet18", "pretrained": False, "image_size": 32, "folds": folds}
    detector = create_model(f"vision_{name}_anomalib", **given)
    with pytest.raises(InvalidInputError, match=message):
        detector.fit([texture(i, (32, 32)) for i in range(n)])


@pytest.mark.parametrize("name", ["padim", "patchcore", "dfkde"])
def test_copies_and_pickles_score_alike(name: str) -> None:
    given = {"backbone": "resnet18", "pretrained": False, "image_size": 32, "folds": 0}
    detector = create_model(f"vision_{name}_anomalib", **given)
    detector.fit([texture(i, (32, 32)) for i in range(18)])
    test = [texture(30, (32, 32))]
    for twin in (
        copy.copy(detector),
        copy.deepcopy(detector),
        pickle.loads(pickle.dumps(detector)),
    ):
        np.testing.assert_array_equal(
            twin.decision_function(test), detector.decision_function(test)
        )
