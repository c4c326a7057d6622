"""Files of more than 8 bits: their scale, and values that they must not have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pyimgano
from pyimgano.errors import ImageReadError, InvalidInputError
from pyimgano.images.preprocess import ImagePreprocessor
from pyimgano.images.reading import read_image
from pyimgano.models import PatchCore
from pyimgano.models.reading import Reading
from pyimgano.pipelines.scoring import Scored, predict_stream
from pyimgano.types import Unreadable
from tests.conftest import texture, write_image


def deep(seed: int, bits: int) -> np.ndarray:
    return texture(seed).astype(np.uint16) << (bits - 8)


def fitted(**how: object) -> PatchCore:
    bits = how.get("bit_depth") or 16
    images = [deep(i, bits) for i in range(10)]
    return PatchCore(backbone="embedded", image_size=(48, 64), **how).fit(images)


def test_a_value_beyond_the_bit_depth_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.png", deep(0, 16))
    with pytest.raises(ImageReadError, match=r"a\.png: .* above 4095, .* bit_depth=12"):
        read_image(path, bit_depth=12)
    with pytest.raises(ImageReadError, match=r"a\.png"):
        ImagePreprocessor(bit_depth=12).load(path)
    assert read_image(write_image(tmp_path / "b.png", deep(0, 12)), bit_depth=12).max() <= 4095


def test_fit_names_every_file_beyond_the_bit_depth(tmp_path: Path) -> None:
    paths = [write_image(tmp_path / f"{i}.png", deep(i, 12 if i < 3 else 16)) for i in range(5)]
    detector = PatchCore(backbone="embedded", image_size=(48, 64), bit_depth=12)
    with pytest.raises(ImageReadError, match=r"3\.png.*4\.png"):
        detector.fit(paths)


def test_an_anymap_that_tells_its_depth_needs_no_other(tmp_path: Path) -> None:
    values = np.array([[0, 1000, 4095]], np.uint16)
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 3 1 4095\n" + values.astype(">u2").tobytes())
    np.testing.assert_array_equal(read_image(path, bit_depth=12), values)
    np.testing.assert_array_equal(read_image(path), [[0, 16_004, 65_535]])


@pytest.mark.parametrize("stored", [False, True])
def test_a_detector_refuses_another_depth_than_it_learnt(stored: bool, tmp_path: Path) -> None:
    eight = PatchCore(backbone="embedded", image_size=(48, 64)).fit([texture(i) for i in range(10)])
    sixteen = fitted()
    if stored:
        for name, one in (("8", eight), ("16", sixteen)):
            one.save(tmp_path / name)
        eight, sixteen = pyimgano.load(tmp_path / "8"), pyimgano.load(tmp_path / "16")
    assert (eight.pixel_bits_, sixteen.pixel_bits_) == ({8}, {16})
    with pytest.raises(
        InvalidInputError, match="16-bit pixels, and the detector learnt from 8-bit"
    ):
        eight.predict_one(deep(3, 12))
    path = write_image(tmp_path / "new.png", texture(3))
    with pytest.raises(ImageReadError, match=r"new\.png has 8-bit pixels, .* from 16-bit"):
        sixteen.predict_one(path)
    assert sixteen.predict_one(deep(3, 16)).score >= 0


def test_the_depth_is_that_of_the_fit_whatever_is_set_afterwards() -> None:
    detector = fitted(bit_depth=12)
    expected = detector.predict_one(deep(40, 12)).score
    detector.set_params(bit_depth=None)
    assert Reading.of(detector).bit_depth == 12
    assert detector.predict_one(deep(40, 12)).score == expected


def test_files_beside_one_of_another_depth_are_scored(tmp_path: Path) -> None:
    detector = fitted(bit_depth=12)
    images = [deep(1, 12), deep(2, 16), texture(3), deep(4, 12)]
    paths = [write_image(tmp_path / f"{i}.png", image) for i, image in enumerate(images)]
    found = list(predict_stream(detector, paths, batch_size=4))
    assert [type(one) for one in found] == [Scored, Unreadable, Unreadable, Scored]
    reasons = [one.reason for one in found if isinstance(one, Unreadable)]
    assert "1.png" in reasons[0]
    assert "bit_depth=12" in reasons[0]
    assert "2.png" in reasons[1]
    assert "8-bit pixels" in reasons[1]
