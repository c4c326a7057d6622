"""The nearest row of every group against float64 brute force."""

import multiprocessing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyimgano import neighbors
from pyimgano.errors import InvalidInputError, InvalidTypeError
from pyimgano.kernels import GroupIndex, KnnIndex
from tests.kernels.support import (
    at_once,
    grid,
    interrupted_after,
    matrices,
    patches,
    shuffled,
    special,
)
from tests.reference.neighbors import nearest_in_groups

SPECIAL = special()


def check(bank, groups, queries, own=None, **kwargs):
    """The index's answer equals the reference's in every bit."""
    index = GroupIndex(bank, groups)
    distances = index.nearest(queries, groups=own, **kwargs)
    ids, expected = nearest_in_groups(bank, groups, queries, own)
    np.testing.assert_array_equal(index.ids, ids)
    np.testing.assert_array_equal(distances, expected)
    assert (index.ids.dtype, distances.dtype) == (np.int64, np.float32)


def test_by_hand():
    bank = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0], [6.0, 8.0]], np.float32)
    index = GroupIndex(bank, [9, -2, 9, -2])
    origin = np.zeros((2, 2), np.float32)
    assert index.ids.tolist() == [-2, 9]
    assert index.nearest(origin).tolist() == [[5.0, 0.0], [5.0, 0.0]]
    assert index.nearest(origin, groups=[9, 4]).tolist() == [[5.0, np.inf], [5.0, 0.0]]


@pytest.mark.usefixtures("simd")
@pytest.mark.parametrize("name", SPECIAL)
def test_special_inputs_equal_brute_force(name):
    rows = SPECIAL[name]
    for groups in (np.arange(len(rows)) % 3, np.arange(len(rows)) // 70, np.zeros(len(rows), int)):
        check(rows, groups, rows[::2], groups[::2])
        check(rows, groups, rows[::5] * np.float32(0.9))


@given(bank=matrices(), data=st.data())
@settings(max_examples=100)
def test_equals_brute_force(bank, data):
    m, n = data.draw(st.integers(0, 30)), len(bank)
    queries = bank[data.draw(st.lists(st.integers(0, n - 1), min_size=m, max_size=m))]
    ids = st.integers(-2, 2)
    groups = data.draw(st.lists(ids, min_size=n, max_size=n))
    own = data.draw(st.none() | st.lists(ids, min_size=m, max_size=m))
    check(bank, groups, queries, own)


@pytest.mark.usefixtures("simd")
@pytest.mark.parametrize("size", [64, 150, 784])
def test_images_as_groups(size):
    rows = patches(3_136, 100)
    groups = np.arange(3_136) // size
    check(rows, groups, rows[300:420], groups[300:420])


@pytest.mark.usefixtures("simd")
def test_groups_of_very_different_sizes():
    rows = patches(2_500, 60)
    sizes = [1, 1, 2, 63, 64, 65, 700, 4, 1_600]
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(9), sizes))
    check(rows, groups, rows[::50], groups[::50])


