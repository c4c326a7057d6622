"""Detectors that cut large images into tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyimgano
from pyimgano import create_model
from pyimgano.errors import ImageReadError, InvalidInputError
from pyimgano.models import PatchCore
from tests.conftest import texture, with_blot, write_image

TRAIN = [texture(i, (96, 160)) for i in range(6)]
GOOD = texture(30, (96, 160))
BAD = with_blot(GOOD, 60, 104)
TILED = {"backbone": "embedded", "image_size": None, "tiles": 64, "tile_overlap": 32}


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("patchcore", {}),
        ("padim", {"n_features": 20}),
        ("subspacead", {"projection": 16}),
        ("anomalydino", {}),
        ("superadd", {}),
    ],
)
def test_any_patch_detector_works_on_tiles(model: str, options: Any, tmp_path: Path) -> None:
    detector: Any = create_model(model, **TILED, **options).fit(TRAIN)
    good, bad = detector.decision_function([GOOD, BAD])
    without, found = detector.predict_anomaly_map([GOOD, BAD])
    assert (found.shape, found.dtype) == ((96, 160), np.float32)
    row, column = np.unravel_index((found - without).argmax(), found.shape)
    assert 52 <= row < 80
    assert 96 <= column < 124
    detector.save(tmp_path / "tiled.pyimgano")
    loaded = pyimgano.load(tmp_path / "tiled.pyimgano")
    np.testing.assert_array_equal(loaded.decision_function([GOOD, BAD]), [good, bad])
    assert loaded.get_params()["tiles"] == 64


def test_filters_learn_from_tiles() -> None:
    options = {**TILED, "backbone": "filterbank", "tiles": (60, 24), "tile_overlap": None}
    detector = PatchCore(**options).fit(TRAIN)
    good, bad = detector.decision_function([GOOD, BAD])
    assert bad > good
    assert detector._extract_patch_features(GOOD)[1] == (16, 26)  # 96 x 156 pixels by 6


def test_one_tile_for_all_is_the_image_as_a_whole() -> None:
    whole = PatchCore(backbone="embedded", image_size=None).fit(TRAIN)
    tiled = PatchCore(backbone="embedded", image_size=None, tiles=512).fit(TRAIN)
    np.testing.assert_allclose(
        tiled.decision_function([GOOD, BAD]), whole.decision_function([GOOD, BAD]), rtol=1e-5
    )


def test_images_of_differing_sizes_keep_their_aspect() -> None:
    mixed = [*TRAIN, texture(7, (160, 96)), texture(8, (40, 200)), texture(9, (1, 100))]
    detector = PatchCore(**{**TILED, "image_size": 128}).fit(mixed)
    shapes = [detector._extract_patch_features(image)[1] for image in mixed[-4:]]
    assert shapes == [(10, 16), (16, 10), (4, 16), (2, 16)]
    maps = detector.predict_anomaly_map(mixed[-2:])
    assert [one.shape for one in maps] == [(40, 200), (1, 100)]


def test_fit_without_tiles_keeps_the_aspect_too() -> None:
    detector = PatchCore(backbone="embedded", image_size=128, resize_mode="fit").fit(TRAIN)
    assert detector._extract_patch_features(GOOD)[1] == (10, 16)
    squashed = PatchCore(backbone="embedded", image_size=128).fit(TRAIN)
    assert squashed._extract_patch_features(GOOD)[1] == (16, 16)


def test_the_smallest_defect_sets_the_size() -> None:
    detector = PatchCore(backbone="embedded", smallest_defect=20).fit(TRAIN)
    # 20 pixels become 10, a patch and a quarter; 96 x 160 become 48 x 80.
    assert detector._extract_patch_features(GOOD)[1] == (6, 10)
    # Never larger than the image is.
    fine = PatchCore(backbone="embedded", smallest_defect=3).fit(TRAIN)
    assert fine._extract_patch_features(GOOD)[1] == (12, 20)


def test_a_large_image_is_kept_as_it_is_stored_and_read_one_by_one() -> None:
    detector = PatchCore(**TILED, batch_size=4).fit(TRAIN)
    assert detector._preprocessor.load(GOOD).pixels.dtype == np.uint8
    asked: list[int] = []

    def images() -> Any:
        for i in range(3):
            asked.append(i)
            yield GOOD

    next(iter(detector.iter_predict(images())))
    assert asked == [0]


def test_twins_and_learnt_images_are_known_on_tiles() -> None:
    detector = PatchCore(**TILED).fit([*TRAIN, TRAIN[2].copy()])
    assert detector.twins_.tolist() == [0, 1, 2, 3, 4, 5, 2]
    assert detector.has_learnt(TRAIN[1])
    assert not detector.has_learnt(GOOD)
    assert detector.training_set_ is not None
    assert detector.training_set_["of"] == "preprocessed pixels, as stored"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tiles": 512}, r"tiles of 512 pixels are larger than images of image_size=256"),
        ({"tiles": 64, "tile_overlap": 64}, "tile_overlap must be smaller than the tiles"),
        ({"tiles": (64, 70)}, "tile_overlap must be smaller than the tiles"),
        ({"tiles": (64, 8), "tile_overlap": 8}, "leave out tile_overlap"),
        ({"tile_overlap": 8}, "tile_overlap is for tiles"),
        ({"tiles": 64, "preset": "paper"}, "preset='paper' says how"),
        ({"smallest_defect": 9, "resize_mode": "squash"}, "smallest_defect keeps the aspect"),
        ({"smallest_defect": 9, "image_size": 512}, "leave out image_size=512, or smallest_defect"),
        ({"smallest_defect": 9, "image_size": None}, "leave out image_size=None"),
        ({"tiles": "all"}, "tiles must be"),
        ({"smallest_defect": 0}, "smallest_defect must be"),
        ({"tiles": "auto"}, 'tiles="auto" are of 1024 pixels.*image_size=None.*smallest_defect'),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_read(given: Any, message: str) -> None:
    detector = PatchCore(backbone="embedded", **given)
    with pytest.raises((InvalidInputError, ImageReadError), match=message):
        detector.fit(TRAIN)


@pytest.mark.parametrize("size", [100, (256, 200)])
def test_a_size_that_no_tiles_fit_is_refused_without_images(size: Any) -> None:
    detector = PatchCore(backbone="embedded", tiles=64, resize_mode="squash", image_size=size)
    with pytest.raises(InvalidInputError, match="tiles need an image of multiples of 16"):
        detector.validate()


@pytest.mark.parametrize("given", [{"tiles": 64}, {"smallest_defect": 20}, {"resize_mode": "fit"}])
@pytest.mark.parametrize(
    "model", ["patchcore", "padim", "mutual", "subspacead", "anomalydino", "superadd"]
)
def test_the_preset_of_no_detector_goes_with_tiles(model: str, given: Any) -> None:
    detector: Any = create_model(model, backbone="embedded", preset="paper", **given)
    with pytest.raises(
        InvalidInputError, match="preset='paper' says how images are resized and cut"
    ):
        detector.validate()


@pytest.mark.parametrize(
    "given", [{"image_size": None}, {"image_size": 1040}, {"smallest_defect": 20}]
)
def test_tiles_of_their_own_size_need_larger_images(given: Any) -> None:
    PatchCore(backbone="embedded", tiles="auto", **given).validate()


def test_padim_says_what_helps_where_photos_differ_in_size() -> None:
    mixed = [*TRAIN, texture(7, (160, 96))]
    options: Any = {"backbone": "embedded", "n_features": 8}
    with pytest.raises(InvalidInputError, match=r'image_size with resize_mode="squash" and no'):
        create_model("padim", **options, smallest_defect=20).fit(mixed)
    create_model("padim", **options, image_size=64, resize_mode="squash").fit(mixed)


def test_the_command_line_has_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pyimgano.cli.main import main

    for i, image in enumerate(TRAIN):
        write_image(tmp_path / f"good/{i}.png", image)
    file = tmp_path / "d.pyimgano"
    options = ["--image-size", "native", "--tiles", "64", "--tile-overlap", "32"]
    assert main(["fit", str(tmp_path / "good"), "-o", str(file), *options]) == 0
    expected = PatchCore(**TILED).fit(sorted((tmp_path / "good").iterdir()))
    loaded = pyimgano.load(file)
    np.testing.assert_array_equal(
        loaded.decision_function([BAD]), expected.decision_function([BAD])
    )
    assert main(["fit", str(tmp_path / "good"), "-o", str(file), "--tiles", "64:80"]) == 2
    assert "tile_overlap must be smaller" in capsys.readouterr().err


def test_a_smallest_defect_that_images_have_no_room_for_is_refused() -> None:
    detector = PatchCore(backbone="filterbank", smallest_defect=64)
    images = [texture(i, (48, 64)) for i in range(3)]
    for work in (detector.fit, detector.plan):
        with pytest.raises(InvalidInputError, match="not smaller than images of 64 x 48 pixels"):
            work(images)
