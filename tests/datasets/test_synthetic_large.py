"""Large synthetic images: defects of so many pixels, and nothing else that differs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyimgano import load_dataset
from pyimgano.datasets.synthetic import LARGE_CATEGORIES, generate_large, large_image
from pyimgano.errors import DatasetError

SIZE = (620, 800)
every_category = pytest.mark.parametrize("category", LARGE_CATEGORIES)


@every_category
@pytest.mark.parametrize(("side", "strength"), [(10, 28), (20, 120), (40, 60), (80, 28)])
def test_a_defect_is_as_large_and_as_strong_as_it_says(
    category: str, side: int, strength: int
) -> None:
    good, nothing = large_image(category, "test", 0, SIZE, 3)
    bad, mask = large_image(category, "test", 0, SIZE, 3, side=side, strength=strength)
    assert (bad.shape, bad.dtype, mask.shape) == ((*SIZE, 3), np.uint8, SIZE)
    assert not nothing.any()
    rows, columns = np.nonzero(mask)
    assert 0.6 * side <= np.ptp(rows) + 1 <= side
    assert 0.6 * side <= np.ptp(columns) + 1 <= side
    change = np.abs(bad.astype(int) - good).max(axis=2)
    # Black and white bound what a strong one can be.
    assert 0.55 * strength <= np.median(change[mask > 0]) <= strength + 1
    far = np.ones(SIZE, bool)
    far[rows.min() - side : rows.max() + side, columns.min() - side : columns.max() + side] = False
    assert not change[far].any()


def test_a_defect_may_be_a_third_of_the_image_and_no_more() -> None:
    _, mask = large_image("cast", "test", 0, (96, 128), 0, side=32, strength=120)
    rows, columns = np.nonzero(mask)
    assert rows.min() >= 32
    assert rows.max() < 64
    assert columns.min() >= 32
    assert columns.max() < 96
    with pytest.raises(DatasetError, match="defect of 33 pixels needs an image of 99 at least"):
        large_image("cast", "test", 0, (96, 128), 0, side=33, strength=120)
    with pytest.raises(DatasetError, match="a defect cannot have -1 pixels"):
        large_image("cast", "test", 0, (96, 128), 0, side=-1, strength=120)


@every_category
def test_an_image_depends_on_seed_split_and_number_alone(category: str) -> None:
    one = large_image(category, "train/good", 1, SIZE, 3)[0]
    np.testing.assert_array_equal(one, large_image(category, "train/good", 1, SIZE, 3)[0])
    for other in (
        ("train/good", 2, SIZE, 3),
        ("test/good", 1, SIZE, 3),
        ("train/good", 1, SIZE, 4),
    ):
        assert (large_image(category, *other)[0] != one).mean() > 0.5


def test_a_set_is_written_in_mvtec_s_layout(tmp_path: Path) -> None:
    names = generate_large(
        tmp_path,
        categories=["plate"],
        n_train=2,
        n_test_good=1,
        n_test_defect=1,
        sizes=(10, 40),
        strengths=("faint", "strong"),
        image_size=SIZE,
    )
    assert names == ["plate"]
    found = load_dataset("mvtec", root=str(tmp_path), category="plate")
    assert len(found.get_train_paths()) == 2
    paths, labels, masks = found.get_test_paths()
    kinds = {Path(path).parent.name for path in paths}
    assert kinds == {"good", "faint_010", "faint_040", "strong_010", "strong_040"}
    assert sum(labels) == 4
    assert [bool(mask.any()) for mask in masks] == [bool(label) for label in labels]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"categories": ["rug"]}, "unknown category 'rug'; known are cast, plate"),
        ({"strengths": ["weak"]}, "unknown strength 'weak'"),
        ({"sizes": (20, -5)}, "a defect cannot have -5 pixels: give 0 for none"),
        ({"sizes": (220,)}, "defect of 220 pixels needs an image of 660 at least, got 620 x 800"),
    ],
)
def test_what_cannot_be_drawn_is_refused(given, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message):
        generate_large(tmp_path, image_size=SIZE, **given)
    assert not list(tmp_path.iterdir())
