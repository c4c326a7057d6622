"""What other threads and forks do during a call: no crash, no panic, no hang."""

import sys

import pytest

from tests.kernels.support import needs_fork, run_python

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="threads are listed by /proc on Linux only"
)

#: Calls ``call`` for a second while another thread writes to the arrays that it reads.
WRITTEN_TO = """
import threading, time, warnings
import numpy as np
from pyimgano.errors import InvalidInputError
from pyimgano.kernels import *
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
x = rng.normal(size=(4_000, 24)).astype(np.float32)
index = KnnIndex(rng.normal(size=x.shape).astype(np.float32))
mask = (rng.random((400, 400)) < 0.3).astype(np.uint8)
scores = rng.normal(size=mask.shape).astype(np.float32)
wide = scores.astype(np.float64)
labels = label_components(mask)[0]
over = False

def write():
    drawn = np.random.default_rng(1)
    while not over:
        for array in ({arrays},):
            cells = array.reshape(-1)
            at = drawn.integers(cells.size, size=64)
            cells[at] = drawn.choice({values}, 64).astype(array.dtype)
            if drawn.random() < 0.05:
                cells[:] = drawn.choice({values}).astype(array.dtype)

clean = [array.copy() for array in ({arrays},)]
writer = threading.Thread(target=write)
writer.start()
ends, end = {{}}, time.monotonic() + 1
while time.monotonic() < end:
    for array, kept in zip(({arrays},), clean):
        array[...] = kept
    try:
        {call}
        name = "result"
    except BaseException as error:
        name = type(error).__name__
    ends[name] = ends.get(name, 0) + 1
over = True
writer.join()
print(*ends)
"""

FLOATS = "np.array([0, 1, -1, np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, 7.5])"
NUMBERS = "np.array([0.0, 1, 2, 3, 100])"
CALLS = {
    "coreset": ("x", FLOATS, "greedy_coreset(x, 60, start=0, n_threads=2)"),
    "index": ("x", FLOATS, "KnnIndex(x).query(x[:300], 3)"),
    "query": ("x", FLOATS, "index.query(x, 5, n_threads=2)"),
    "metrics": ("mask, scores", NUMBERS, "pixel_metrics([mask], [scores], n_threads=2)"),
    "metrics of NaN": ("scores", FLOATS, "pixel_metrics([mask], [scores], n_threads=2)"),
    "metrics of float64": ("mask, wide", NUMBERS, "pixel_metrics([mask], [wide], n_threads=2)"),
    "curve": ("mask, scores", NUMBERS, "pro_curve([mask], [scores], n_threads=2)"),
    "labels": ("mask", NUMBERS, "label_components(mask)"),
    "statistics": (
        "labels, scores",
        "np.array([0.0, 1, 2, 3, 100_000])",
        "component_stats(labels, scores)",
    ),
    "filter": ("scores", FLOATS, "filter_components(scores, threshold=0.5, min_area=3)"),
}


@pytest.mark.slow
@pytest.mark.parametrize("simd", ["", "portable"])
@pytest.mark.parametrize("kernel", CALLS)
def test_arrays_written_to_during_a_call_give_a_result_or_an_input_error(kernel, simd, monkeypatch):
    monkeypatch.setenv("PYIMGANO_SIMD", simd)
    arrays, values, call = CALLS[kernel]
    ran = run_python(WRITTEN_TO.format(arrays=arrays, values=values, call=call))
    assert ran.returncode == 0, ran.stderr
    ends = set(ran.stdout.split())
    assert ends
    assert ends <= {"result", "InvalidInputError"}, ran.stderr


@needs_fork
@pytest.mark.slow
def test_children_of_forks_while_pools_are_made_can_use_the_kernels():
    ran = run_python("""
import os, signal, threading, time, warnings
import numpy as np
from pyimgano.kernels import KnnIndex
warnings.simplefilter("ignore")
x = np.random.default_rng(0).normal(size=(3_000, 8)).astype(np.float32)
index = KnnIndex(x)
over = False

def make_pools():
    size = 0
    while not over:
        size += 1
        index.query(x[:5], n_threads=2 + size % 60)

maker = threading.Thread(target=make_pools)
maker.start()
ends, until = [], time.monotonic() + 40
while len(ends) < 300 and time.monotonic() < until:
    time.sleep(0.001 * (len(ends) % 7))
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        try:
            index.query(x[:50], 2, n_threads=2)
        finally:
            os._exit(0)
    ends.append(os.waitpid(child, 0)[1])
    if ends[-1]:
        break
over = True
maker.join()
print(len(ends), set(ends))
""")
    assert ran.returncode == 0, ran.stderr
    count, ends = ran.stdout.split(maxsplit=1)
    assert int(count) > 20
    assert ends.strip() == "{0}"


@linux
def test_pools_of_many_sizes_do_not_pile_up():
    ran = run_python("""
import os, time
import numpy as np
from pyimgano.kernels import KnnIndex
x = np.ones((50, 3), np.float32)
for n_threads in range(2, 32):
    KnnIndex(x, n_threads=n_threads)
most = sum(range(28, 32)) + 10  # four pools are kept
until = time.monotonic() + 20  # the others' threads end by themselves
while len(os.listdir("/proc/self/task")) > most and time.monotonic() < until:
    time.sleep(0.01)
print(len(os.listdir("/proc/self/task")) <= most)
""")
    assert ran.stdout == "True\n", ran.stderr
