from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimgano.images.preprocess import ImagePreprocessor
from pyimgano.images.references import References
from tests.conftest import texture, write_image

NATIVE = ImagePreprocessor(None)


def copies(kind: Any, image: Any, number: int = 0, seed: int = 0) -> list[np.ndarray]:
    return list(References(kind, seed).copies(image, number, NATIVE))


def test_plain_images_have_no_copies() -> None:
    assert References("plain", 0).n_copies == 0
    assert copies("plain", texture(0)) == []


def test_rotations_turn_the_image_about_its_centre(tmp_path: Path) -> None:
    image = texture(0, (31, 31))
    found = copies(("rotations", 4), write_image(tmp_path / "a.png", image))
    assert References(("rotations", 4), 0).n_copies == len(found) == 3
    for i, one in enumerate(found, start=1):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, np.rot90(image, i) / np.float32(255), atol=1e-6)


def test_eight_rotations_keep_the_canvas_and_mirror_at_its_borders() -> None:
    image = np.zeros((20, 30), np.uint8)
    image[:, :15] = 200
    found = copies("rotations", image)
    assert len(found) == 7
    assert {one.shape for one in found} == {(20, 30, 3)}
    # By 90 degrees: the half on the left is below, and what comes from beyond the border mirrors.
    np.testing.assert_allclose(found[1][:9], 0, atol=1e-6)
    np.testing.assert_allclose(found[1][11:], 200 / 255, atol=1e-6)


def test_small_rotations_are_by_half_and_all_of_the_degrees_either_way() -> None:
    assert References("small_rotations", 0).turns() == [-10, -5, 5, 10]
    few = References(("small_rotations", 3), 0)
    assert (few.n_copies, few.turns()) == (4, [-3, -1.5, 1.5, 3])
    image = np.zeros((101, 101), np.uint8)
    image[50, 70:] = 255  # a line from near the centre to the right
    found = copies(("small_rotations", 20), image)
    for one, degrees in zip(found, (-20, -10, 10, 20), strict=True):
        rows, columns = np.nonzero(one[..., 0] > 0.3)
        angle = np.rad2deg(np.arctan2(50 - rows.mean(), columns.mean() - 50))  # counterclockwise
        assert angle == pytest.approx(degrees, abs=1)


def test_brightness_is_one_factor_for_each_image_by_the_seed() -> None:
    image = texture(0).astype(np.uint16) * 200
    plain = NATIVE.load(image).pixels
    factors = []
    for number, seed in ((0, 0), (1, 0), (0, 1), (0, 0)):
        (one,) = copies("brightness", image, number, seed)
        assert one.max() <= 1
        inside = (one < 1) & (plain > 0)
        ratio = one[inside] / plain[inside]
        assert np.ptp(ratio) < 1e-5
        factors.append(float(ratio.mean()))
    assert all(0.8 <= factor <= 1.2 for factor in factors)
    assert factors[0] == factors[3]
    assert len({round(factor, 4) for factor in factors}) == 3


@pytest.mark.parametrize(
    "kind",
    [
        ("rotations", 1),
        ("rotations", 2.5),
        "rotation",
        ("top", 3),
        8,
        ("small_rotations", 0),
        ("small_rotations", 46),
    ],
)
def test_other_kinds_are_refused(kind: Any) -> None:
    from pyimgano.errors import InvalidInputError
    from pyimgano.models import PatchCore

    with pytest.raises(InvalidInputError, match="references must be"):
        PatchCore(backbone="embedded", references=kind).fit([texture(0)])
