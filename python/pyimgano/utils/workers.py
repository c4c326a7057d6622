"""One piece of work on many items, over the workers of joblib's backend, with results in order.

The work, such as a network with its preprocessing, goes to each worker once. It never depends on
how many there are: whoever calls says what an item is.
"""

from __future__ import annotations

import hashlib
import pickle
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pyimgano.errors import InvalidInputError, WorkerError
from pyimgano.utils.parallel import alone, count_workers, inside_cluster, lost, threads_each

T = TypeVar("T")
R = TypeVar("R")

#: Items per worker that are under way at once: results wait in memory until all of them are there.
_EACH = 2
#: How often a round is run again in which a worker took the only copy of the work along.
_AGAIN = 2


def runs_here(n_jobs: int | None) -> bool:
    """Whether so many jobs, as scikit-learn counts them, are this process alone."""
    return n_jobs == 1 or (count_workers(n_jobs) == 1 and not inside_cluster())


def in_order(
    work: Callable[[T], R],
    items: Iterable[T],
    n_jobs: int | None,
    *,
    what: str,
    each: int = _EACH,
) -> Iterator[R]:
    """Results of ``work`` on each item, in the order of the items.

    Items are asked for as workers are free for them; a few per worker are under way.

    Parameters
    ----------
    work
        What other processes are to do. Within this one (``n_jobs=1``, a single item, threads) it is
        called as it is; else it is pickled once, and each worker keeps it until it gets another.
    items
        Each is pickled with its task.
    n_jobs
        As in scikit-learn: None is 1 unless ``joblib.parallel_config`` says otherwise, -1 one per
        core; on a cluster its backend decides.
    what
        The work in words, for errors.
    each
        Items per worker that are under way at once, two in all at least.

    Raises
    ------
    InvalidInputError
        The work cannot be pickled; names the part that cannot.
    WorkerError
        The backend gave up a worker that was lost.
    Exception
        Whatever ``work`` raised.
    """
    waiting = iter(items)
    if runs_here(n_jobs):
        yield from map(work, waiting)
        return
    from joblib import Parallel

    n_workers = count_workers(n_jobs)
    n_items = max(2, each * n_workers)
    window = list(islice(waiting, n_items))
    if len(window) < 2:
        yield from map(work, window)
        return
    task = _Task.of(work, what, threads_each(n_workers))
    with Parallel(n_jobs=n_jobs) as pool:
        while window:
            found = _run(pool, task, window, what)
            task = task.without_work()
            left = [i for i, one in enumerate(found) if one.lacks_work]
            if left:  # by workers that have come since
                whole = _Task.of(work, what, task.n_threads)
                again = _run(pool, whole, [window[i] for i in left], what)
                for i, one in zip(left, again, strict=True):
                    found[i] = one
            for one in found:
                yield one.value()
            window = list(islice(waiting, n_items))


@dataclass(frozen=True)
class _Outcome(Generic[R]):
    result: R | None = None
    error: Exception | None = None
    lacks_work: bool = False

    def value(self) -> R:
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]  # None may be what the work gave


@dataclass(frozen=True)
class _Task:
    """What is done with each item, as it is sent."""

    key: bytes
    #: The work itself where workers share this process's memory, its pickle as uint8 (n,) where
    #: not: joblib's backends share arrays between tasks. None: the worker has it already.
    work: Any
    n_threads: int

    @classmethod
    def of(cls, work: Any, what: str, n_threads: int) -> _Task:
        from joblib import parallel

        if getattr(parallel.get_active_backend()[0], "supports_sharedmem", False):
            return cls(b"", work, n_threads)
        content = _pickled(work, what)
        return cls(hashlib.sha256(content.data).digest(), content, n_threads)

    def without_work(self) -> _Task:
        return replace(self, work=None) if self.key else self

    def anew(self) -> _Task:
        """With the work as another array: a backend takes it for what it has not sent yet."""
        sent = self.key and self.work is not None
        return replace(self, work=self.work.copy()) if sent else self


def _run(
    pool: Any, task: _Task, items: list[Any], what: str, again: int = _AGAIN
) -> list[_Outcome[Any]]:
    from joblib import delayed

    try:
        # The work is an argument by itself: a backend shares those that are large.
        return list(pool(delayed(_perform)(task.key, task.work, x, task.n_threads) for x in items))
    except Exception as error:  # of the backend: those of the work are results
        if not (again and isinstance(error, CancelledError)):
            raise lost(what, error) from error
    # Dask gives what is shared to one worker, from which the others get it: that one is gone.
    return _run(pool, task.anew(), items, what, again - 1)


@dataclass
class _Kept:
    """The work that this process was sent last."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    key: bytes = b""
    work: Any = None


_KEPT = _Kept()


def _perform(key: bytes, work: Any, item: Any, n_threads: int) -> _Outcome[Any]:
    """In a worker: the work on one item."""
    try:
        if key:
            with _KEPT.lock:
                if _KEPT.key != key:
                    if work is None:
                        return _Outcome(lacks_work=True)
                    _KEPT.work, _KEPT.key = _opened(work), key
                work = _KEPT.work
        with alone(n_threads):
            return _Outcome(work(item))
    except Exception as error:
        return _Outcome(error=error)


def _opened(content: NDArray[np.uint8]) -> Any:
    try:
        return pickle.loads(content.data)
    except Exception as error:  # such as a package that is not installed there
        told = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise WorkerError(f"a worker cannot use what it was sent ({told})") from error


def _pickled(work: Any, what: str) -> NDArray[np.uint8]:
    from joblib.externals.loky.backend.reduction import dumps

    try:
        content = dumps(work)
    except Exception as error:  # whatever its parts raise
        part, reason = _culprit(work, error)
        raise InvalidInputError(
            f"{what}: {part} cannot be sent to other processes ({reason}): make it picklable,"
            ' leave out n_jobs, or use joblib.parallel_config(backend="threading")'
        ) from error
    return np.frombuffer(content, dtype=np.uint8)


def _culprit(whole: Any, error: Exception) -> tuple[str, str]:
    """The innermost named part that cannot be pickled, and why."""
    from joblib.externals.loky.backend.reduction import dumps

    name = type(whole).__name__
    for _ in range(8):
        for part in vars(whole).values() if hasattr(whole, "__dict__") else ():
            try:
                dumps(part)
            except Exception as inner:
                whole, error = part, inner
                if hasattr(part, "__dict__") and not isinstance(part, type):
                    name = type(part).__name__
                break
        else:
            break
    return name, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
