"""Joined maps of layers: against whole arrays in NumPy, sizes, threads, bad input."""

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError, InvalidTypeError
from pyimgano.kernels import join_maps
from tests.kernels.support import in_forked_child, needs_fork
from tests.reference.layer_maps import join

SHAPES = [
    [(2, 32, 32, 5), (2, 16, 16, 7)],
    [(1, 25, 39, 5), (1, 13, 20, 7), (1, 7, 10, 3)],
    [(1, 13, 20, 7), (1, 25, 39, 16)],
    [(1, 1, 1, 4), (1, 1, 1, 4)],
    [(3, 5, 3, 4), (3, 2, 1, 200)],
    [(1, 30, 20, 3), (1, 10, 41, 2)],  # the coarser one is wider
    [(1, 9, 17, 3), (1, 40, 3, 2)],  # and higher, so that rows are left out
    [(1, 17, 8, 33), (1, 17, 4, 1), (1, 3, 8, 2)],  # one side as long
    [(2, 64, 64, 128), (2, 32, 32, 256)],
]


def noise(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def drawn(shapes):
    return [noise(shape, seed) for seed, shape in enumerate(shapes)]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("pooled", [True, False], ids=["pooled", "plain"])
@pytest.mark.parametrize("nearest", [True, False], ids=["nearest", "bilinear"])
def test_every_bit_is_that_of_whole_arrays(simd, shapes, pooled, nearest):
    maps = drawn(shapes)
    expected = join(maps, pooled, nearest)
    for n_threads in (1, 2, 4):
        found = join_maps(maps, pooled=pooled, nearest=nearest, n_threads=n_threads)
        assert found.dtype == np.float32
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_maps_are_averaged_as_said_of_each(shapes):
    maps = drawn(shapes)
    parts = np.cumsum([shape[3] for shape in shapes])[:-1]
    plain, means = (np.split(join(maps, pooled, False), parts, axis=3) for pooled in (False, True))
    for which in np.ndindex((2,) * len(maps)):
        expected = [(plain, means)[one][i] for i, one in enumerate(which)]
        found = join_maps(maps, pooled=[bool(one) for one in which])
        np.testing.assert_array_equal(found, np.concatenate(expected, axis=3))


def test_a_mean_counts_the_zeros_beyond_the_border():
    found = join_maps([np.full((1, 3, 4, 1), 9, np.float32)])
    np.testing.assert_allclose(found[0, :, :, 0], [[4, 6, 6, 4], [6, 9, 9, 6], [4, 6, 6, 4]], 1e-6)


def test_the_values_of_a_coarser_map_lie_at_the_centres_of_its_places():
    ramp = np.arange(4, dtype=np.float32).reshape(1, 1, 4, 1)
    fine = np.zeros((1, 1, 8, 1), np.float32)
    across = join_maps([fine, ramp], pooled=False)[0, 0, :, 1]
    assert across.tolist() == [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]
    begun = join_maps([fine, ramp], pooled=False, nearest=True)[0, 0, :, 1]
    assert begun.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_maps_that_are_not_contiguous_are_taken():
    maps = drawn([(2, 12, 18, 6), (2, 6, 9, 4)])
    views = [np.asfortranarray(maps[0]), np.repeat(maps[1], 2, axis=2)[:, :, ::2]]
    np.testing.assert_array_equal(join_maps(views), join(maps))


def test_no_image_gives_no_rows():
    empty = [np.empty((0, 4, 6, 3), np.float32), np.empty((0, 2, 3, 5), np.float32)]
    assert join_maps(empty).shape == (0, 4, 6, 8)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_reaches_its_neighbours_and_no_others(value):
    maps = drawn([(2, 8, 8, 3), (2, 4, 4, 2)])
    maps[0][1, 2, 5, 1] = value
    bad = ~np.isfinite(join_maps(maps))
    expected = np.zeros_like(bad)
    expected[1, 1:4, 4:7, 1] = True
    np.testing.assert_array_equal(bad, expected)


@needs_fork
def test_a_forked_child_may_call_it():
    maps = drawn(SHAPES[0])
    expected = join_maps(maps)
    assert in_forked_child(lambda: np.array_equal(join_maps(maps), expected))


def test_bad_input_is_named():
    one = noise((2, 4, 4, 3))
    with pytest.raises(InvalidInputError, match="no maps"):
        join_maps([])
    with pytest.raises(InvalidInputError, match=r"map 1 must be of 2 images.*\(1, 4, 4, 3\)"):
        join_maps([one, one[:1]])
    with pytest.raises(InvalidInputError, match=r"map 0 must .* have places.*\(2, 0, 4, 3\)"):
        join_maps([one[:, :0]])
    with pytest.raises(InvalidInputError, match="map 1 must be 4-dimensional"):
        join_maps([one, one[0]])
    with pytest.raises(InvalidTypeError, match="map 0 must be float32, got float64"):
        join_maps([one.astype(float)])
    with pytest.raises(InvalidInputError, match="pooled has 1 value for 2 maps"):
        join_maps([one, one], pooled=[True])
    with pytest.raises(InvalidTypeError, match="pooled must be a bool, or one per map, got None"):
        join_maps([one], pooled=None)
    with pytest.raises(InvalidInputError, match="n_threads must be at least 1"):
        join_maps([one], n_threads=0)
