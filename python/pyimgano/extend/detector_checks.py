"""Checks of a detector, in the manner of scikit-learn's estimator checks."""

import copy
import pickle
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import CheckFailedError, InvalidTypeError, NotFittedError
from pyimgano.extend.rows_as_images import on_rows
from pyimgano.types import ImageInput
from pyimgano.utils.params import check_declaration

_SIGNS = "labels and scores have PyOD's signs: 1 is a defect, higher is more anomalous"
_NO_TABLE = "X is a list of images, which has no sparse form: the error names the type that came"
_ONE = "a detector that can learn nothing from one image says so in its own words"
_OPEN = "further parameters go to another package's class and are kept in params"
#: Checks of scikit-learn that do not hold for detectors of images, and why.
EXPECTED_FAILURES: Mapping[str, str] = {
    "check_outliers_train": _SIGNS,
    "check_outliers_fit_predict": _SIGNS,
    "check_estimator_sparse_tag": _NO_TABLE,
    "check_estimator_sparse_array": _NO_TABLE,
    "check_estimator_sparse_matrix": _NO_TABLE,
    "check_fit2d_1sample": _ONE,
}
#: The same for a detector whose constructor takes ``**params``.
_OF_OPEN_PARAMETERS = {
    "check_no_attributes_set_in_init": _OPEN,
    "check_do_not_raise_errors_in_init_or_set_params": f"{_OPEN}: the check sets params itself",
}

Images = Sequence[ImageInput]


def check_detector(
    detector: Any,
    *,
    images: Images | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> None:
    """Check that a detector keeps what users and scikit-learn's tools rely on.

    First what this package promises of every detector: scores in the order of the images, whatever
    holds them and however they are batched; copies and pickles that score alike; a fit that leaves
    everything as it was when it fails; errors that say what to pass. Then scikit-learn's estimator
    checks, with images made of the rows of its tables; those in :data:`EXPECTED_FAILURES` may fail.

    Parameters
    ----------
    detector
        Not fitted; it stays as it is. Its images may be as small as 16 x 16 pixels, grey and of
        16 bits: set its image size accordingly.
    images
        Normal images for the first part, at least six; None: textures of 32 x 32 pixels.
    expected_failures
        Further checks that may fail, by name, each with the reason.

    Raises
    ------
    CheckFailedError
        (an AssertionError) names every check that failed, and why.

    Examples
    --------
    >>> from pyimgano import create_model
    >>> check_detector(create_model("patchcore", backbone="embedded", image_size=16))
    """
    methods = ("fit", "iter_predict", "decision_function", "get_params")
    lacking = [name for name in methods if not callable(getattr(detector, name, None))]
    if lacking or isinstance(detector, type):
        what = f"it lacks {', '.join(lacking)}" if lacking else "it is a class"
        raise CheckFailedError(f"{detector!r:.80} is no detector: {what}")
    allowed = {**EXPECTED_FAILURES, **(expected_failures or {})}
    if hasattr(detector, "params"):
        allowed |= _OF_OPEN_PARAMETERS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        failed = _own_failures(detector, _textures() if images is None else images)
        failed |= _sklearn_failures(detector, allowed)
    failed = {name: reason for name, reason in failed.items() if name not in allowed}
    if failed:
        lines = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        raise CheckFailedError(f"{type(detector).__name__} fails {len(failed)} checks: {lines}")


def _own_failures(detector: Any, images: Images) -> dict[str, str]:
    failed = {}
    for check in _CHECKS:
        try:
            check(copy.deepcopy(detector), images)
        except Exception as error:  # whatever a detector may raise
            failed[check.__name__.lstrip("_")] = _gist(error)
    return failed


def _sklearn_failures(detector: Any, allowed: Mapping[str, str]) -> dict[str, str]:
    from sklearn.utils.estimator_checks import check_estimator

    results: Any = check_estimator(
        on_rows(detector), on_fail=None, on_skip=None, expected_failed_checks=dict(allowed)
    )
    return {r["check_name"]: _gist(r["exception"]) for r in results if r["status"] == "failed"}


def _gist(error: Any) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}"


