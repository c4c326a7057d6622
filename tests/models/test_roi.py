"""Detectors that look at a part of the images alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyimgano
from pyimgano import create_model
from pyimgano.cli.main import main
from pyimgano.errors import ImageReadError, InvalidInputError, RegionWarning
from pyimgano.models import PatchCore
from tests.conftest import texture, with_blot, write_image

SIZE = (64, 96)
#: The right half, in whole patches of the filter bank and of the network.
RIGHT = np.zeros(SIZE, np.bool_)
RIGHT[:, 48:] = True
BANK = {"backbone": "filterbank", "image_size": SIZE}
NETWORK = {"backbone": "embedded", "image_size": SIZE}


def noisy_left(seed: int) -> np.ndarray:
    """A texture whose left half is unlike that of any other image."""
    image = texture(seed, SIZE)
    image[:, :40] = np.random.default_rng(seed).integers(0, 255, (64, 40, 3))
    return image


TRAIN = [noisy_left(i) for i in range(8)]
GOOD = noisy_left(30)
BAD = with_blot(GOOD, 26, 66)
#: A defect where nobody looks.
ELSEWHERE = with_blot(GOOD, 26, 8)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("patchcore", {}),
        ("patchcore", {"image_score": ("map_top", 0.01)}),
        ("patchcore", {"resize_mode": "fit", "image_size": 96, "projection": 32}),
        ("patchcore", {"image_size": None, "tiles": 48, "tile_overlap": 16}),
        ("patchcore", {"preset": "paper"}),
        ("padim", {"n_features": 100}),
        ("subspacead", {}),
        ("anomalydino", {"references": ("rotations", 2)}),
        ("superadd", {"preset": "paper"}),
        ("mutual", {}),
    ],
)
def test_every_patch_detector_sees_the_region_alone(
    model: str, options: Any, tmp_path: Path
) -> None:
    detector: Any = create_model(model, **{**NETWORK, **options}, roi=RIGHT).fit(TRAIN)
    good, bad = detector.decision_function([GOOD, BAD])
    assert bad > good
    maps = detector.predict_anomaly_map([GOOD, BAD, ELSEWHERE])
    for one in maps:
        assert (one.shape, one.dtype) == (SIZE, np.float32)
        assert not one[~RIGHT].any()
        # The preset crops an eighth of each side away.
        cropped = (model, detector.preset) == ("patchcore", "paper")
        assert (one[RIGHT] > 0).mean() > (0.7 if cropped else 0.99)
    row, column = np.unravel_index((maps[1] - maps[0]).argmax(), SIZE)
    assert 18 <= row < 46
    assert 58 <= column < 86
    detector.save(tmp_path / "half.pyimgano")
    loaded: Any = pyimgano.load(tmp_path / "half.pyimgano")
    np.testing.assert_array_equal(loaded.decision_function([GOOD, BAD]), [good, bad])
    np.testing.assert_array_equal(loaded.get_anomaly_map(BAD), maps[1])
    np.testing.assert_array_equal(loaded.region_.mask, RIGHT)
    assert loaded.threshold_ == detector.threshold_
    assert loaded.map_threshold_ == detector.map_threshold_


def test_patches_outside_are_neither_learnt_nor_scored() -> None:
    whole = PatchCore(**NETWORK, coreset_ratio=1.0).fit(TRAIN)
    half = PatchCore(**NETWORK, coreset_ratio=1.0, roi=RIGHT, image_score="max").fit(TRAIN)
    rows, (height, width) = whole._extract_patch_features(GOOD)
    assert half.memory_bank_.shape == (8 * height * width // 2, rows.shape[1])
    grids = [whole._extract_patch_features(one)[0].reshape(height, width, -1) for one in TRAIN]
    bank = np.concatenate([one[:, width // 2 :].reshape(-1, rows.shape[1]) for one in grids])
    np.testing.assert_array_equal(np.unique(bank, axis=0), np.unique(half.memory_bank_, axis=0))
    inside = rows.reshape(height, width, -1)[:, width // 2 :].reshape(-1, rows.shape[1])
    nearest = np.linalg.norm(inside[:, None].astype(np.float64) - bank, axis=2).min(axis=1)
    assert half.decision_function([GOOD])[0] == pytest.approx(nearest.max(), rel=1e-5)
    # So are the scores that the threshold comes from.
    held = half.decision_scores_[0]
    own = grids[0][:, width // 2 :].reshape(-1, rows.shape[1])
    others = bank[len(own) :].astype(np.float64)
    distances = np.linalg.norm(own[:, None] - others, axis=2).min(axis=1)
    assert held == pytest.approx(distances.max(), rel=1e-5)


def test_the_map_of_a_region_is_not_drawn_down_at_its_border() -> None:
    half = PatchCore(**NETWORK, roi=RIGHT).fit(TRAIN)
    found = half.get_anomaly_map(GOOD)
    lowest = half._preprocessor  # distances of patches bound what is averaged from them
    (grid,) = half._extract([lowest.load(GOOD)], _timer())
    places = RIGHT[::8, ::8]
    distances = half.scorer_.score([grid.only(places)])[0].distances
    assert distances.min() * (1 - 1e-5) <= found[RIGHT].min()
    assert found[RIGHT].max() <= distances.max() * (1 + 1e-5)


def _timer() -> Any:
    from pyimgano.utils.timing import StageTimer

    return StageTimer()


@pytest.mark.parametrize("model", ["patchcore", "padim", "subspacead", "anomalydino", "superadd"])
def test_a_region_that_is_the_whole_image_changes_no_bit(model: str) -> None:
    plain: Any = create_model(model, **BANK).fit(TRAIN)
    full: Any = create_model(model, **BANK, roi=np.ones((2, 3), np.uint8)).fit(TRAIN)
    both = (one.iter_predict([GOOD, BAD]) for one in (plain, full))
    for one, other in zip(*both, strict=True):
        assert one.score == other.score
        np.testing.assert_array_equal(one.anomaly_map, other.anomaly_map)
    np.testing.assert_array_equal(plain.decision_scores_, full.decision_scores_)
    assert (plain.threshold_, plain.map_threshold_, plain.map_level_) == (
        full.threshold_,
        full.map_threshold_,
        full.map_level_,
    )


def test_file_array_polygon_and_option_say_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    painted = write_image(tmp_path / "roi.png", RIGHT[::2, ::2].astype(np.uint8) * 255)
    left = write_image(tmp_path / "ignore.png", (~RIGHT).astype(np.uint8) * 255)
    polygon = tmp_path / "roi.json"
    # Pixels whose centres lie on an edge count.
    corners = [[0.505, 0], [1, 0], [1, 1], [0.505, 1]]
    polygon.write_text(json.dumps({"polygons": [corners]}))
    wanted = PatchCore(**BANK, roi=RIGHT).fit(TRAIN).decision_function([GOOD, BAD])
    for given in ({"roi": painted}, {"ignore": left}, {"roi": polygon}):
        found = PatchCore(**BANK, **given).fit(TRAIN).decision_function([GOOD, BAD])
        np.testing.assert_array_equal(found, wanted)
    for i, image in enumerate(TRAIN):
        write_image(tmp_path / f"good/{i}.png", image)
    options = ["--backbone", "filterbank", "--image-size", "64x96", "--roi", painted]
    file = str(tmp_path / "part.pyimgano")
    capsys.readouterr()
    assert main(["fit", str(tmp_path / "good"), "-o", file, "--quiet", *options]) == 0
    assert "50.0 % of each photo count: the region of interest" in capsys.readouterr().out
    (tmp_path / "roi.png").unlink()  # the file has its own
    np.testing.assert_array_equal(pyimgano.load(file).decision_function([GOOD, BAD]), wanted)
    capsys.readouterr()
    assert main(["fit", str(tmp_path / "good"), "-o", file, "--quiet", *options]) == 2
    assert "roi: cannot read image" in capsys.readouterr().err


def test_images_of_other_sizes_have_the_same_region() -> None:
    large = [np.repeat(np.repeat(one, 2, axis=0), 2, axis=1) for one in TRAIN[:4]]
    detector = PatchCore(**BANK, roi=RIGHT).fit([*large, *TRAIN[4:]])
    found = detector.get_anomaly_map(large[0])
    assert found.shape == (128, 192)
    assert not found[:, :96].any()
    assert found[:, 96:].all()
    assert detector.region_ is not None
    assert detector.region_.mask.shape == (128, 192)


def test_images_of_another_aspect_are_named(tmp_path: Path) -> None:
    files = [write_image(tmp_path / f"{i}.png", one) for i, one in enumerate(TRAIN)]
    tall = write_image(tmp_path / "tall.png", texture(5, (96, 64)))
    detector = PatchCore(**BANK, roi=RIGHT)
    with pytest.raises(ImageReadError, match=r"tall.png.*another aspect than an image of 64 x 96"):
        detector.fit([*files, tall])
    skipping = PatchCore(**BANK, roi=RIGHT, on_bad_image="skip", projection=8).fit([*files, tall])
    assert skipping.skipped_ == [tall]
    with pytest.raises(InvalidInputError, match="another aspect"):
        skipping.predict_one(tall)


def test_a_region_that_no_detector_can_use_is_refused(tmp_path: Path) -> None:
    files = [write_image(tmp_path / f"{i}.png", one) for i, one in enumerate(TRAIN)]
    dot = np.zeros(SIZE, np.uint8)
    dot[0, 0] = 1
    for given, message in (
        ({"roi": np.zeros((2, 3), np.uint8)}, "roi is empty"),
        ({"roi": np.ones((3, 2), np.uint8)}, "roi is 2 x 3 pixels, of another aspect"),
        ({"ignore": np.ones((2, 3), np.uint8)}, "ignore leaves no pixel"),
        ({"roi": files[2]}, r"roi: .*2.png is one of the images, not a mask"),
        ({"roi": "absent.png"}, "roi: cannot read image absent.png"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            PatchCore(**BANK, **given).fit(files)
    with pytest.raises(InvalidInputError, match="^the region of interest .* covers no patch"):
        PatchCore(**BANK, roi=dot).fit(files)
    with pytest.raises(InvalidInputError, match="roi: cannot read image absent.png"):
        PatchCore(**BANK, roi="absent.png").validate()
    with pytest.raises(InvalidInputError, match="leave out roi"):
        create_model("mutual", **BANK, layerwise=True, roi=RIGHT).fit(files)


@pytest.mark.parametrize(
    ("model", "package"), [("vision_ecod", "pyod"), ("vision_padim_anomalib", "anomalib")]
)
def test_detectors_without_patches_have_no_region(model: str, package: str) -> None:
    pytest.importorskip(package)
    with pytest.raises(InvalidInputError, match="has no parameter 'roi'"):
        create_model(model, roi=RIGHT).fit(TRAIN)
    assert main(["fit", ".", "-o", "x", "--model", model, "--roi", "roi.png"]) == 2


def test_auto_finds_what_differs_among_the_good_images(tmp_path: Path) -> None:
    ground = texture(99, SIZE) // 4
    images = []
    for i in range(9):
        image = ground.copy()
        image[16:48, 24:80] = texture(i, (32, 56))
        images.append(image)
    detector = PatchCore(**BANK, roi="auto").fit(images[:-1])
    assert detector.region_ is not None
    inside = detector.region_.mask
    assert inside.shape == SIZE
    assert inside[16:48, 24:80].all()
    assert inside.mean() < 0.6
    detector.save(tmp_path / "auto.pyimgano")
    loaded: Any = pyimgano.load(tmp_path / "auto.pyimgano")
    assert loaded.decision_function(images[-1:]) == detector.decision_function(images[-1:])
    with pytest.warns(RegionWarning, match="the whole image counts"):
        whole = PatchCore(**BANK, roi="auto").fit([texture(i, SIZE) for i in range(8)])
    assert whole.region_ is None


def test_a_further_fit_draws_the_region_anew() -> None:
    detector = PatchCore(**BANK, roi=RIGHT).fit(TRAIN)
    assert detector.set_params(roi=None).fit(TRAIN).region_ is None
    assert (detector.get_anomaly_map(GOOD) > 0).all()


def test_held_out_maps_are_zero_outside() -> None:
    detector = PatchCore(**BANK, roi=RIGHT).fit(TRAIN)
    found = detector.held_out_map(0, TRAIN[0])
    assert found is not None
    assert not found[~RIGHT].any()
    assert found[RIGHT].all()


def test_the_good_patch_that_a_place_was_compared_with_is_told(tmp_path: Path) -> None:
    files = [write_image(tmp_path / f"{i}.png", one) for i, one in enumerate(TRAIN)]
    options = {**NETWORK, "coreset_ratio": 1.0}
    whole, half = PatchCore(**options).fit(files), PatchCore(**options, roi=RIGHT).fit(files)
    # A training image is nearest to itself, patch by patch.
    for x, y in ((50, 3), (90, 60), (70, 33)):
        found, wanted = (d.nearest_good(d.predict_one(files[3]), x, y) for d in (half, whole))
        assert found is not None
        assert wanted is not None
        assert (found.file, found.box) == (files[3], wanted.box)
    assert half.nearest_good(half.predict_one(files[3]), 10, 10) is None
