"""What is drawn: images, or parts as a whole, within each class."""

from __future__ import annotations

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError
from pyimgano.statistics import Units
from pyimgano.statistics.units import check_resamples, digest


def test_each_class_keeps_its_number_in_every_resample() -> None:
    labels = np.array([0, 1, 0, 0, 1])
    weights = Units.of(labels).weights(200, "bolt")
    assert weights.shape == (200, 5)
    assert np.array_equal(weights[:, labels == 0].sum(axis=1), np.full(200, 3.0))
    assert np.array_equal(weights[:, labels == 1].sum(axis=1), np.full(200, 2.0))
    # With replacement: an image is left out of a resample of three in (2/3)**3 of them.
    assert 0.2 < float(np.mean(weights[:, 0] == 0)) < 0.4


def test_views_of_one_part_are_drawn_together_and_a_part_with_a_defect_is_anomalous() -> None:
    units = Units.of([0, 1, 0, 0, 0], ["a", "a", "b", "b", None])
    assert units.of_image.tolist() == [0, 0, 1, 1, 2]
    assert units.classes.tolist() == [1, 0, 0]
    assert units.sizes == (2, 1)
    weights = units.weights(100)
    assert np.array_equal(weights[:, 0], np.ones(100))
    assert np.array_equal(weights[:, 2], weights[:, 3])
    assert np.array_equal(weights[:, 2] + weights[:, 4], np.full(100, 2.0))


def test_the_same_images_are_drawn_alike_and_another_category_otherwise() -> None:
    units = Units.of([0, 0, 0, 1, 1, 1])
    assert digest(units.weights(50, "bolt")) == digest(
        Units.of([0] * 3 + [1] * 3).weights(50, "bolt")
    )
    assert digest(units.weights(50, "bolt")) != digest(units.weights(50, "nut"))


def test_the_smaller_class_counts_only_images_that_have_a_figure() -> None:
    units = Units.of([0, 0, 0, 1, 1])
    assert units.smallest() == 2
    assert units.smallest(np.array([True, True, True, False, False])) == 3


@pytest.mark.parametrize("n", [-1, 1, 99, 100_001, 2.5, True])
def test_numbers_of_resamples_that_give_no_interval_are_refused(n: int) -> None:
    with pytest.raises(InvalidInputError, match=r"100 to 100,000 resamples"):
        check_resamples(n)


def test_groups_must_be_one_for_each_image() -> None:
    with pytest.raises(InvalidInputError, match="one group for each image"):
        Units.of([0, 1], ["a"])
    with pytest.raises(InvalidInputError, match="got 0 labels"):
        Units.of([])
