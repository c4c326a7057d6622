"""Work done in a thread of its own: on what will be asked for, and on what nobody waits for."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Ahead(Iterator[R], Generic[T, R]):
    """What ``work`` gives for each item, in order, done a few items ahead of what is asked for.

    An item is asked for when its turn comes, in that thread. At most ``n`` results wait, and one
    more is being worked on. What ``work`` or the items raise is raised in its place, and ends it.
    Whoever does not ask for all must call :meth:`stop`, or leave the ``with`` block.
    """

    def __init__(self, items: Iterable[T], work: Callable[[T], R], n: int) -> None:
        self._work = work
        self._ready: queue.Queue[tuple[R] | BaseException | None] = queue.Queue(n)
        self._stopped = threading.Event()
        self._working = threading.Lock()
        # A daemon: it may be waiting for standard input when everything else is over.
        threading.Thread(target=self._run, args=(iter(items),), daemon=True).start()

    def __next__(self) -> R:
        if self._stopped.is_set():
            raise StopIteration
        one = self._ready.get()
        if isinstance(one, tuple):
            return one[0]
        self.stop()
        if one is None:
            raise StopIteration
        raise one

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the thread; no item is being worked on when this returns, and no result is kept."""
        self._stopped.set()
        # A process that ends while OpenCV is at work in a daemon thread is aborted.
        with self._working, suppress(queue.Empty):
            while True:
                self._ready.get_nowait()

    def _run(self, items: Iterator[T]) -> None:
        try:
            for item in items:
                with self._working:
                    if self._stopped.is_set():
                        return
                    one = (self._work(item),)
                if not self._put(one):
                    return
                del one, item  # what waits is counted
            self._put(None)
        except BaseException as error:  # it belongs to whoever asks
            self._put(error)

    def _put(self, one: tuple[R] | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._ready.put(one, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False


class Aside:
    """Calls made one after the other in a thread, while the caller goes on.

    At most ``n`` are under way, the one that runs among them: then :meth:`call` waits. Leaving the
    ``with`` block waits for all of them; after an error of the block or of a call, those that have
    not begun are dropped.
    """

    def __init__(self, n: int) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._room = threading.Semaphore(n)
        self._failed: list[BaseException] = []

    def call(self, function: Callable[..., R], *args: Any) -> "Future[R]":
        """Have it called; what an earlier call raised is raised here."""
        self._room.acquire()
        self._check()
        return self._pool.submit(self._run, function, args)

    def _run(self, function: Callable[..., R], args: tuple[Any, ...]) -> R:
        try:
            return function(*args)
        except BaseException as error:
            self._failed.append(error)
            raise
        finally:
            self._room.release()

    def _check(self) -> None:
        if self._failed:
            raise self._failed[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._pool.shutdown(cancel_futures=kind is not None or bool(self._failed))
        if kind is None:
            self._check()