@pytest.mark.usefixtures("simd")
def test_rows_that_no_bound_can_prune():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2_000, 120)).astype(np.float32)
    check(rows, np.arange(2_000) // 200, rng.normal(size=(150, 120)).astype(np.float32))


@pytest.mark.usefixtures("simd")
def test_queries_far_from_the_bank_and_equally_far_rows():
    rows = patches(1_500, 50)
    groups = np.arange(1_500) % 4
    check(rows, groups, rows[:40] + np.float32(1e4))
    check(rows, groups, rows[:40] * np.float32(1e30))
    corners = shuffled(grid(12, 3))
    check(corners, np.arange(len(corners)) % 5, grid(4, 3) + np.float32(0.5))


def test_one_search_per_group_finds_the_same():
    rows, queries = patches(2_000, 40), patches(130, 40, seed=1)
    groups = np.arange(2_000) % 7
    found = GroupIndex(rows, groups).nearest(queries)
    for group in range(7):
        alone, _ = KnnIndex(rows[groups == group]).query(queries)
        np.testing.assert_array_equal(found[:, group], alone[:, 0])


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_threads_change_nothing(n_threads):
    rows = patches(2_600, 64)
    groups = np.arange(2_500) // 250
    check(rows[:2_500], groups, rows[2_500:], n_threads=n_threads)


def test_no_queries():
    found = GroupIndex(patches(5, 3), [1, 2, 1, 2, 8]).nearest(np.zeros((0, 3), np.float32))
    assert (found.shape, found.dtype) == ((0, 3), np.float32)


def test_any_memory_layout():
    rows = patches(400, 20)
    groups = np.repeat(np.arange(4), 100)
    expected = GroupIndex(rows, groups).nearest(rows[:50]).tolist()
    wide = np.zeros((400, 40), np.float32)
    wide[:, ::2] = rows
    twice = np.repeat(groups, 2).astype(np.uint8)
    for other in (np.asfortranarray(rows), wide[:, ::2], rows[::-1].copy()[::-1]):
        assert GroupIndex(other, twice[::2]).nearest(other[:50]).tolist() == expected


def test_the_bank_may_change_afterwards():
    rows, groups = patches(1_400, 20), np.arange(1_400) // 200
    index, queries = GroupIndex(rows, groups), rows[:50].copy()
    expected = index.nearest(queries).tolist()
    rows[:], groups[:] = 0, 0
    assert index.nearest(queries).tolist() == expected


def test_neighbors_offers_it_to_scorers():
    assert neighbors.GroupIndex is GroupIndex


class TestBadInput:
    bank = patches(50, 4)
    groups = np.arange(50) // 10

    @pytest.mark.parametrize("shape", [(0, 4), (4, 0)])
    def test_no_values(self, shape):
        with pytest.raises(InvalidInputError, match="at least one row"):
            GroupIndex(np.zeros(shape, np.float32), [0] * shape[0])

    @pytest.mark.parametrize("shape", [(4,), (2, 2, 2)])
    def test_wrong_number_of_dimensions(self, shape):
        with pytest.raises(InvalidInputError, match="bank must be 2-dimensional"):
            GroupIndex(np.zeros(shape, np.float32), self.groups)
        with pytest.raises(InvalidInputError, match="queries must be 2-dimensional"):
            GroupIndex(self.bank, self.groups).nearest(np.zeros(shape, np.float32))

    def test_another_number_of_columns(self):
        with pytest.raises(InvalidInputError, match="4 columns as the bank, got 5"):
            GroupIndex(self.bank, self.groups).nearest(np.zeros((2, 5), np.float32))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_not_finite(self, value):
        rows = self.bank.copy()
        rows[17, 2] = value
        with pytest.raises(InvalidInputError, match=r"bank .*row 17, column 2"):
            GroupIndex(rows, self.groups)
        with pytest.raises(InvalidInputError, match=r"queries .*row 17, column 2"):
            GroupIndex(self.bank, self.groups).nearest(rows)

    @pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, ">f4"])
    def test_wrong_dtype_names_the_cast(self, dtype):
        with pytest.raises(InvalidTypeError, match=r"bank\.astype\(np\.float32\)"):
            GroupIndex(self.bank.astype(dtype), self.groups)
        with pytest.raises(InvalidTypeError, match=r"queries\.astype\(np\.float32\)"):
            GroupIndex(self.bank, self.groups).nearest(self.bank.astype(dtype))

    def test_groups_that_are_none_or_of_another_length_or_kind(self):
        with pytest.raises(InvalidInputError, match="groups must hold an id for each row"):
            GroupIndex(self.bank, None)
        with pytest.raises(InvalidInputError, match="50 rows of bank, got 3"):
            GroupIndex(self.bank, [1, 2, 3])
        with pytest.raises(InvalidInputError, match="2 rows of queries, got 3"):
            GroupIndex(self.bank, self.groups).nearest(self.bank[:2], groups=[1, 2, 3])
        with pytest.raises(InvalidTypeError, match="groups must be integers"):
            GroupIndex(self.bank, self.groups / 2)
        with pytest.raises(InvalidInputError, match="1-dimensional"):
            GroupIndex(self.bank, self.groups[:, None])

    def test_no_threads(self):
        with pytest.raises(InvalidInputError, match="n_threads"):
            GroupIndex(self.bank, self.groups).nearest(self.bank, n_threads=0)


@pytest.mark.parametrize("structured", [True, False])
def test_ctrl_c_stops_it_at_once(structured):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60_000, 256)).astype(np.float32)
    if structured:
        rows = patches(60_000, 256)
    index = GroupIndex(rows, np.arange(len(rows)) // 1_000)

    def call():
        while True:
            index.nearest(rows)

    assert any(interrupted_after(call) < 0.5 for _ in range(3))


def test_one_large_group_can_be_stopped_while_it_is_built():
    rows = np.random.default_rng(0).random((400_000, 40), dtype=np.float32)

    def call():
        while True:
            GroupIndex(rows, np.zeros(len(rows), int))

    assert any(interrupted_after(call, 0.2) < 0.5 for _ in range(3))


def _in_child(rows):
    return GroupIndex(rows, np.arange(len(rows)) % 3).nearest(rows[:20], n_threads=2).tolist()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_can_use_it_too():
    rows = patches(2_000, 16)
    expected = _in_child(rows)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        answers = pool.map_async(_in_child, [rows] * 3).get(timeout=60)
    assert answers == [expected] * 3


def test_one_index_in_three_threads_at_once():
    rows = patches(2_000, 32)
    index = GroupIndex(rows, np.arange(2_000) // 200)
    expected = index.nearest(rows[:300]).tolist()
    assert at_once(lambda: index.nearest(rows[:300], n_threads=2).tolist(), 3) == [expected] * 3
