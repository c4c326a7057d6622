"""Detectors in scikit-learn's tools, and under PyOD's names."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn import exceptions
from sklearn.base import clone, is_outlier_detector
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from pyimgano import create_model
from pyimgano.errors import InvalidInputError, NotFittedError, RepeatedImageWarning
from pyimgano.models.base import Detector
from tests.conftest import texture, with_blot

GOOD = [texture(i, (24, 24)) for i in range(9)]
BAD = [with_blot(texture(i, (24, 24)), 6, 6, 8) for i in range(20, 23)]

pytestmark = pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")


def build(name: str = "patchcore", **params: Any) -> Detector:
    given = {"backbone": "filterbank", "image_size": 24} if name == "patchcore" else {}
    detector: Detector = create_model(name, **{**given, **params})
    return detector


@pytest.fixture(scope="module")
def fitted() -> Detector:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return build().fit(GOOD)


def test_a_pipeline_fits_and_scores(fitted: Detector) -> None:
    halved = FunctionTransformer(lambda images: [image[::2, ::2] for image in images])
    pipeline = make_pipeline(halved, build(image_size=12)).fit(GOOD)
    expected = build(image_size=12).fit([image[::2, ::2] for image in GOOD])
    small = [image[::2, ::2] for image in BAD]
    np.testing.assert_array_equal(
        pipeline.decision_function(BAD), expected.decision_function(small)
    )
    np.testing.assert_array_equal(pipeline.predict(BAD), expected.predict(small))
    np.testing.assert_array_equal(pipeline.score_samples(BAD), -pipeline.decision_function(BAD))
    assert Pipeline([("detector", fitted)]).predict(BAD).tolist() == [1, 1, 1]


def splits() -> list[tuple[np.ndarray, np.ndarray]]:
    """Good images to learn from; the others and all bad ones to score."""
    good, bad = np.arange(len(GOOD)), len(GOOD) + np.arange(len(BAD))
    return [
        (np.setdiff1d(good, held), np.concatenate([held, bad])) for held in np.array_split(good, 3)
    ]


LABELS = np.array([0] * len(GOOD) + [1] * len(BAD))


@pytest.mark.parametrize("scoring", ["roc_auc", "average_precision"])
def test_cross_validation_scores_by_the_decision_function(scoring: str) -> None:
    found = cross_val_score(build(), [*GOOD, *BAD], LABELS, cv=splits(), scoring=scoring)
    assert found.tolist() == [1.0, 1.0, 1.0]


def test_cross_validated_scores_are_in_the_order_of_the_images() -> None:
    found = cross_val_predict(build(), GOOD, method="decision_function", cv=3)
    for held in np.array_split(np.arange(9), 3):
        others = [GOOD[i] for i in np.setdiff1d(np.arange(9), held)]
        expected = build().fit(others).decision_function([GOOD[i] for i in held])
        np.testing.assert_array_equal(found[held], expected)


def test_a_grid_search_finds_a_parameter() -> None:
    scorer = make_scorer(roc_auc_score, response_method="decision_function")
    grid = {"image_size": [12, 24], "contamination": [0.1]}
    search = GridSearchCV(build(), grid, scoring=scorer, cv=splits(), refit=False)
    search.fit([*GOOD, *BAD], LABELS)
    assert search.best_params_["image_size"] in (12, 24)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_check_is_fitted_and_its_error(fitted: Detector) -> None:
    check_is_fitted(fitted)
    with pytest.raises(exceptions.NotFittedError):
        check_is_fitted(build())
    for error in (NotFittedError, exceptions.NotFittedError, ValueError, AttributeError):
        with pytest.raises(error, match="PatchCore is not fitted: call fit first"):
            build().predict(GOOD)


def test_the_tags_say_what_it_is(fitted: Detector) -> None:
    tags = get_tags(fitted)
    assert is_outlier_detector(fitted)
    assert tags.requires_fit
    assert not tags.target_tags.required
    assert (tags.input_tags.two_d_array, tags.input_tags.three_d_array) == (False, True)
    assert not hasattr(fitted, "n_features_in_")


def test_a_notebook_shows_it(fitted: Detector) -> None:
    for detector in (fitted, build(), Pipeline([("detector", build())])):
        shown = detector._repr_html_() if isinstance(detector, Detector) else None
        assert shown is None or ("PatchCore" in shown and "filterbank" in shown)
    assert "PatchCore" in make_pipeline(build())._repr_html_()


def test_a_clone_is_not_fitted_and_has_the_same_parameters(fitted: Detector) -> None:
    twin = clone(fitted)
    assert twin.get_params() == fitted.get_params()
    assert not hasattr(twin, "threshold_")


def test_fit_predict_gives_the_labels_of_the_held_out_scores(fitted: Detector) -> None:
    detector = build(contamination=0.3)
    labels = detector.fit_predict(GOOD)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, detector.decision_scores_ > detector.threshold_)
    with pytest.raises(InvalidInputError, match="normal images only"):
        detector.fit_predict([*GOOD, *BAD], LABELS)


def test_fit_predict_refuses_labels_that_would_not_stand_beside_the_images(
    tmp_path: Any,
) -> None:
    from tests.conftest import write_image

    paths = [write_image(tmp_path / f"{i}.png", image) for i, image in enumerate(GOOD)]
    detector = build()
    with (
        pytest.warns(RepeatedImageWarning),
        pytest.raises(InvalidInputError, match="used 9 of 10 images: read labels_"),
    ):
        detector.fit_predict([*paths, paths[0]])
    assert len(detector.labels_) == 9


def test_score_samples_has_scikit_learns_sign(fitted: Detector) -> None:
    found = fitted.score_samples([*GOOD, *BAD])
    np.testing.assert_array_equal(found, -fitted.decision_function([*GOOD, *BAD]))
    assert found[-3:].max() < found[:-3].min()


def test_probabilities_are_on_pyods_scales(fitted: Detector) -> None:
    known = fitted.decision_scores_
    found = fitted.decision_function([*GOOD, *BAD])
    linear = fitted.predict_proba([*GOOD, *BAD])
    expected = np.clip((found - known.min()) / (known.max() - known.min()), 0, 1)
    np.testing.assert_allclose(linear[:, 1], expected, rtol=1e-12)
    np.testing.assert_allclose(linear.sum(axis=1), 1, rtol=1e-12)
    assert linear[-3:, 1].tolist() == [1.0] * 3
    unified = fitted.predict_proba([*GOOD, *BAD], method="unify")[:, 1]
    assert ((unified >= 0) & (unified <= 1)).all()
    assert unified[-3:].min() > 0.9
    with pytest.raises(InvalidInputError, match='method must be "linear" or "unify"'):
        fitted.predict_proba(GOOD, method="other")


def test_probabilities_agree_with_pyods_own() -> None:
    knn = pytest.importorskip("pyod.models.knn", reason="needs the extra pyod")
    rows = np.random.default_rng(0).normal(size=(30, 3))
    theirs = knn.KNN().fit(rows)

    class Rows:
        def extract(self, images: Any) -> np.ndarray:
            return np.array([np.asarray(i).reshape(-1) for i in images], dtype=np.float64)

    given: dict[str, Any] = {"feature_extractor": Rows(), "standardize": False}
    ours = build("vision_knn", **given).fit(list(rows[:, None, :]))
    further = np.random.default_rng(1).normal(size=(9, 3)) * 2
    ours.decision_scores_ = theirs.decision_scores_
    for method in ("linear", "unify"):
        np.testing.assert_allclose(
            ours.predict_proba(list(further[:, None, :]), method=method),
            theirs.predict_proba(further, method=method),
            rtol=1e-4,
            atol=1e-5,
        )


def test_one_training_image_gives_no_scale() -> None:
    detector = build().fit(GOOD[:1])
    with pytest.raises(InvalidInputError, match="at least two training images"):
        detector.predict_proba(GOOD)


def test_importing_the_package_imports_no_scikit_learn() -> None:
    code = "import pyimgano, sys; import pyimgano.models.base; print('sklearn' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
