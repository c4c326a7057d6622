from __future__ import annotations

import copy
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from pyimgano.errors import DatasetError, ImageReadError, InvalidInputError, UnknownNameError
from pyimgano.models import PatchCore
from pyimgano.models.threshold import DEFAULT_TARGET
from pyimgano.pipelines.calibrate import run_calibrate
from tests.conftest import texture, with_blot, write_image


@pytest.fixture(scope="module")
def learnt() -> PatchCore:
    return PatchCore(backbone="filterbank", image_size=(48, 64)).fit(
        [texture(i) for i in range(12)]
    )


@pytest.fixture
def detector(learnt: PatchCore) -> PatchCore:
    return copy.copy(learnt)  # calibration replaces attributes


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for i in range(19):
        write_image(tmp_path / f"good/{i:02d}.png", texture(100 + i))
    for i in range(4):
        write_image(tmp_path / f"bad/{i}.png", with_blot(texture(200 + i)))
    return tmp_path


def test_normal_images_alone_give_a_conformal_threshold_and_its_rate(
    detector: PatchCore, folders: Path
) -> None:
    before = detector.threshold_
    scores = np.sort(detector.decision_function(sorted(map(str, (folders / "good").iterdir()))))
    run = run_calibrate(detector, [folders / "good"], target=0.1)
    assert detector.threshold_ == scores[17]  # rank ceil(20 * 0.9) = 18
    assert (run.before.threshold, run.after.threshold) == (before, detector.threshold_)
    assert (run.after.n_false_alarms, run.after.n_normal, run.after.n_anomalous) == (1, 19, 0)
    assert detector.false_positive_rate_ == run.false_positive_rate
    assert (run.false_positive_rate.target, run.false_positive_rate.expected) == (0.1, 0.1)
    assert detector.threshold_source_ == (
        "calibrated on 19 normal and 0 anomalous images: target false-positive rate 0.1"
    )


def test_as_many_normal_maps_exceed_their_level_as_images_are_flagged(
    detector: PatchCore, folders: Path
) -> None:
    run = run_calibrate(detector, [folders / "good"], target=0.2)
    maps = detector.predict_anomaly_map(sorted(map(str, (folders / "good").iterdir())))
    above = sum(bool((m > detector.map_threshold_).any()) for m in maps)
    assert above == run.after.n_false_alarms == 3


def test_labelled_images_part_good_from_bad(detector: PatchCore, folders: Path) -> None:
    run = run_calibrate(detector, [folders / "good"], [folders / "bad"])
    assert (run.after.n_false_alarms, run.after.n_found, run.after.n_anomalous) == (0, 4, 4)
    assert detector.false_positive_rate_ is None
    assert detector.threshold_source_.endswith("19 normal and 4 anomalous images: best f1")
    run = run_calibrate(
        detector, [folders / "good"], [folders / "bad"], objective="recall", target=0.5
    )
    assert run.after.n_found >= 2
    assert run.source.endswith("recall of 0.5")


def test_a_rate_too_low_for_the_images_is_called_an_estimate(
    detector: PatchCore, folders: Path
) -> None:
    run = run_calibrate(detector, [folders / "good"], target=0.01)
    assert run.false_positive_rate.fitted
    assert "fewer than 99 images cannot show it" in run.false_positive_rate.describe()
    assert any("takes 99 normal images, here are 19" in note for note in run.notes)


def test_the_default_target_is_that_of_fit(detector: PatchCore, folders: Path) -> None:
    run = run_calibrate(detector, [folders / "good"])
    assert run.false_positive_rate.target == DEFAULT_TARGET == PatchCore().contamination == 0.1


def test_a_threshold_that_is_given_is_set_and_images_show_what_it_does(
    detector: PatchCore, folders: Path
) -> None:
    run = run_calibrate(detector, [folders / "good"], [folders / "bad"], threshold=0.5)
    assert (detector.threshold_, detector.threshold_source_) == (0.5, "set by hand")
    assert detector.false_positive_rate_ is None
    assert (run.after.n_false_alarms, run.after.n_found) == (19, 4)
    assert run_calibrate(detector, threshold=math.inf).after.n_normal == 0
    assert detector.threshold_ == math.inf
    with pytest.raises(InvalidInputError, match="threshold excludes objective and target"):
        run_calibrate(detector, [folders / "good"], threshold=1.0, target=0.1)
    with pytest.raises(InvalidInputError, match="NaN"):
        run_calibrate(detector, threshold=math.nan)


