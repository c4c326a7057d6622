"""Rows in memory-mapped files: the same answers, without a copy of the file in memory."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError
from pyimgano.kernels import KnnIndex, greedy_coreset
from pyimgano.neighbors.rust import RustNeighbors
from tests.kernels.support import patches, run_python
from tests.reference.coreset import greedy
from tests.reference.neighbors import nearest

ROWS = 3_000


@pytest.fixture(params=["r", "r+", "c"])
def mapped(request, tmp_path: Path) -> np.memmap:
    """Rows like those of patches, in a file that may be written to or not."""
    np.save(tmp_path / "rows.npy", patches(ROWS, 40))
    return np.load(tmp_path / "rows.npy", mmap_mode=request.param)


@pytest.mark.usefixtures("simd")
def test_a_coreset_is_that_of_plain_greedy(mapped: np.memmap) -> None:
    picks = greedy_coreset(mapped, 200, start=5)
    np.testing.assert_array_equal(picks, greedy(np.array(mapped), 200, 5))


@pytest.mark.usefixtures("simd")
@pytest.mark.parametrize("k", [1, 9, 300])
@pytest.mark.parametrize("grouped", [False, True])
def test_neighbours_are_those_of_brute_force(mapped: np.memmap, k: int, grouped: bool) -> None:
    queries = patches(60, 40, seed=1)
    groups = (np.arange(ROWS) % 7, np.arange(60) % 7) if grouped else (None, None)
    search = RustNeighbors().fit(mapped, groups[0])
    distances, indices = search.kneighbors(queries, k, groups[1])
    expected_distances, expected_indices = nearest(np.array(mapped), queries, k, *groups)
    np.testing.assert_array_equal(indices, expected_indices)
    np.testing.assert_array_equal(distances, expected_distances)


def test_values_no_float32_bound_holds_for(tmp_path: Path) -> None:
    rows = patches(1_500, 20) * np.float32(1e30)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    distances, indices = KnnIndex(mapped).query(rows[:9], 3)
    expected_distances, expected_indices = nearest(rows, rows[:9], 3)
    np.testing.assert_array_equal(indices, expected_indices)
    np.testing.assert_array_equal(distances, expected_distances)


def test_an_array_is_searched_in_place_on_request() -> None:
    rows = patches(200, 20)
    copied, in_place = KnnIndex(rows), KnnIndex(rows, copy=False)
    queries = rows[:1].copy()
    rows[0] = 1e3
    assert copied.query(queries)[0][0, 0] == 0
    assert in_place.query(queries)[0][0, 0] > 0, "it reads the row as it is now"


def test_rows_apart_from_each_other_are_copied_or_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", patches(200, 20))
    columns = np.load(tmp_path / "rows.npy", mmap_mode="r")[:, ::2]
    assert KnnIndex(columns).query(np.array(columns[:3]))[1].ravel().tolist() == [0, 1, 2]
    for apart in (columns, columns.T):
        with pytest.raises(InvalidInputError, match="C-contiguous"):
            KnnIndex(apart, copy=False)


def test_no_rows_are_told_as_such_also_where_they_are_not_copied() -> None:
    for copy in (True, False):
        with pytest.raises(InvalidInputError, match=r"bank must have at least one row"):
            KnnIndex(np.zeros((0, 3), np.float32), copy=copy)


def test_a_pickled_index_takes_its_rows_along(mapped: np.memmap) -> None:
    index = KnnIndex(mapped, groups=np.arange(ROWS) % 3)
    arrived = pickle.loads(pickle.dumps(index))
    queries, groups = patches(30, 40, seed=2), np.arange(30) % 3
    found, expected = (one.query(queries, 2, groups=groups) for one in (arrived, index))
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits private memory on Linux")
@pytest.mark.parametrize(
    ("call", "per_row"),
    [("greedy_coreset(x, 20, start=0)", 430), ("RustNeighbors().fit(x).kneighbors(q)", 900)],
)
def test_the_file_is_never_copied_whole(tmp_path: Path, call: str, per_row: int) -> None:
    # 3,072 bytes a row in the file: a copy would break a limit of a third of that.
    n, d = 40_000, 768
    rng = np.random.default_rng(0)
    weights, axes = rng.random((n, 8), np.float32), rng.random((8, d), np.float32)
    np.save(tmp_path / "rows.npy", weights @ axes)
    ran = run_python(f"""
import os
os.environ["PYIMGANO_NUM_THREADS"] = "2"  # each has memory of its own
import resource
import numpy as np
from pathlib import Path
from pyimgano.errors import NotEnoughMemoryError
from pyimgano.kernels import KnnIndex, greedy_coreset
from pyimgano.neighbors.rust import RustNeighbors
x = np.load({str(tmp_path / "rows.npy")!r}, mmap_mode="r")
q = np.array(x[:64])
greedy_coreset(np.ones((2000, 20), np.float32), 3, start=0)  # starts the threads
data = 1024 * int(Path("/proc/self/status").read_text().partition("VmData:")[2].split()[0])
limit = data + int(1.15 * {per_row} * {n}) + 8_000_000
resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))
{call}
try:
    KnnIndex(x, copy=True)
except NotEnoughMemoryError:
    print("no copy fits")
""")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "no copy fits"
