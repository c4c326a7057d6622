"""Anybody's scorer makes a detector with thresholds, maps and a file."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

import pyimgano
from pyimgano.errors import DetectorFileError, InvalidInputError, NotFittedError
from pyimgano.extend import (
    ListOf,
    Number,
    PatchDetector,
    PatchGrid,
    PatchScores,
    Text,
    check_detector,
    register_scorer,
)
from pyimgano.models import PatchCore
from pyimgano.persistence.container import read_container, write_container
from pyimgano.scorers import MemoryBankScorer
from pyimgano.scorers.catalogue import SCORERS
from tests.conftest import texture, with_blot
from tests.scorers.mean_patch import MeanPatch

TRAIN = [texture(i, (48, 48)) for i in range(10)]
TEST = [texture(30, (48, 48)), with_blot(texture(31, (48, 48)))]


def detector(scorer: Any, **params: Any) -> PatchDetector:
    return PatchDetector(scorer=scorer, backbone="embedded", image_size=48, **params)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kind "mean_patch", registered for one test."""
    monkeypatch.setattr(SCORERS, "_entries", dict(SCORERS._entries))
    register_scorer(MeanPatch)


def test_its_held_out_scores_set_the_thresholds_and_its_distances_are_the_maps() -> None:
    fitted = detector(MeanPatch(), gaussian_sigma=0).fit(TRAIN)
    means = []
    for image in TRAIN:
        rows, shape = fitted._extract_patch_features(image)
        means.append(rows.mean(axis=0))
    expected = []
    for i, image in enumerate(TRAIN):
        others = np.mean([mean for j, mean in enumerate(means) if j != i], axis=0)
        rows, _ = fitted._extract_patch_features(image)
        expected.append(np.linalg.norm(rows - others, axis=1).max())
    np.testing.assert_allclose(fitted.decision_scores_, expected, rtol=1e-5)
    # 10 images, a target of 10 %: the highest but none, ceil(11 * 0.9) = 10.
    assert fitted.threshold_ == max(fitted.decision_scores_)
    assert "10 training images, each left out of what was learnt" in fitted.threshold_source_
    good, bad = fitted.iter_predict(TEST)
    assert bad.score > good.score
    rows, shape = fitted._extract_patch_features(TEST[1])
    far = np.linalg.norm(rows - np.mean(means, axis=0), axis=1).reshape(shape)
    found = np.asarray(bad.anomaly_map)
    row, column = np.unravel_index(np.argmax(found), found.shape)
    scale = 48 // shape[0]
    assert far[row // scale, column // scale] > np.quantile(far, 0.9)


def test_the_same_picture_twice_is_left_out_together() -> None:
    fitted = detector(MeanPatch()).fit([*TRAIN, TRAIN[0]])
    rows = [fitted._extract_patch_features(image)[0] for image in TRAIN]
    others = np.mean([one.mean(axis=0) for one in rows[1:]], axis=0)
    expected = np.linalg.norm(rows[0] - others, axis=1).max()
    np.testing.assert_allclose(fitted.decision_scores_[[0, 10]], expected, rtol=1e-5)


def test_a_fit_copies_the_scorer_and_shares_nothing() -> None:
    given = MeanPatch(0.9)
    first, second = detector(given).fit(TRAIN), detector(given).fit(TRAIN[:5])
    assert not hasattr(given, "mean")
    assert first.scorer is second.scorer is given
    assert first.scorer_ is not second.scorer_
    assert first.scorer_.quantile == 0.9  # type: ignore[attr-defined]
    again = detector(first.scorer_).fit(TRAIN[:5])  # one that is fitted is learnt anew
    np.testing.assert_array_equal(again.decision_function(TEST), second.decision_function(TEST))
    assert first.scorer_.mean is not again.scorer_.mean  # type: ignore[attr-defined]
    copied = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(copied.decision_function(TEST), first.decision_function(TEST))


class Listed(MeanPatch):
    """Has a parameter that can be changed in place."""

    PARAMETERS: ClassVar[Any] = {"parts": ListOf(Number())}

    def __init__(self, parts: list[float]) -> None:
        super().__init__()
        self.parts = parts


def test_what_is_done_to_a_parameter_afterwards_does_not_reach_the_fitted_one() -> None:
    given = Listed([1.0])
    fitted = detector(given).fit(TRAIN)
    given.parts.append(2.0)
    assert fitted.scorer_.parts == [1.0]  # type: ignore[attr-defined]


def test_it_passes_the_checks() -> None:
    check_detector(PatchDetector(scorer=MeanPatch(), backbone="embedded", image_size=16))


@pytest.mark.usefixtures("registered")
def test_it_comes_back_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "lid.pyimgano"
    fitted = detector(MeanPatch(0.95)).fit(TRAIN)
    fitted.save(file)
    loaded: Any = pyimgano.load(file)
    assert loaded.scorer_.quantile == loaded.scorer.quantile == 0.95
    assert not hasattr(loaded.scorer, "mean")
    assert loaded.map_threshold_ == fitted.map_threshold_
    for one, other in zip(loaded.iter_predict(TEST), fitted.iter_predict(TEST), strict=True):
        assert one.score == other.score
        np.testing.assert_array_equal(one.anomaly_map, other.anomaly_map)
    with pytest.raises(InvalidInputError, match="for detectors with a memory bank"):
        fitted.save(file, bank_dtype="float16")
    SCORERS._entries.pop("mean_patch")
    with pytest.raises(DetectorFileError, match="unknown scorer 'mean_patch'"):
        pyimgano.load(file)


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"scorer": None}, "'scorer' lacks the entry 'kind'"),
        ({"scorer": {"kind": 1, "params": {}}}, "'scorer' lacks the entry 'kind'"),
        ({"scorer": {"kind": "os.system", "params": {}}}, "unknown scorer 'os.system'"),
        ({"bank": {"dtype": "float32", "change": None}}, "'bank' does not go with the scorer"),
        ({"features": {"kind": ["embedded"]}}, "'features' are not of the kind filterbank or"),
    ],
)
def test_a_file_with_parts_that_do_not_go_together_is_refused(
    change: dict[str, Any], told: str, tmp_path: Path
) -> None:
    file = tmp_path / "lid.pyimgano"
    detector(MeanPatch()).fit(TRAIN).save(file)
    header, tensors = read_container(file)
    write_container(file, {**header, **change}, tensors)
    with pytest.raises(DetectorFileError, match=f"lid.pyimgano: {told}"):
        pyimgano.load(file)


