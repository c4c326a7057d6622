"""The memory that docstrings state, measured: the highest resident size of a process of its own."""

import re
import sys

import pytest

from pyimgano.kernels import GroupIndex, KnnIndex, greedy_coreset, pixel_metrics
from tests.kernels.support import run_python

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not sys.platform.startswith("linux"), reason="ru_maxrss is in KiB on Linux only"
    ),
]

#: What a process takes beside (threads, code, the C library's reserves), in bytes.
SLACK = 24e6


def extra_bytes(setup: str, call: str) -> float:
    """By how much ``call`` raises the peak of a process that has run ``setup``."""
    ran = run_python(f"""
import resource
import numpy as np
from pyimgano.kernels import GroupIndex, KnnIndex, greedy_coreset, pixel_metrics
rng = np.random.default_rng(0)
greedy_coreset(np.ones((2000, 20), np.float32), 3, start=0)  # starts the threads
{setup}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
kept = {call}
print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
""")
    assert ran.returncode == 0, ran.stderr
    return float(ran.stdout)


def rows(n: int, d: int) -> str:
    return f"x = np.empty(({n}, {d}), np.float32); rng.random(out=x, dtype=np.float32)"


@pytest.mark.parametrize("d", [64, 384])
def test_coreset_takes_430_bytes_a_row_whatever_the_columns(d: int) -> None:
    n = 200_000
    assert "about 430 bytes per row" in re.sub(r"\s+", " ", greedy_coreset.__doc__)
    extra = extra_bytes(rows(n, d), "greedy_coreset(x, 100, start=0)")
    assert extra < 1.15 * 430 * n + SLACK


@pytest.mark.parametrize("d", [64, 384])
def test_an_index_takes_its_copy_and_what_it_says(d: int) -> None:
    n = 200_000
    said = re.sub(r"\s+", " ", KnnIndex.__doc__)
    assert "a copy of `bank`; from 1,024 rows on about 420 bytes per row" in said
    assert "about 110 bytes and one per column in their place" in said
    extra = extra_bytes(rows(n, d), "KnnIndex(x)")
    assert extra < (4 * d + 1.15 * max(420, 110 + d)) * n + SLACK


def test_a_query_takes_what_it_says() -> None:
    m, k = 200_000, 9
    setup = rows(4_000, 16) + f"\nindex = KnnIndex(x)\nq = np.empty(({m}, 16), np.float32)\n"
    setup += "rng.random(out=q, dtype=np.float32)"
    extra = extra_bytes(setup, f"index.query(q, {k})")
    assert extra < (12 * k + 1.15 * (350 + 16 * k)) * m + SLACK


def test_groups_take_what_an_index_takes_and_answers_what_they_hold() -> None:
    n, d, m = 200_000, 64, 20_000
    assert "Extra memory: as of a :class:`KnnIndex` of as many rows" in GroupIndex.__doc__
    setup = rows(n, d) + "\ngroups = np.arange(200_000) // 1_000"
    extra = extra_bytes(setup, "GroupIndex(x, groups)")
    assert extra < (4 * d + 1.15 * max(420, 110 + d)) * 1.02 * n + SLACK  # 1,024 of 1,000 rows
    asked = f"{setup}\nindex = GroupIndex(x, groups)\nq = x[:{m}]"
    assert extra_bytes(asked, "index.nearest(q)") < 4 * 200 * m + SLACK


def test_metrics_take_no_more_than_the_maps() -> None:
    assert "at most the maps' size" in re.sub(r"\s+", " ", pixel_metrics.__doc__)
    setup = """
maps = np.empty((40, 1000, 1000), np.float32)
rng.random(out=maps, dtype=np.float32)
masks = np.zeros(maps.shape, np.uint8)
masks[:, 100:800, 300:700] = 1
"""
    assert extra_bytes(setup, "pixel_metrics(masks, maps)") < 160e6 + SLACK
