"""Which good photos a person should look at."""

from __future__ import annotations

import numpy as np

from pyimgano.models.good_photos import odd_images


def scores(n: int, *further: float) -> np.ndarray:
    """n scores without a gap from 9 to 10, and further ones."""
    return np.concatenate([np.linspace(9.0, 10.0, n), further])


def test_photos_above_a_gap_stand_apart_and_one_below_it_is_named_beside_them() -> None:
    named, apart = odd_images(scores(37, 14.0, 13.0, 13.5, 12.8))
    assert (named, apart) == ([37, 39, 38, 40, 36], 4)


def test_the_highest_three_are_named_even_where_none_stands_apart() -> None:
    assert odd_images(scores(40)) == ([39, 38, 37], 0)


def test_a_few_photos_name_a_tenth_of_them() -> None:
    assert odd_images(scores(12)) == ([11, 10], 0)
    assert odd_images(scores(4)) == ([3], 0)


def test_fewer_than_four_have_nothing_to_be_compared_with() -> None:
    assert odd_images(scores(2, 50.0)) == ([], 0)
    assert odd_images(np.array([np.nan])) == ([], 0)
    assert odd_images(np.array([])) == ([], 0)


def test_a_picture_that_is_there_twice_is_named_once() -> None:
    found = np.concatenate([scores(28), [20.0, 20.0]])
    named, apart = odd_images(found, np.array([*range(28), 28, 28]))
    assert named[:2] == [28, 27]
    assert apart == 1


def test_a_half_that_scores_higher_is_no_odd_photo() -> None:
    named, apart = odd_images(np.concatenate([np.full(20, 1.0), np.full(20, 9.0)]))
    assert (len(named), apart) == (3, 0)
