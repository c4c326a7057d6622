"""Detectors that bring all images to the light of the training images."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyimgano
from pyimgano import create_model
from pyimgano.cli.main import main
from pyimgano.errors import DetectorFileError, ImageReadError, InvalidInputError
from pyimgano.images.light import Light
from pyimgano.models import PatchCore
from tests.conftest import texture, with_blot, write_image

TRAIN = [texture(i) for i in range(10)]
GOOD, BAD = texture(30), with_blot(texture(30))
BANK: dict[str, Any] = {"backbone": "filterbank", "image_size": (48, 64)}
TILED: dict[str, Any] = {"image_size": None, "tiles": 48, "tile_overlap": 16}
RIGHT = np.zeros((48, 64), np.bool_)
RIGHT[:, 32:] = True


def relit(image: np.ndarray, gain: float, offset: float = 0.0) -> np.ndarray:
    """All values times a gain, plus an offset in steps of 8 bits; none of those here is clipped."""
    values = image.astype(np.float64) * gain + offset
    assert values.min() >= 0
    assert values.max() <= 255
    return np.rint(values).astype(np.uint8)


@pytest.fixture(autouse=True)
def _few_images() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("patchcore", {}),
        ("patchcore", TILED),
        ("patchcore", {"roi": RIGHT}),
        ("patchcore", {"references": ("rotations", 2), "roi": RIGHT}),
        ("padim", {"n_features": 20}),
        ("subspacead", {"projection": 16}),
        ("anomalydino", {}),
        ("superadd", {}),
        ("mutual", {}),
    ],
)
def test_gain_and_offset_hardly_change_a_score(model: str, options: Any, tmp_path: Path) -> None:
    given = {"backbone": "embedded", "image_size": (48, 64), **options}
    detector: Any = create_model(model, **given, light="match").fit(TRAIN)
    plain: Any = create_model(model, **given).fit(TRAIN)
    taken = [GOOD, relit(GOOD, 0.7), relit(GOOD, 0.6, 60)]
    scores, unlike = detector.decision_function(taken), plain.decision_function(taken)
    apart = np.abs(scores - scores[0])[1:]
    assert (apart < 0.02 * scores[0]).all()
    assert (apart < 0.2 * np.abs(unlike - unlike[0])[1:]).all()
    detector.save(tmp_path / "lit.pyimgano")
    loaded: Any = pyimgano.load(tmp_path / "lit.pyimgano")
    assert loaded.light_ == detector.light_
    assert loaded.get_params()["light"] == "match"
    np.testing.assert_array_equal(loaded.decision_function(taken), scores)


def test_defects_stand_out_where_each_photo_has_a_light_of_its_own() -> None:
    gains = np.linspace(0.5, 1, 10)
    lit = [relit(image, gain) for image, gain in zip(TRAIN, gains, strict=True)]
    new = [relit(texture(30 + i), gain) for i, gain in enumerate(gains)]
    bad = [relit(with_blot(texture(40 + i)), gain) for i, gain in enumerate(gains)]
    options: dict[str, Any] = {"backbone": "embedded", "image_size": (48, 64)}
    wrong = {}
    for light in ("match", None):
        detector = PatchCore(**options, light=light).fit(lit)
        good, found = detector.decision_function(new), detector.decision_function(bad)
        wrong[light] = int((good[:, None] >= found).sum())  # of 100 pairs
    assert wrong["match"] == 0 < wrong[None]


def test_the_target_is_the_median_light_inside_the_region() -> None:
    lit = [relit(image, gain) for image, gain in zip(TRAIN, np.linspace(0.5, 1, 10), strict=True)]
    whole = PatchCore(**BANK, light="match").fit(lit)
    right = PatchCore(**BANK, light="match", roi=RIGHT).fit(lit)
    assert whole.light_ == Light.typical([Light.of(image / np.float32(255)) for image in lit])
    inside = [Light.of(image[:, 32:] / np.float32(255)) for image in lit]
    expected = Light.typical(inside)
    assert right.light_ is not None
    assert right.light_.mean == pytest.approx(expected.mean, abs=1e-9)
    assert right.light_.deviation == pytest.approx(expected.deviation, abs=1e-9)


def test_what_lies_outside_the_region_changes_no_light() -> None:
    detector = PatchCore(**BANK, light="match", roi=RIGHT).fit(TRAIN)
    black = GOOD.copy()
    black[:, :20] = 0  # beyond the reach of the filters
    seen = [detector._preprocessor.load(image).pixels[:, 32:] for image in (GOOD, black)]
    np.testing.assert_array_equal(*seen)


def test_without_it_nothing_changes() -> None:
    plain = PatchCore(**BANK).fit(TRAIN)
    assert plain.light_ is None
    again = PatchCore(**BANK, light="match").fit(TRAIN).set_params(light=None).fit(TRAIN)
    assert again.light_ is None
    taken = [GOOD, BAD, relit(GOOD, 0.7)]
    np.testing.assert_array_equal(again.decision_function(taken), plain.decision_function(taken))
    assert again.threshold_ == plain.threshold_


def test_batches_files_and_order_change_nothing(tmp_path: Path) -> None:
    taken = [GOOD, BAD, relit(GOOD, 0.7), relit(BAD, 0.5)]
    paths = [write_image(tmp_path / f"{i}.png", image) for i, image in enumerate(taken)]
    detector = PatchCore(**BANK, light="match").fit(TRAIN)
    scores = detector.decision_function(taken)
    np.testing.assert_array_equal(detector.decision_function(paths), scores)
    np.testing.assert_array_equal(detector.decision_function(taken[::-1]), scores[::-1])
    single = PatchCore(**BANK, light="match", batch_size=1).fit(TRAIN)
    np.testing.assert_allclose(single.decision_function(taken), scores, rtol=1e-6)


def test_the_whole_image_has_one_light_whatever_its_tiles() -> None:
    train = [texture(i, (96, 160)) for i in range(6)]
    detector = PatchCore(backbone="embedded", **TILED, light="match").fit(train)
    half = texture(30, (96, 160))
    half[:, 80:] = relit(half[:, 80:], 0.5)
    own = Light.of(half)
    assert detector.light_ is not None
    gain = detector.light_.deviation / own.deviation
    values = (half / 255 - own.mean) * gain + detector.light_.mean
    expected = np.clip(np.rint(values * 255), 0, 255)
    found = detector._preprocessor.load(half).pixels
    assert found.dtype == np.uint8
    assert np.abs(found - expected).max() <= 1


def test_16_bits_score_as_8_do() -> None:
    deep = [image.astype(np.uint16) * 257 for image in (*TRAIN, GOOD, BAD)]
    scores = []
    for *train, good, bad in ([*TRAIN, GOOD, BAD], deep):
        detector = PatchCore(**BANK, light="match").fit(train)
        scores.append(detector.decision_function([good, bad]))
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-4)


def test_warnings_judge_the_photo_as_it_was_taken() -> None:
    detector, plain = (PatchCore(**BANK, light=light).fit(TRAIN) for light in ("match", None))
    dark = relit(GOOD, 0.5)
    assert detector.predict_one(dark).warnings == plain.predict_one(dark).warnings != ()


def test_a_constant_image_is_scored() -> None:
    detector = PatchCore(**BANK, light="match").fit(TRAIN)
    flat = [np.full((48, 64, 3), grey, np.uint8) for grey in (0, 100, 255)]
    scores = detector.decision_function(flat)
    assert np.isfinite(scores).all()
    # All become the same grey, but for the last bit.
    np.testing.assert_allclose(scores, scores[0], rtol=1e-4)


def test_training_images_are_known_again() -> None:
    detector = PatchCore(**BANK, light="match").fit(TRAIN)
    assert detector.has_learnt(TRAIN[3].copy())
    assert not detector.has_learnt(GOOD)


def test_good_images_without_contrast_are_refused() -> None:
    flat = [np.full((48, 64, 3), grey, np.uint8) for grey in range(100, 110)]
    with pytest.raises(InvalidInputError, match="needs training images with contrast"):
        PatchCore(**BANK, light="match").fit(flat)


@pytest.mark.parametrize("value", ["Match", "gain", 1, True])
def test_other_values_are_refused(value: Any) -> None:
    with pytest.raises((InvalidInputError, TypeError), match="light"):
        PatchCore(**BANK, light=value).fit(TRAIN)


def test_an_image_of_another_aspect_is_named_where_there_is_a_region() -> None:
    with pytest.raises(ImageReadError, match="cannot use image 10: the region of interest is 64"):
        PatchCore(**BANK, light="match", roi=RIGHT).fit([*TRAIN, texture(11, (64, 48))])


def test_unreadable_images_are_named_or_left_out(tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    with pytest.raises(ImageReadError, match=r"bad\.png"):
        PatchCore(**BANK, light="match").fit([*TRAIN, bad])
    skipping = PatchCore(**BANK, light="match", on_bad_image="skip").fit([*TRAIN, bad])
    assert skipping.skipped_ == [str(bad)]
    assert skipping.light_ == PatchCore(**BANK, light="match").fit(TRAIN).light_


def test_a_file_whose_light_and_parameter_disagree_is_refused(tmp_path: Path) -> None:
    detector = PatchCore(**BANK, light="match").fit(TRAIN)
    for light, said in ((None, "light='match' and"), (Light(0.5, 0.0), "no mean and deviation")):
        detector.light_ = light
        file = tmp_path / f"{said}.pyimgano"
        try:
            detector.save(file)
        except InvalidInputError as error:
            assert said in str(error)  # noqa: PT017
            continue
        with pytest.raises(DetectorFileError, match=said):
            pyimgano.load(file)


def test_a_plan_counts_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("plan", "plan_growth"):
        monkeypatch.setattr(f"pyimgano.models.{module}.timed", lambda work: (1.0, work()))
    plain, lit = (PatchCore(**BANK, light=light).plan(TRAIN) for light in (None, "match"))
    assert lit.fit_seconds - plain.fit_seconds == pytest.approx(len(TRAIN))


def test_the_command_line_has_it(tmp_path: Path) -> None:
    for i, image in enumerate(TRAIN):
        write_image(tmp_path / f"good/{i}.png", image)
    file = tmp_path / "part.pyimgano"
    command = ["fit", str(tmp_path / "good"), "--output", str(file), "--light", "match"]
    assert main([*command, "--backbone", "filterbank", "--image-size", "48x64"]) == 0
    loaded: Any = pyimgano.load(file)
    expected = PatchCore(**BANK, light="match").fit(TRAIN)
    assert loaded.light_ == expected.light_
    assert loaded.decision_function([BAD])[0] == expected.decision_function([BAD])[0]
