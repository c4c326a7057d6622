"""Single defects of an image: one per value and file, each with its saturation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyimgano.datasets import LazyMasks, Sample, Saturation, load_dataset
from pyimgano.datasets.defects import union_of
from pyimgano.errors import DatasetError
from pyimgano.extend import register_layout
from tests.conftest import texture, write_image

SIZE = (48, 64)
KNOWN = {7: Saturation(0.5, relative=True, name="scratch"), 9: Saturation(30, name="missing")}


def mask_with(*squares: tuple[int, int, int]) -> np.ndarray:
    """(value, first row, side) of each square."""
    mask = np.zeros(SIZE, np.uint8)
    for value, first, side in squares:
        mask[first : first + side, 10 : 10 + side] = value
    return mask


def masks_of(tmp_path: Path, *masks: np.ndarray) -> LazyMasks:
    image = write_image(tmp_path / "image.png", texture(0))
    files = [write_image(tmp_path / f"{i:03}.png", mask) for i, mask in enumerate(masks)]
    return LazyMasks([image, image], [files, None], [KNOWN, {}])


@pytest.mark.parametrize(
    ("saturation", "area", "expected"),
    [
        (Saturation(30), 100, 30),
        (Saturation(30), 20, 20),
        (Saturation(0.29, relative=True), 100, 28),  # 0.29 * 100 is 28.999999999999996
        (Saturation(0.25, relative=True), 3, 1),  # never 0: nothing found is nothing found
        (Saturation(1, relative=True), 3, 3),
    ],
)
def test_a_saturation_is_an_area_or_a_share_of_the_defects_own(
    saturation: Saturation, area: int, expected: int
) -> None:
    assert saturation.pixels(area) == expected


def test_every_value_of_every_file_is_a_defect_and_they_may_overlap(tmp_path: Path) -> None:
    first, second = mask_with((7, 4, 4), (7, 20, 2), (9, 30, 10)), mask_with((7, 5, 4))
    masks = masks_of(tmp_path, first, second)
    found = masks.defects(0, SIZE)
    assert [(one.pixels.sum(), one.saturation) for one in found] == [(20, 10), (100, 30), (16, 8)]
    assert found[0].pixels[5, 10] == found[2].pixels[5, 10] == 1
    assert np.array_equal(masks[0], (first | second) != 0)
    np.testing.assert_array_equal(union_of(found, SIZE), masks[0])
    assert masks.defects(1, SIZE) == []
    assert not union_of([], SIZE).any()
    assert masks.saturate
    assert not masks[1:].saturate


def test_a_value_without_a_saturation_is_an_error_that_names_the_mask(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"000\.png has the value 8, whose .* not known: 7, 9 is"
    ):
        masks_of(tmp_path, mask_with((8, 4, 4))).defects(0, SIZE)
    coloured = np.dstack([mask_with((7, 4, 4))] * 3)
    coloured[4, 10] = (1, 2, 3)
    with pytest.raises(DatasetError, match=r"000\.png has several channels"):
        masks_of(tmp_path, coloured).defects(0, SIZE)


@pytest.mark.parametrize("threshold", [0, -1, 1.5, float("nan"), float("inf")])
def test_impossible_saturations_are_refused(threshold: float) -> None:
    with pytest.raises(DatasetError, match="saturation threshold of 'scratch' must be a share"):
        Saturation(threshold, relative=True, name="scratch")


def test_a_layout_says_it_with_its_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = write_image(tmp_path / "a.png", texture(0))
    mask = write_image(tmp_path / "m.png", mask_with((7, 4, 4)))

    class OneImage:
        name = "one_image"

        def categories(self, root: Path) -> list[str]:
            return ["only"]

        def samples(self, root: Path, category: str) -> list[Sample]:
            return [Sample(image, "test", 1, (mask,), saturation=KNOWN)]

    from pyimgano.datasets import load

    monkeypatch.setattr(load._SETS, "_entries", dict(load._SETS._entries))
    register_layout(OneImage())
    masks = load_dataset("one_image", tmp_path, "only").get_test_paths().masks
    assert masks is not None
    assert [one.saturation for one in masks.defects(0, SIZE)] == [8]
