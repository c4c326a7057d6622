"""Exact nearest neighbours against float64 brute force."""

import multiprocessing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyimgano.errors import InvalidInputError, InvalidTypeError, NotEnoughMemoryError
from pyimgano.kernels import KnnIndex
from tests.kernels.support import (
    at_once,
    grid,
    interrupted_after,
    matrices,
    patches,
    shuffled,
    special,
)
from tests.reference.neighbors import nearest

SPECIAL = special()


def check(bank, queries, k, groups=None, query_groups=None, **kwargs):
    """The index's answer equals the reference's in every bit."""
    distances, indices = KnnIndex(bank, groups=groups).query(
        queries, k, groups=query_groups, **kwargs
    )
    expected_distances, expected_indices = nearest(bank, queries, k, groups, query_groups)
    np.testing.assert_array_equal(indices, expected_indices)
    np.testing.assert_array_equal(distances, expected_distances)
    assert distances.dtype == np.float32
    assert indices.dtype == np.int64


def test_by_hand():
    bank = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]], np.float32)
    distances, indices = KnnIndex(bank).query(np.zeros((1, 2), np.float32), k=3)
    assert distances.tolist() == [[0.0, 1.0, 5.0]]
    assert indices.tolist() == [[0, 2, 1]]


@pytest.mark.usefixtures("simd")
@pytest.mark.parametrize("name", SPECIAL)
@pytest.mark.parametrize("k", [1, 4, 1_000])
def test_special_inputs_equal_brute_force(name, k):
    rows = SPECIAL[name]
    check(rows, rows[::2], k)
    check(rows[::2], rows[1::2], k)


@given(bank=matrices(), data=st.data())
@settings(max_examples=150)
def test_equals_brute_force(bank, data):
    m, n = data.draw(st.integers(0, 30)), len(bank)
    queries = bank[data.draw(st.lists(st.integers(0, n - 1), min_size=m, max_size=m))]
    if m and data.draw(st.booleans()):
        queries = np.roll(queries, 1, axis=1)
    k = data.draw(st.integers(1, n + 2))
    if data.draw(st.booleans()):
        ids = st.integers(0, 3)
        groups = data.draw(st.lists(ids, min_size=n, max_size=n))
        check(bank, queries, k, groups, data.draw(st.lists(ids, min_size=m, max_size=m)))
    else:
        check(bank, queries, k)


@pytest.mark.usefixtures("simd")
@pytest.mark.parametrize(("n", "d"), [(5_000, 96), (2_000, 384), (3_000, 17), (4_000, 3), (65, 64)])
@pytest.mark.parametrize("k", [1, 9])
def test_larger_inputs_equal_brute_force(n, d, k):
    rows = patches(n + 150, d)
    check(rows[:n], rows[n:], k)


@pytest.mark.usefixtures("simd")
@pytest.mark.parametrize("k", [1, 9])
def test_data_without_structure_equals_brute_force(k):
    rows = np.random.default_rng(5).normal(size=(2_150, 200)).astype(np.float32)
    check(rows[150:], rows[:150], k)


@pytest.mark.usefixtures("simd")
def test_queries_far_from_the_bank():
    rows = patches(1_500, 50)
    check(rows, rows[:40] + np.float32(1e4), 3)
    check(rows, rows[:40] * np.float32(1e30), 3)
    check(rows * np.float32(1e30), rows[:40], 3)


@pytest.mark.usefixtures("simd")
def test_ties_come_in_row_order():
    rows = shuffled(grid(13, 3))
    check(rows, grid(5, 3) + np.float32(0.5), 20)


@pytest.mark.usefixtures("simd")
@pytest.mark.parametrize("k", [1, 5])
def test_groups_skip_their_own_rows(k):
    rows = patches(3_000, 60)
    groups = np.arange(3_000) // 500
    check(rows, rows[::20], k, groups, groups[::20])


def test_a_group_that_excludes_everything():
    rows = patches(40, 6)
    distances, indices = KnnIndex(rows, groups=[7] * 40).query(rows[:3], 2, groups=[7, 8, 7])
    assert indices.tolist() == [[-1, -1], [1, indices[1, 1]], [-1, -1]]
    assert np.isinf(distances[[0, 2]]).all()


def test_more_neighbours_than_rows():
    check(patches(5, 3), patches(4, 3, seed=1), 8)


def test_no_queries_for_very_many_neighbours():
    distances, indices = KnnIndex(np.zeros((3, 2), np.float32)).query(
        np.zeros((0, 2), np.float32), 2**55
    )
    assert distances.shape == indices.shape == (0, 2**55)


def test_no_queries():
    distances, indices = KnnIndex(patches(5, 3)).query(np.zeros((0, 3), np.float32), 4)
    assert distances.shape == indices.shape == (0, 4)
    assert (distances.dtype, indices.dtype) == (np.float32, np.int64)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_threads_change_nothing(n_threads):
    rows = patches(3_000, 64)
    check(rows[:2_500], rows[2_500:2_600], 3, n_threads=n_threads)


def test_any_memory_layout():
    rows = patches(400, 20)
    expected = KnnIndex(rows).query(rows[:50], 3)[1].tolist()
    wide = np.zeros((400, 40), np.float32)
    wide[:, ::2] = rows
    frozen = rows.copy()
    frozen.flags.writeable = False
    for other in (np.asfortranarray(rows), wide[:, ::2], rows[::-1].copy()[::-1], frozen):
        assert KnnIndex(other).query(other[:50], 3)[1].tolist() == expected


