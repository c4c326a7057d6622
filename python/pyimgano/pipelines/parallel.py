"""Categories side by side, in whatever joblib runs them on, and their paths as workers see them."""

import base64
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from pyimgano.errors import InvalidInputError
from pyimgano.features.build import is_onnx
from pyimgano.reporting.image_result import ImageResult, path_fields
from pyimgano.utils.optional_deps import optional_import
from pyimgano.utils.parameters import Either, Parameter, PathLike

T = TypeVar("T")
R = TypeVar("R")


def count_workers(n_jobs: int | None) -> int:
    """Workers that a number of jobs stands for; None: 1, or what ``parallel_config`` says."""
    from joblib import effective_n_jobs

    if n_jobs == 0:
        raise InvalidInputError("n_jobs must be 1 or more, or -1 for one per core, got 0")
    return int(effective_n_jobs(n_jobs))


def run_each(work: Callable[[T], R], items: Sequence[T], n_jobs: int | None = None) -> Iterator[R]:
    """Results of ``work``, which can be pickled, as they are finished; in order with one worker.

    ``n_jobs`` is as in scikit-learn: None means 1 unless inside ``joblib.parallel_config``, -1 all
    cores. With several, each worker gets its share of the machine's cores as threads.
    """
    n_workers = min(count_workers(n_jobs), max(1, len(items)))
    if n_workers == 1 and not _inside_cluster():
        yield from map(work, items)
        return
    from joblib import Parallel, cpu_count, delayed

    n_threads = max(1, int(cpu_count()) // n_workers)
    pool = Parallel(n_jobs=n_jobs, return_as="generator_unordered", pre_dispatch="all")
    yield from pool(delayed(_limited)(work, item, n_threads) for item in items)


def _inside_cluster() -> bool:
    """Whether the caller chose a backend that runs work elsewhere."""
    from joblib import parallel

    backend, _ = parallel.get_active_backend()
    names = ("SequentialBackend", "LokyBackend", "MultiprocessingBackend", "ThreadingBackend")
    return type(backend).__name__ not in names


def _limited(work: Callable[[T], R], item: T, n_threads: int) -> R:
    with limit_threads(n_threads):
        return work(item)


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


def absolute_parameters(detector: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """A detector's parameters, relative paths among them as seen from this process.

    A parameter is a path where its declaration says so and the file or folder is there; other text
    is a name, such as that of a network.
    """
    declared = getattr(type(detector), "PARAMETERS", {})

    def place(name: str, value: Any) -> Any:
        is_text = isinstance(value, (str, os.PathLike)) and _takes_path(declared.get(name))
        if not is_text or (name == "backbone" and not is_onnx(value)):
            return value
        return os.path.abspath(value) if os.path.exists(value) else value

    return {name: place(name, value) for name, value in given.items()}


def moved(image: ImageResult, root: str, to: str) -> ImageResult:
    """An image with its path below another root: how a result tells of the one it was given."""
    raw = image.path
    if image.path_base64:
        raw = os.fsdecode(base64.b64decode(image.path_base64))
    whole = os.path.join(root, "")
    if root == to or not raw.startswith(whole):
        return image
    fields: dict[str, Any] = path_fields(os.path.join(to, raw[len(whole) :]))
    return replace(image, **fields)


def _takes_path(kind: Parameter | None) -> bool:
    kinds = kind.kinds if isinstance(kind, Either) else (kind,)
    return any(isinstance(one, PathLike) for one in kinds)
