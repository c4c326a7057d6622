"""Little memory, too many threads: one clear error, whatever the limit, and the process goes on."""

import sys

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError
from pyimgano.kernels import (
    KnnIndex,
    filter_components,
    greedy_coreset,
    pixel_metrics,
    pro_curve,
)
from tests.kernels.support import patches, run_python

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="limits of the address space are Linux's"
)

ROWS = patches(50, 4)
MASKS, MAPS = [np.eye(8, dtype=np.uint8)], [np.eye(8, dtype=np.float32)]
THREADED = {
    "greedy_coreset": lambda **n: greedy_coreset(ROWS, 3, start=0, **n),
    "KnnIndex": lambda **n: KnnIndex(ROWS, **n),
    "query": lambda **n: KnnIndex(ROWS).query(ROWS, **n),
    "pixel_metrics": lambda **n: pixel_metrics(MASKS, MAPS, **n),
    "pro_curve": lambda **n: pro_curve(MASKS, MAPS, **n),
    "filter_components": lambda **n: filter_components(MAPS, threshold=0.5, **n),
}


@pytest.mark.parametrize("n_threads", [1025, 2**31, 2**40, 2**62, 2**63 - 1])
@pytest.mark.parametrize("kernel", THREADED)
def test_more_than_1024_threads_are_refused_by_every_kernel(kernel, n_threads):
    with pytest.raises(InvalidInputError, match=f"n_threads must be at most 1024, got {n_threads}"):
        THREADED[kernel](n_threads=n_threads)


@pytest.mark.parametrize("text", ["1025", str(10**12), str(2**64 - 1), str(10**30), "-1", "0"])
def test_an_absurd_number_of_threads_in_the_environment_is_refused(monkeypatch, text):
    monkeypatch.setenv("PYIMGANO_NUM_THREADS", text)
    with pytest.raises(InvalidInputError, match=f'whole number from 1 to 1024, got "{text}"'):
        greedy_coreset(ROWS, 3, start=0)


#: Calls ``call`` after ``setup`` in one forked child per limit: ever more address space, in steps
#: of ``step`` KiB, until it succeeds three times. Prints how each child ended.
UNDER_LIMITS = """
import os, resource, signal, warnings
import numpy as np
from pyimgano.kernels import *
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
{setup}
with open("/proc/self/status") as file:
    size = next(int(line.split()[1]) for line in file if line.startswith("VmSize"))
ends = []
for extra in range(1024, 1 << 19, {step}):
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        resource.setrlimit(resource.RLIMIT_AS, ((size + extra) << 10,) * 2)
        try:
            {call}
        except MemoryError:
            os._exit(1)
        except BaseException:
            os._exit(2)
        os._exit(0)
    ends.append(os.waitpid(child, 0)[1])
    if ends[-3:] == [0, 0, 0]:
        break
print(*ends)
"""

ROW_DATA = "x = rng.normal(size=(60_000, 16)).astype(np.float32)"
IMAGES = """
mask = (rng.random((1_000, 1_000)) < 0.3).astype(np.uint8)
scores = rng.normal(size=mask.shape).astype(np.{dtype})
"""
HUNGRY = {
    "coreset": (ROW_DATA, "greedy_coreset(x, 50, start=0, n_threads=2)"),
    "index": (ROW_DATA, "KnnIndex(x, n_threads=2)"),
    "query": (ROW_DATA + "; index = KnnIndex(x[:700])", "index.query(x[:12_000], 700)"),
    "metrics": (IMAGES.format(dtype="float32"), "pixel_metrics([mask] * 2, [scores] * 2)"),
    "metrics of float64": (IMAGES.format(dtype="float64"), "pixel_metrics([mask], [scores])"),
    "curve": (IMAGES.format(dtype="float32"), "pro_curve([mask], [scores])"),
    "labels": ("mask = (rng.random((2_000, 2_000)) < 0.5)", "label_components(mask)"),
    "statistics": (
        "labels = label_components(rng.random((2_000, 2_000)) < 0.3)[0]",
        "component_stats(labels)",
    ),
    "filter": (
        IMAGES.format(dtype="float32"),
        "filter_components([scores] * 3, threshold=0.5, min_area=3, min_score=0.9)",
    ),
}


@linux
@pytest.mark.slow
@pytest.mark.parametrize("kernel", HUNGRY)
def test_without_enough_memory_a_kernel_raises_memory_error_and_never_aborts(kernel):
    setup, call = HUNGRY[kernel]
    ran = run_python(UNDER_LIMITS.format(setup=setup, call=call, step=2777))
    assert ran.returncode == 0, ran.stderr
    ends = [int(end) for end in ran.stdout.split()]
    assert set(ends) == {0, 1 << 8}, (ends, ran.stderr)


@linux
def test_threads_that_cannot_be_started_are_a_memory_error_with_the_way_out():
    ran = run_python("""
import resource
import numpy as np
from pyimgano.errors import NotEnoughMemoryError
from pyimgano.kernels import greedy_coreset
x = np.ones((2_000, 4), np.float32)
with open("/proc/self/status") as file:
    size = next(int(line.split()[1]) for line in file if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, (size + (600 << 10) << 10,) * 2)
try:
    greedy_coreset(x, 5, start=0, n_threads=1_000)
except NotEnoughMemoryError as error:
    print(error)
print(greedy_coreset(x, 3, start=0, n_threads=2))
""")
    assert ran.returncode == 0, ran.stderr
    assert "could not start 1000 threads" in ran.stdout
    assert "PYIMGANO_NUM_THREADS" in ran.stdout
    assert "[0 1 2]" in ran.stdout