def _textures() -> list[NDArray[np.uint8]]:
    """Twelve smooth random images, uint8 (32, 32, 3)."""
    noise = np.random.default_rng(0).uniform(0, 255, (12, 32, 32, 3)).astype(np.float32)
    smooth = [cv2.GaussianBlur(image, (0, 0), 1.5) for image in noise]
    return [np.clip(128 + 4 * (one - np.mean(one)), 0, 255).astype(np.uint8) for one in smooth]


def _require(holds: object, text: str) -> None:
    if not holds:
        raise CheckFailedError(text)


def _same(found: Any, expected: Any, text: str) -> None:
    _require(np.array_equal(np.asarray(found), np.asarray(expected), equal_nan=True), text)


def _check_scores_keep_the_order_of_the_images(detector: Any, images: Images) -> None:
    detector.fit(images)
    scores = detector.decision_function(images)
    _require(scores.dtype == np.float64, f"scores are {scores.dtype}, not float64")
    _require(scores.shape == (len(images),), f"{scores.shape} scores for {len(images)} images")
    alone = [float(detector.decision_function([image])[0]) for image in images]
    _same(scores, alone, "an image's score depends on the others in the call")
    _same(detector.decision_function(iter(images)), scores, "an iterator gives other scores")
    found = [p.score for p in detector.iter_predict(images)]
    _same(found, scores, "iter_predict gives other scores than decision_function")
    labels = detector.predict(images)
    _same(labels, scores > detector.threshold_, "predict is not score > threshold_")
    expected = detector.decision_scores_ > detector.threshold_
    _same(detector.labels_, expected, "labels_ is not decision_scores_ > threshold_")
    _same(detector.score_samples(images), -scores, "score_samples is not -decision_function")


def _check_fits_are_repeatable(detector: Any, images: Images) -> None:
    first = copy.deepcopy(detector).fit(images).decision_function(images)
    _same(detector.fit(images).decision_function(images), first, "a second fit scores otherwise")


def _check_copies_score_alike(detector: Any, images: Images) -> None:
    scores = detector.fit(images).decision_function(images)
    for name, twin in (
        ("copy.copy", copy.copy(detector)),
        ("copy.deepcopy", copy.deepcopy(detector)),
        ("pickle", pickle.loads(pickle.dumps(detector))),
    ):
        _same(twin.decision_function(images), scores, f"{name} gives other scores")


def _check_a_failed_fit_changes_nothing(detector: Any, images: Images) -> None:
    before = detector.fit(images).decision_function(images)
    bad: Any = [*images, "no such file.png"]
    _require(_raises(OSError, lambda: detector.fit(bad)), "fit takes a file that is not there")
    _require(_raises(ValueError, lambda: detector.fit([])), "fit takes no images at all")
    labels = [1] * len(images)
    _require(_raises(ValueError, lambda: detector.fit(images, labels)), "fit takes defects (y = 1)")
    _same(detector.decision_function(images), before, "a fit that failed changed the scores")


def _check_errors_say_what_to_pass(detector: Any, images: Images) -> None:
    call = detector.decision_function
    _require(_raises(NotFittedError, lambda: call(images)), "no NotFittedError before fit")
    detector.fit(images)
    for bad in ("image.png", {"image.png": 0}, None, [None], images[0]):
        for method in (detector.fit, call):
            told = _raises(InvalidTypeError, partial(method, bad))
            _require(told, f"no InvalidTypeError for {type(bad).__name__} in place of images")


def _check_parameters_are_kept(detector: Any, images: Images) -> None:
    from sklearn.base import clone

    before = detector.get_params()
    twin = clone(detector.fit(images))
    after = detector.get_params()
    _require(all(after[k] is v for k, v in before.items()), "fit changed a parameter")
    _require(twin.get_params().keys() == before.keys(), "clone has other parameters")
    _require(not hasattr(twin, "threshold_"), "clone is fitted")


def _check_every_parameter_is_declared(detector: Any, images: Images) -> None:
    check_declaration(type(detector))
    detector.check_params()


def _raises(error: type[Exception], call: Callable[[], Any]) -> bool:
    try:
        call()
    except error:
        return True
    return False


_CHECKS = (
    _check_scores_keep_the_order_of_the_images,
    _check_fits_are_repeatable,
    _check_copies_score_alike,
    _check_a_failed_fit_changes_nothing,
    _check_errors_say_what_to_pass,
    _check_parameters_are_kept,
    _check_every_parameter_is_declared,
)