def test_a_scorer_that_is_not_registered_is_not_stored(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="its scorer MeanPatch is not registered"):
        detector(MeanPatch()).fit(TRAIN).save(tmp_path / "lid.pyimgano")
    with pytest.raises(InvalidInputError, match="kind, PARAMETERS, to_state and from_state"):
        register_scorer(dict)


def test_a_parameter_out_of_range_and_no_scorer_at_all_are_named() -> None:
    with pytest.raises(InvalidInputError, match="quantile must be at least 0 and at most 1, got 3"):
        detector(MeanPatch(3)).fit(TRAIN)
    for wrong in (MeanPatch, "memory_bank"):
        with pytest.raises(InvalidInputError, match="scorer must be an object with begin, add"):
            detector(wrong).fit(TRAIN)


class Lying(MeanPatch):
    """Gives what no scorer may."""

    PARAMETERS: ClassVar[Any] = {"how": Text()}

    def __init__(self, how: str = "") -> None:
        super().__init__()
        self.how = how

    def score(self, grids: Sequence[PatchGrid]) -> list[PatchScores]:
        """Wrong in one way."""
        if self.how == "raises":
            raise KeyError("a bug")
        found = super().score(grids)
        if self.how == "too few":
            return found[1:]
        return [self._wrong(one) for one in found]

    def _wrong(self, one: PatchScores) -> Any:
        distances: NDArray[Any] = one.distances
        if self.how == "nan":
            return PatchScores(float("nan"), distances)
        if self.how == "infinite":
            return PatchScores(one.image, np.where(distances > 0, np.inf, distances))
        if self.how == "text":
            return PatchScores("high", distances)  # type: ignore[arg-type]
        if self.how == "per patch":
            return PatchScores(distances, distances)  # type: ignore[arg-type]
        if self.how == "flat":
            return PatchScores(one.image, distances.ravel())
        if self.how == "float64":
            return PatchScores(one.image, distances.astype(np.float64))
        return (one.image, distances)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("too few", "gave 0 scores for 1 images"),
        ("nan", "a score that is not finite"),
        ("infinite", "a score that is not finite"),
        ("text", "gave 'high' as an image's score"),
        ("per patch", r"gave \[\[.* as an image's score"),
        ("flat", "distances float32 .* for a grid of"),
        ("float64", "distances float64 .* for a grid of"),
        ("tuple", "gave tuple, not PatchScores"),
        ("raises", "fails with KeyError: 'a bug'"),
    ],
)
def test_what_cannot_be_true_is_one_error_that_names_it(how: str, told: str) -> None:
    fitted = detector(Lying(how)).fit(TRAIN)
    with pytest.raises(InvalidInputError, match=f"scorer Lying .*{told}|scorer Lying {told}"):
        fitted.predict(TEST)


