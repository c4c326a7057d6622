"""Greedy coreset against plain float64 greedy."""

import multiprocessing
import os
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyimgano.errors import InvalidInputError, InvalidTypeError
from pyimgano.kernels import greedy_coreset
from tests.kernels.support import (
    grid,
    interrupted_after,
    matrices,
    patches,
    shuffled,
    special,
)
from tests.reference.coreset import greedy

SPECIAL = special()


def test_a_line_by_hand():
    points = np.array([[0.0], [1.0], [5.0], [10.0]], dtype=np.float32)
    picks = greedy_coreset(points, 4, start=0)
    assert picks.tolist() == [0, 3, 2, 1]
    assert picks.dtype == np.int64


@pytest.mark.usefixtures("simd")
@pytest.mark.parametrize("name", SPECIAL)
@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
def test_special_inputs_equal_plain_greedy(name, share):
    rows = SPECIAL[name]
    n_samples = max(1, int(share * len(rows)))
    start = len(rows) // 3
    picks = greedy_coreset(rows, n_samples, start=start)
    assert picks.tolist() == greedy(rows, n_samples, start).tolist()


@given(rows=matrices(), data=st.data())
@settings(max_examples=150)
def test_equals_plain_greedy(rows, data):
    n_samples = data.draw(st.integers(1, len(rows)))
    start = data.draw(st.integers(0, len(rows) - 1))
    picks = greedy_coreset(rows, n_samples, start=start)
    assert picks.tolist() == greedy(rows, n_samples, start).tolist()


@pytest.mark.usefixtures("simd")
@pytest.mark.parametrize(("n", "d"), [(5_000, 96), (3_000, 384), (4_000, 17), (6_000, 3)])
def test_larger_inputs_equal_plain_greedy(n, d):
    rows = patches(n, d)
    picks = greedy_coreset(rows, n // 10, start=11)
    assert picks.tolist() == greedy(rows, n // 10, 11).tolist()


@pytest.mark.usefixtures("simd")
def test_a_large_grid_of_ties_equals_plain_greedy():
    rows = shuffled(grid(17, 3))
    picks = greedy_coreset(rows, 1_500, start=100)
    assert picks.tolist() == greedy(rows, 1_500, 100).tolist()


def test_copies_are_picked_lowest_first():
    rows = np.ones((6, 3), dtype=np.float32)
    assert greedy_coreset(rows, 6, start=2).tolist() == [2, 0, 1, 3, 4, 5]


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_threads_change_nothing(n_threads):
    rows = patches(4_000, 64)
    expected = greedy_coreset(rows, 400, start=0, n_threads=1)
    assert greedy_coreset(rows, 400, start=0, n_threads=n_threads).tolist() == expected.tolist()


def test_any_memory_layout():
    rows = patches(400, 20)
    expected = greedy_coreset(rows, 50, start=0).tolist()
    wide = np.zeros((400, 40), np.float32)
    wide[:, ::2] = rows
    frozen = rows.copy()
    frozen.flags.writeable = False
    unaligned = np.frombuffer(b"x" + rows.tobytes(), np.uint8)[1:].view(np.float32)
    for other in (
        np.asfortranarray(rows),
        wide[:, ::2],
        rows[::-1].copy()[::-1],
        frozen,
        unaligned.reshape(rows.shape),
    ):
        assert greedy_coreset(other, 50, start=0).tolist() == expected


class TestStart:
    rows = patches(300, 8)

    def test_an_int_seeds_the_start(self):
        first = greedy_coreset(self.rows, 5, random_state=3)
        assert first.tolist() == greedy_coreset(self.rows, 5, random_state=3).tolist()
        assert first[0] == np.random.default_rng(3).integers(300)

    def test_a_generator_moves_on(self):
        rng = np.random.default_rng(3)
        starts = {int(greedy_coreset(self.rows, 1, random_state=rng)[0]) for _ in range(8)}
        assert len(starts) > 1

    def test_none_differs_from_call_to_call(self):
        starts = {int(greedy_coreset(self.rows, 1)[0]) for _ in range(20)}
        assert len(starts) > 1

    def test_numpy_integers_are_taken(self):
        picks = greedy_coreset(self.rows, np.int32(2), start=np.uint8(4), n_threads=np.int64(1))
        assert picks[0] == 4

    def test_the_global_random_state_is_left_alone(self):
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        greedy_coreset(self.rows, 3, random_state=1)
        assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


class TestBadInput:
    rows = patches(50, 4)

    @pytest.mark.parametrize("n_samples", [0, -1, 51, 2**63, -(2**70)])
    def test_n_samples_out_of_range(self, n_samples):
        with pytest.raises(InvalidInputError, match="n_samples"):
            greedy_coreset(self.rows, n_samples, start=0)

    @pytest.mark.parametrize("start", [-1, 50, 2**40])
    def test_start_out_of_range(self, start):
        with pytest.raises(InvalidInputError, match="start"):
            greedy_coreset(self.rows, 3, start=start)

    @pytest.mark.parametrize("start", [None, 0])
    @pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 0)])
    def test_no_values(self, shape, start):
        with pytest.raises(InvalidInputError, match="at least one row"):
            greedy_coreset(np.zeros(shape, np.float32), 1, start=start)

    @pytest.mark.parametrize("shape", [(4,), (2, 2, 2), ()])
    def test_wrong_number_of_dimensions(self, shape):
        with pytest.raises(InvalidInputError, match="2-dimensional"):
            greedy_coreset(np.zeros(shape, np.float32), 1)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("place", [(0, 0), (49, 3), (17, 2)])
    def test_not_finite(self, value, place):
        rows = self.rows.copy()
        rows[place] = value
        with pytest.raises(InvalidInputError, match=f"row {place[0]}, column {place[1]}"):
            greedy_coreset(rows, 3, start=0)

    @pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, ">f4", bool])
    def test_wrong_dtype_names_the_cast(self, dtype):
        with pytest.raises(InvalidTypeError, match=r"features\.astype\(np\.float32\)"):
            greedy_coreset(self.rows.astype(dtype), 3)

    def test_numbers_that_are_not_integers(self):
        with pytest.raises(InvalidTypeError, match="n_samples"):
            greedy_coreset(self.rows, 3.0)
        with pytest.raises(InvalidTypeError, match="start"):
            greedy_coreset(self.rows, 3, start="a")

    def test_no_threads(self):
        with pytest.raises(InvalidInputError, match="n_threads"):
            greedy_coreset(self.rows, 3, n_threads=0)

    def test_an_unknown_instruction_set(self, monkeypatch):
        monkeypatch.setenv("PYIMGANO_SIMD", "mmx")
        with pytest.raises(InvalidInputError, match="PYIMGANO_SIMD"):
            greedy_coreset(self.rows, 3)