def test_the_bank_may_change_afterwards():
    rows = patches(400, 20)
    index = KnnIndex(rows)
    expected = index.query(rows[:50], 3)[1].tolist()
    queries = rows[:50].copy()
    rows[:] = 0
    assert index.query(queries, 3)[1].tolist() == expected
    assert index.shape == (400, 20)


class TestBadInput:
    bank = patches(50, 4)

    @pytest.mark.parametrize("shape", [(0, 4), (4, 0)])
    def test_no_values(self, shape):
        with pytest.raises(InvalidInputError, match="at least one row"):
            KnnIndex(np.zeros(shape, np.float32))

    @pytest.mark.parametrize("shape", [(4,), (2, 2, 2)])
    def test_wrong_number_of_dimensions(self, shape):
        with pytest.raises(InvalidInputError, match="bank must be 2-dimensional"):
            KnnIndex(np.zeros(shape, np.float32))
        with pytest.raises(InvalidInputError, match="queries must be 2-dimensional"):
            KnnIndex(self.bank).query(np.zeros(shape, np.float32))

    def test_another_number_of_columns(self):
        with pytest.raises(InvalidInputError, match="4 columns"):
            KnnIndex(self.bank).query(np.zeros((2, 5), np.float32))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_not_finite(self, value):
        rows = self.bank.copy()
        rows[17, 2] = value
        with pytest.raises(InvalidInputError, match=r"bank .*row 17, column 2"):
            KnnIndex(rows)
        with pytest.raises(InvalidInputError, match=r"queries .*row 17, column 2"):
            KnnIndex(self.bank).query(rows)

    @pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32])
    def test_wrong_dtype_names_the_cast(self, dtype):
        with pytest.raises(InvalidTypeError, match=r"bank\.astype\(np\.float32\)"):
            KnnIndex(self.bank.astype(dtype))
        with pytest.raises(InvalidTypeError, match=r"queries\.astype\(np\.float32\)"):
            KnnIndex(self.bank).query(self.bank.astype(dtype))

    @pytest.mark.parametrize("k", [0, -3])
    def test_k_below_one(self, k):
        with pytest.raises(InvalidInputError, match="k must be at least 1"):
            KnnIndex(self.bank).query(self.bank, k)

    def test_k_beyond_64_bits(self):
        with pytest.raises(InvalidInputError, match="k must fit int64"):
            KnnIndex(self.bank).query(self.bank, 2**70)

    def test_an_answer_that_no_memory_can_hold(self):
        with pytest.raises(NotEnoughMemoryError, match="no memory"):
            KnnIndex(self.bank).query(self.bank[:1], 2**59)
        with pytest.raises(InvalidInputError, match="too large"):
            KnnIndex(self.bank).query(self.bank, 2**62)

    def test_k_is_not_an_integer(self):
        with pytest.raises(InvalidTypeError, match="k must be an int"):
            KnnIndex(self.bank).query(self.bank, 2.0)

    def test_groups_on_one_side_only(self):
        with pytest.raises(InvalidInputError, match="queries need groups"):
            KnnIndex(self.bank, groups=np.zeros(50, int)).query(self.bank)
        with pytest.raises(InvalidInputError, match="need an index with groups"):
            KnnIndex(self.bank).query(self.bank, groups=np.zeros(50, int))

    def test_groups_of_another_length(self):
        with pytest.raises(InvalidInputError, match="50 rows of bank, got 3"):
            KnnIndex(self.bank, groups=[1, 2, 3])
        with pytest.raises(InvalidInputError, match="2 rows of queries, got 3"):
            KnnIndex(self.bank, groups=[1] * 50).query(self.bank[:2], groups=[1, 2, 3])

    def test_groups_that_are_not_integers(self):
        with pytest.raises(InvalidTypeError, match="groups must be integers"):
            KnnIndex(self.bank, groups=np.zeros(50))
        with pytest.raises(InvalidTypeError, match=r"np\.unique"):
            KnnIndex(self.bank, groups=["a"] * 50)

    def test_groups_of_another_shape(self):
        with pytest.raises(InvalidInputError, match="1-dimensional"):
            KnnIndex(self.bank, groups=np.zeros((50, 1), int))

    def test_no_threads(self):
        with pytest.raises(InvalidInputError, match="n_threads"):
            KnnIndex(self.bank).query(self.bank, n_threads=0)


def test_ctrl_c_stops_it_at_once():
    rng = np.random.default_rng(0)
    index = KnnIndex(rng.normal(size=(50_000, 256)).astype(np.float32))
    queries = rng.normal(size=(50_000, 256)).astype(np.float32)
    assert interrupted_after(lambda: index.query(queries, 3)) < 0.5


def _in_child(rows):
    return KnnIndex(rows).query(rows[:20], 3, n_threads=2)[1].tolist()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_can_use_it_too():
    rows = patches(2_000, 16)
    expected = _in_child(rows)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        answers = pool.map_async(_in_child, [rows] * 3).get(timeout=60)
    assert answers == [expected] * 3


def test_one_index_in_three_threads_at_once():
    rows = patches(3_000, 32)
    index = KnnIndex(rows)
    expected = index.query(rows, 2)[1].tolist()
    assert at_once(lambda: index.query(rows, 2, n_threads=2)[1].tolist(), 3) == [expected] * 3