class InFloat32(MeanPatch):
    """Scores as NumPy gives them."""

    def _score(self, grid: PatchGrid, mean: NDArray[np.floating]) -> PatchScores:
        one = super()._score(grid, mean)
        return PatchScores(np.float32(one.image), one.distances)  # type: ignore[arg-type]


def test_scores_are_plain_numbers_whatever_the_scorer_gives() -> None:
    fitted = detector(InFloat32()).fit(TRAIN)
    assert fitted.decision_scores_.dtype == np.float64
    assert type(fitted.predict_one(TEST[0]).score) is float


def test_with_a_memory_bank_it_is_patchcore_also_in_a_file(tmp_path: Path) -> None:
    scorer = MemoryBankScorer(coreset_ratio=0.3, n_neighbors=3, spill_dir=tmp_path)
    fitted = detector(scorer).fit(TRAIN)
    expected = PatchCore(backbone="embedded", image_size=48, coreset_ratio=0.3, n_neighbors=3).fit(
        TRAIN
    )
    np.testing.assert_array_equal(fitted.decision_scores_, expected.decision_scores_)
    np.testing.assert_array_equal(fitted.decision_function(TEST), expected.decision_function(TEST))
    fitted.save(tmp_path / "exact.pyimgano")
    loaded: Any = pyimgano.load(tmp_path / "exact.pyimgano")
    assert (loaded.scorer.n_neighbors, loaded.scorer.spill_dir) == (3, None)
    np.testing.assert_array_equal(loaded.decision_function(TEST), expected.decision_function(TEST))
    fitted.save(tmp_path / "half.pyimgano", bank_dtype="float16")
    half = pyimgano.load(tmp_path / "half.pyimgano").decision_function(TEST)
    np.testing.assert_allclose(half, expected.decision_function(TEST), rtol=1e-2)
    assert (half != expected.decision_function(TEST)).any()


class Counting(MeanPatch):
    """Notes what it is given."""

    def begin(self, n_images: int, first: PatchGrid) -> None:
        super().begin(n_images, first)
        self.n_images = n_images

    def finish(self, random_state: int, progress: Any) -> None:
        self.n_added = len(self.grids)
        super().finish(random_state, progress)


def test_copies_are_learnt_from_and_left_out_with_their_image() -> None:
    given = [*TRAIN[:3], TRAIN[0]]
    fitted: Any = detector(Counting(), references=("rotations", 4)).fit(given)
    assert fitted.scorer_.n_images == fitted.scorer_.n_added == 16
    assert len(fitted.decision_scores_) == 4
    turned = [[np.rot90(one, i) for i in range(4)] for one in given]
    rows = [[fitted._extract_patch_features(one)[0] for one in each] for each in turned]
    means = [np.mean([one.mean(axis=0) for one in each], axis=0) for each in rows]
    for i, own in enumerate((0, 1, 2, 0)):
        others = np.mean([m for j, m in zip((0, 1, 2, 0), means, strict=True) if j != own], axis=0)
        expected = np.linalg.norm(rows[i][0] - others, axis=1).max()
        assert fitted.decision_scores_[i] == pytest.approx(expected, rel=1e-4)


def test_copies_of_one_picture_give_no_threshold() -> None:
    fitted = detector(MeanPatch(), references="rotations").fit(TRAIN[:1])
    assert fitted.threshold_ == np.inf


@pytest.mark.parametrize("model", ["patchcore", "superadd", "padim", "subspacead"])
@pytest.mark.parametrize("copies", [1, 3])
def test_a_fit_on_one_picture_leaves_no_training_patches_behind(model: str, copies: int) -> None:
    fitted: Any = pyimgano.create_model(model, backbone="embedded", image_size=48)
    fitted.fit([TRAIN[0]] * copies)
    with pytest.raises(NotFittedError, match="call begin first"):
        fitted.scorer_.held_out()
    assert fitted.predict_one(TEST[1]).score > fitted.predict_one(TRAIN[0]).score
