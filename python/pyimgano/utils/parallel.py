"""Work side by side, in whatever joblib runs it on, with each worker's share of the cores."""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from pyimgano.errors import InvalidInputError, WorkerError
from pyimgano.utils.optional_deps import optional_import

T = TypeVar("T")
R = TypeVar("R")


def count_workers(n_jobs: int | None) -> int:
    """Workers that a number of jobs stands for; None: 1, or what ``parallel_config`` says."""
    from joblib import effective_n_jobs

    if n_jobs == 0:
        raise InvalidInputError("n_jobs must be 1 or more, or -1 for one per core, got 0")
    return int(effective_n_jobs(n_jobs))


def lost(what: str, error: Exception) -> WorkerError:
    """What an error of joblib's backend means for the work that is called so."""
    told = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    return WorkerError(f"{what}: a worker was lost, or could not answer ({told:.300})")


def run_each(
    work: Callable[[T], R], items: Sequence[T], n_jobs: int | None = None, *, what: str = "run"
) -> Iterator[R]:
    """Results of ``work``, which can be pickled, as they are finished; in order with one worker.

    ``n_jobs`` is as in scikit-learn: None means 1 unless inside ``joblib.parallel_config``, -1 all
    cores. With several, each worker gets its share of the machine's cores as threads. A worker that
    is lost is a WorkerError, which begins with ``what``; what ``work`` raises is raised here.
    """
    n_workers = min(count_workers(n_jobs), max(1, len(items)))
    if n_workers == 1 and not inside_cluster():
        yield from map(work, items)
        return
    from joblib import Parallel, delayed

    n_threads = threads_each(n_workers)
    pool = Parallel(n_jobs=n_jobs, return_as="generator_unordered", pre_dispatch="all")
    try:
        yield from pool(delayed(_limited)(work, item, n_threads) for item in items)
    except _RaisedError as raised:
        raise raised.args[0] from raised
    except Exception as error:
        raise lost(what, error) from error


class _RaisedError(Exception):
    """What the work raised, told apart from what becomes of workers."""


def threads_each(n_workers: int) -> int:
    """Threads of each of so many workers on this machine."""
    from joblib import cpu_count

    return max(1, int(cpu_count()) // n_workers)


def inside_cluster() -> bool:
    """Whether the caller chose a backend that runs work elsewhere."""
    from joblib import parallel

    backend, _ = parallel.get_active_backend()
    names = ("SequentialBackend", "LokyBackend", "MultiprocessingBackend", "ThreadingBackend")
    return type(backend).__name__ not in names


def _limited(work: Callable[[T], R], item: T, n_threads: int) -> R:
    with alone(n_threads):
        try:
            return work(item)
        except Exception as error:
            raise _RaisedError(error) from error


@contextmanager
def alone(n_threads: int) -> Iterator[None]:
    """In a worker: with so many threads, and without workers of its own."""
    from joblib import parallel_config

    with limit_threads(n_threads), parallel_config(backend="sequential"):
        yield


@dataclass
class _Limit:
    """The limit in force in this process: the last to leave restores what was before."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0
    restore: list[Callable[[], object]] = field(default_factory=list)


_LIMIT = _Limit()


@contextmanager
def limit_threads(n_threads: int) -> Iterator[None]:
    """Let torch, OpenCV, BLAS and the Rust kernels use so many threads within a ``with`` block.

    For the whole process; of blocks that overlap in time the first decides.
    """
    with _LIMIT.lock:
        if _LIMIT.users == 0:
            _LIMIT.restore = _set_threads(n_threads)
        _LIMIT.users += 1
    try:
        yield
    finally:
        with _LIMIT.lock:
            _LIMIT.users -= 1
            if _LIMIT.users == 0:
                for undo in reversed(_LIMIT.restore):
                    undo()


def _set_threads(n_threads: int) -> list[Callable[[], object]]:
    """Apply a limit; returns how to undo it."""
    import cv2

    undo: list[Callable[[], object]] = []
    # The second is for torch where it is imported later on.
    for name in ("PYIMGANO_NUM_THREADS", "OMP_NUM_THREADS"):
        undo.append(partial(_set_variable, name, os.environ.get(name)))
        os.environ[name] = str(n_threads)
    undo.append(partial(cv2.setNumThreads, cv2.getNumThreads()))
    cv2.setNumThreads(n_threads)
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        undo.append(partial(torch.set_num_threads, torch.get_num_threads()))
        torch.set_num_threads(n_threads)
    blas, _ = optional_import("threadpoolctl")  # it comes with scikit-learn
    if blas is not None:
        undo.append(blas.threadpool_limits(n_threads).restore_original_limits)
    return undo


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