class TestProgress:
    rows = np.random.default_rng(0).normal(size=(30_000, 64)).astype(np.float32)

    def test_it_grows_to_the_total(self):
        seen = []
        main = threading.get_ident()

        def progress(done, total):
            assert threading.get_ident() == main
            seen.append((done, total))

        greedy_coreset(self.rows, 3_000, start=0, progress=progress)
        done = [d for d, _ in seen]
        assert done == sorted(done)
        assert seen[-1] == (3_000, 3_000)
        assert {total for _, total in seen} == {3_000}

    def test_what_it_raises_comes_back(self):
        def progress(done, total):
            raise RuntimeError("enough")

        with pytest.raises(RuntimeError, match="enough"):
            greedy_coreset(self.rows, 30_000, start=0, progress=progress)


def test_ctrl_c_stops_it_at_once():
    rows = np.random.default_rng(0).normal(size=(60_000, 256)).astype(np.float32)
    assert interrupted_after(lambda: greedy_coreset(rows, 60_000, start=0)) < 0.5


def _in_child(rows):
    return greedy_coreset(rows, 30, start=0, n_threads=2).tolist()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_can_use_it_too():
    rows = patches(2_000, 16)
    expected = _in_child(rows)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        answers = pool.map_async(_in_child, [rows] * 3).get(timeout=60)
    assert answers == [expected] * 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_of_a_bare_fork_can_use_it_too():
    rows = patches(2_000, 16)
    expected = _in_child(rows)
    child = os.fork()
    if child == 0:  # nothing of pytest may run here
        os._exit(0 if _in_child(rows) == expected else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_two_threads_at_once():
    inputs = [patches(2_000, 16, seed) for seed in range(4)]
    expected = [greedy_coreset(rows, 200, start=0).tolist() for rows in inputs]
    got = [None] * len(inputs)

    def work(i):
        got[i] = greedy_coreset(inputs[i], 200, start=0, n_threads=2).tolist()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == expected
