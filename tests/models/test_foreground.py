"""Detectors that score the part alone, and not the ground that it lies on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyimgano
from pyimgano import create_model
from pyimgano.cli.main import main
from pyimgano.errors import InvalidInputError, RegionWarning
from pyimgano.features.patches.foreground import foreground_of
from pyimgano.models import PatchCore
from pyimgano.models.anomalydino import AnomalyDINO
from pyimgano.models.patch_detector import PatchDetector
from tests.conftest import texture, write_image
from tests.models.cells import Cells
from tests.scorers.mean_patch import MeanPatch

pytestmark = pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")

SIZE = (96, 128)
#: The part, in whole patches of 8 pixels.
PART = (slice(24, 72), slice(32, 96))


def photo(seed: int) -> np.ndarray:
    """A bright part on a dark ground."""
    image = texture(seed, SIZE) // 8
    image[PART] = 120 + texture(seed + 100, SIZE)[PART] // 4
    return image


def spotted(image: np.ndarray, top: int, left: int, colour: Any) -> np.ndarray:
    found = image.copy()
    found[top : top + 8, left : left + 8] = colour
    return found


TRAIN = [photo(i) for i in range(6)]
GOOD = photo(30)
BAD = spotted(GOOD, 40, 56, (255, 0, 0))
#: A defect where nobody looks.
ELSEWHERE = spotted(GOOD, 8, 8, (45, 0, 0))
OPTIONS: dict[str, Any] = {"backbone": Cells(8), "image_size": SIZE}
LEVEL = 1.0


@pytest.mark.parametrize("how", [LEVEL, "auto"])
@pytest.mark.parametrize("model", ["anomalydino", "superadd", "padim", "subspacead", "mutual"])
def test_every_detector_scores_the_part_alone(model: str, how: Any, tmp_path: Path) -> None:
    options = {**OPTIONS, "backbone": "filterbank", "image_size": SIZE}
    level = how if isinstance(how, str) else 0.1  # of features of another scale
    extra = {"n_features": 20} if model == "padim" else {}
    given = {"foreground": level, "image_score": "max", "gaussian_sigma": 0}
    detector: Any = create_model(model, **{**options, **extra, **given}).fit(TRAIN)
    good, bad, elsewhere = detector.iter_predict([GOOD, BAD, ELSEWHERE])
    assert bad.score > good.score
    assert elsewhere.anomaly_map[:12, :12].max() == 0
    assert (good.anomaly_map[PART] > 0).mean() > 0.9
    detector.save(tmp_path / "part.pyimgano")
    loaded: Any = pyimgano.load(tmp_path / "part.pyimgano")
    assert loaded.foreground == level
    assert loaded.threshold_ == detector.threshold_
    np.testing.assert_array_equal(loaded.decision_function([BAD]), [bad.score])
    np.testing.assert_array_equal(loaded.get_anomaly_map(BAD), bad.anomaly_map)


def test_it_is_anomalydino_s_rule_references_whole_and_zeros_in_the_score() -> None:
    share = 0.4  # of 192 patches 76, more than the part has
    common = {**OPTIONS, "coreset_ratio": 1.0, "image_score": ("top", share)}
    masked = AnomalyDINO(**common, foreground=LEVEL).fit(TRAIN)
    whole = AnomalyDINO(**common).fit(TRAIN)
    np.testing.assert_array_equal(masked.scorer_.memory_bank_, whole.scorer_.memory_bank_)
    (grid,) = whole._extract([whole._preprocessor.load(BAD)], _timer())
    (of_all,) = whole.scorer_.score([grid])
    mask = foreground_of(grid, LEVEL)
    assert mask is not None
    assert 48 < mask.sum() < 76 + 20
    distances = np.where(mask, of_all.distances, 0)
    top = np.sort(distances, axis=None)[::-1][: int(share * distances.size)]
    assert masked.predict_one(BAD).score == pytest.approx(top.mean(), rel=1e-5)
    # So are the scores that thresholds come from.
    (own,) = whole._extract([whole._preprocessor.load(TRAIN[0])], _timer())
    first = whole._held_out[0].distances
    held = np.where(foreground_of(own, LEVEL), first, 0)
    expected = np.sort(held, axis=None)[::-1][: int(share * held.size)].mean()
    assert masked.decision_scores_[0] == pytest.approx(expected, rel=1e-5)
    nearest = masked.predict_one(BAD).nearest
    assert nearest is not None
    np.testing.assert_array_equal(nearest[..., 0] < 0, ~mask)


def _timer() -> Any:
    from pyimgano.utils.timing import StageTimer

    return StageTimer()


def test_it_goes_with_a_region_and_with_tiles() -> None:
    right = np.zeros(SIZE, np.bool_)
    right[:, 64:] = True
    both = AnomalyDINO(**OPTIONS, foreground=LEVEL, roi=right).fit(TRAIN)
    found = both.get_anomaly_map(BAD)
    assert not found[:, :64].any()
    assert found[40:56, 72:88].all()
    score = both.predict_one(BAD).score  # the mean of the largest of half the patches
    assert score == pytest.approx(both.predict_one(GOOD).score, rel=1e-6)
    tiled = AnomalyDINO(backbone=Cells(8), image_size=None, tiles=64, foreground=LEVEL).fit(TRAIN)
    plain = AnomalyDINO(backbone=Cells(8), image_size=None, foreground=LEVEL).fit(TRAIN)
    np.testing.assert_allclose(
        tiled.decision_function([BAD]), plain.decision_function([BAD]), rtol=1e-4
    )


def test_an_image_without_a_part_is_scored_whole_and_a_fit_says_how_many() -> None:
    flat = [texture(i, SIZE) for i in range(2)]
    with pytest.warns(RegionWarning, match=re.escape("foreground=10 finds no part in 8 of 8")):
        detector = AnomalyDINO(**OPTIONS, foreground=10).fit([*TRAIN, *flat])
    plain = AnomalyDINO(**OPTIONS).fit([*TRAIN, *flat])
    np.testing.assert_array_equal(detector.decision_function([BAD]), plain.decision_function([BAD]))


def test_a_region_without_a_part_in_it_is_scored_whole_and_a_fit_says_so() -> None:
    beside = np.zeros(SIZE, np.bool_)
    beside[:, :16] = True
    with pytest.warns(
        RegionWarning, match=re.escape(f"foreground={LEVEL} finds no part in 6 of 6")
    ):
        detector = AnomalyDINO(**OPTIONS, foreground=LEVEL, roi=beside).fit(TRAIN)
    plain = AnomalyDINO(**OPTIONS, roi=beside).fit(TRAIN)
    assert detector.threshold_ == plain.threshold_ > 0
    (found,) = detector.decision_function([ELSEWHERE])
    assert found == plain.decision_function([ELSEWHERE])[0] > detector.threshold_
    np.testing.assert_array_equal(
        detector.get_anomaly_map(ELSEWHERE), plain.get_anomaly_map(ELSEWHERE)
    )


def test_a_score_that_cannot_leave_patches_out_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="set image_score to max"):
        PatchCore(**OPTIONS, foreground="auto").fit(TRAIN)
    PatchCore(**OPTIONS, foreground="auto", image_score="max").fit(TRAIN)
    with pytest.raises(InvalidInputError, match="needs a scorer that has an image_score"):
        PatchDetector(scorer=MeanPatch(), **OPTIONS, foreground="auto").fit(TRAIN)
    for odd in (0, -1, "part", True):
        with pytest.raises(InvalidInputError, match="foreground must be"):
            AnomalyDINO(**OPTIONS, foreground=odd).fit(TRAIN)


def test_the_command_line_has_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i, image in enumerate(TRAIN):
        write_image(tmp_path / f"good/{i}.png", image)
    file = str(tmp_path / "part.pyimgano")
    given = ["--model", "anomalydino", "--backbone", "filterbank", "--image-size", "96x128"]
    for word, value in (("auto", "auto"), ("0.5", 0.5)):
        options = [*given, "--foreground", word, "--quiet"]
        assert main(["fit", str(tmp_path / "good"), "-o", file, *options]) == 0
        loaded: Any = pyimgano.load(file)
        assert loaded.foreground == value
    assert main(["fit", str(tmp_path / "good"), "-o", file, *given, "--foreground", "-2"]) == 2
    assert "--foreground" in capsys.readouterr().err
