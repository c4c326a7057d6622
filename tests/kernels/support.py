"""Inputs and processes shared by the kernel tests."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

SIMD = ("portable", "avx2", "avx512", "neon")


def simd_levels():
    """The levels this CPU has, found by asking for each."""
    from pyimgano.kernels import KnnIndex

    found = []
    for level in SIMD:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYIMGANO_SIMD", level)
            try:
                KnnIndex(np.zeros((1, 1), np.float32)).query(np.zeros((1, 1), np.float32))
            except ValueError:
                continue
            found.append(level)
    return found


def run_python(code, **kwargs):
    """Runs `code` in a fresh interpreter that sees the same modules."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path))),
        capture_output=True,
        text=True,
        timeout=120,
        **kwargs,
    )


def interrupted_after(call, delay=0.3):
    """Seconds from a Ctrl-C, sent `delay` s into `call`, to its KeyboardInterrupt."""
    sent = []

    def send():
        time.sleep(delay)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            call()
        return time.perf_counter() - sent[0]
    finally:
        thread.join()


needs_fork = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system"
)


def in_forked_child(call):
    """What `call` returns in a forked child."""
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=lambda: queue.put(call()))
    child.start()
    found = queue.get(timeout=30)
    child.join(30)
    assert child.exitcode == 0
    return found


def at_once(call, n_threads=2):
    """What `call` returns in each of some threads that run at the same time."""
    found = [None] * n_threads

    def work(i):
        found[i] = call()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def patches(n, d, seed=0):
    """Rows that look like patch features: clusters on a low-dimensional surface, non-negative."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, 5)) + 4 * rng.normal(size=(8, 5))[rng.integers(8, size=n)]
    return np.maximum(latent @ rng.normal(size=(5, d)) + 0.1 * rng.normal(size=(n, d)), 0).astype(
        np.float32
    )


def grid(side, dims):
    """A regular integer grid: ties everywhere, and exact arithmetic."""
    axes = np.meshgrid(*[np.arange(side)] * dims, indexing="ij")
    return np.stack(axes, axis=-1).reshape(-1, dims).astype(np.float32)


def shuffled(rows, seed=0):
    return np.random.default_rng(seed).permutation(rows)


def special():
    """Name and matrix of the cases in which float32 arithmetic goes wrong."""
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(300, 40)).astype(np.float32)
    large = rows.copy()
    large[::7] *= 1e6
    offset = (rows + 3e4).astype(np.float32)
    nearly = np.repeat(rows[:30], 10, axis=0)
    nearly[::3] = np.nextafter(nearly[::3], np.float32(np.inf))
    tiny = (rows * 1e-42).astype(np.float32)
    mixed = rows.copy()
    mixed[::5] *= 1e30
    mixed[1::5] *= 1e-30
    zeros = np.zeros((70, 5), np.float32)
    zeros[::2] *= -1
    return {
        "grid": shuffled(grid(7, 3)),
        "grid of 5 dims": shuffled(grid(3, 5)),
        "identical": np.full((200, 9), 3.25, np.float32),
        "duplicates": np.repeat(rows[:40], 6, axis=0),
        "nearly identical": nearly,
        "large offset": offset,
        "1e18": rows * np.float32(1e18),
        "1e38": np.clip(rows, -3, 3) * np.float32(1e38),
        "some huge": large,
        "mixed magnitudes": mixed,
        "denormal": tiny,
        "signed zeros": zeros,
        "one column": rng.normal(size=(300, 1)).astype(np.float32),
        "one row": rows[:1],
        "two rows": rows[:2],
        "low rank": (rows[:, :2] @ rng.normal(size=(2, 60))).astype(np.float32),
        "line": np.outer(np.arange(200), np.ones(30)).astype(np.float32),
        "patches": patches(600, 70),
        "gaussian": rng.normal(size=(500, 100)).astype(np.float32),
    }


def matrices(max_rows=90, max_cols=40):
    """Hypothesis: matrices of a few small integers (ties) or of any finite float32."""
    shapes = st.tuples(st.integers(1, max_rows), st.integers(1, max_cols))
    elements = st.one_of(
        st.just(st.integers(-2, 2).map(float)),
        st.just(st.floats(-1, 1, width=32)),
        st.just(st.floats(allow_nan=False, allow_infinity=False, width=32)),
    )
    return st.tuples(shapes, elements).flatmap(
        lambda drawn: hnp.arrays(np.float32, drawn[0], elements=drawn[1])
    )