def test_one_normal_image_gives_infinity_for_maps_too(detector: PatchCore, folders: Path) -> None:
    run_calibrate(detector, [folders / "good/00.png"], target=0.1)
    assert (detector.threshold_, detector.map_threshold_) == (math.inf, math.inf)


def test_images_that_were_learnt_from_are_noticed(detector: PatchCore, tmp_path: Path) -> None:
    for i in range(12):
        write_image(tmp_path / f"seen/{i}.bmp", texture(i))
    with pytest.raises(InvalidInputError, match="has learnt all 12"):
        run_calibrate(detector, [tmp_path / "seen"], target=0.1)
    for i in range(500, 512):
        write_image(tmp_path / f"seen/{i}.png", texture(i))
    run = run_calibrate(detector, [tmp_path / "seen"], target=0.1)
    assert run.after.n_normal == run.false_positive_rate.n == 12
    (note,) = run.notes
    assert note.startswith("12 of 24 are images that the detector has learnt from, such as ")
    assert "0.bmp" in note


def test_fresh_images_are_not_taken_for_those_learnt_from(
    detector: PatchCore, folders: Path
) -> None:
    run = run_calibrate(detector, [folders / "good"], target=0.1)
    assert not any("learnt from" in note for note in run.notes)


def test_wrong_input_is_named_and_changes_nothing(detector: PatchCore, folders: Path) -> None:
    before = (detector.threshold_, detector.threshold_source_)
    with pytest.raises(InvalidInputError, match="'f1' needs anomalous images"):
        run_calibrate(detector, [folders / "good"], objective="f1")
    with pytest.raises(DatasetError, match="in both lists"):
        run_calibrate(detector, [folders / "good"], [folders / "good/01.png"])
    with pytest.raises(UnknownNameError, match="unknown objective 'best'"):
        run_calibrate(detector, [folders / "good"], objective="best")
    with pytest.raises(InvalidInputError, match="target must be above 0 and below 1, got 2"):
        run_calibrate(detector, [folders / "good"], target=2)
    (folders / "good/01.png").write_bytes(b"")
    (folders / "good/02.png").write_bytes(b"")
    with pytest.raises(ImageReadError, match=r"01\.png.*02\.png"):
        run_calibrate(detector, [folders / "good"])
    assert (detector.threshold_, detector.threshold_source_) == before


def test_a_file_that_is_listed_twice_counts_once(detector: PatchCore, folders: Path) -> None:
    run = run_calibrate(detector, [folders / "good", folders / "good/00.png"], target=0.1)
    assert (run.after.n_normal, detector.false_positive_rate_.n) == (19, 19)
    assert any("1 of 20 normal images" in note for note in run.notes)


def test_one_folder_need_not_be_in_a_list(detector: PatchCore, folders: Path) -> None:
    run = run_calibrate(detector, str(folders / "good"), folders / "bad")
    assert (run.after.n_normal, run.after.n_anomalous) == (19, 4)


def test_too_few_images_are_not_called_training_images(detector: PatchCore, folders: Path) -> None:
    run = run_calibrate(detector, [folders / f"good/0{i}.png" for i in range(4)])
    assert run.notes == [
        "threshold_ is an estimate: to show that 10 % of the good images are flagged takes 9 normal"
        " images, here are 4, so the tail of their scores is taken to follow a Gumbel law"
    ]


def test_normal_images_that_show_the_same_picture_count_once(
    detector: PatchCore, folders: Path
) -> None:
    once = run_calibrate(copy.copy(detector), [folders / "good"], target=0.1)
    for path in sorted((folders / "good").iterdir()):
        cv2.imwrite(str(path.with_suffix(".bmp")), cv2.imread(str(path)))
    twice = run_calibrate(detector, [folders / "good"], target=0.1)
    assert twice.after.n_normal == 38
    assert twice.false_positive_rate == once.false_positive_rate
    assert twice.after.threshold == once.after.threshold
    assert twice.source.endswith("only 19 of the normal ones show a picture of their own")


@pytest.mark.parametrize(
    ("threshold", "said"),
    [
        (math.inf, "the threshold is inf: nothing will be flagged"),
        (-math.inf, "the threshold is -inf: everything will be flagged"),
        (-3.0, "the threshold flags all of these images"),
    ],
)
def test_a_threshold_that_parts_nothing_says_so(
    detector: PatchCore, folders: Path, threshold: float, said: str
) -> None:
    assert said in run_calibrate(detector, [folders / "good"], threshold=threshold).notes
