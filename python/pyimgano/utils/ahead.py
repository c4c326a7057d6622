"""Work done in a thread of its own: on what will be asked for, and on what nobody waits for."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")


#: Bytes of results that may wait, and of what calls that are under way hold.
_AHEAD_BYTES, _ASIDE_BYTES = 64 * 2**20, 256 * 2**20


def _weightless(_: object) -> int:
    return 0


class Ahead(Iterator[R], Generic[T, R]):
    """What ``work`` gives for each item, in order, done a few items ahead of what is asked for.

    An item is asked for when its turn comes, in that thread. At most ``n`` results wait, and one
    more is being worked on. ``weigh`` tells the bytes of a result: where one more like the last
    would be beyond 64 MiB with those that wait, it is worked on when it is asked for. What ``work``
    or the items raise is raised in its place, and ends it. Whoever does not ask for all must call
    :meth:`stop`, or leave the ``with`` block.
    """

    def __init__(
        self,
        items: Iterable[T],
        work: Callable[[T], R],
        n: int,
        weigh: Callable[[R], int] = _weightless,
    ) -> None:
        self._work, self._weigh = work, weigh
        self._ready: queue.Queue[tuple[R, int] | BaseException | None] = queue.Queue(n)
        self._stopped = threading.Event()
        self._working = threading.Lock()
        self._room = threading.Condition()
        self._asked, self._held, self._last = False, 0, 0
        # A daemon: it may be waiting for standard input when everything else is over.
        threading.Thread(target=self._run, args=(iter(items),), daemon=True).start()

    def __next__(self) -> R:
        if self._stopped.is_set():
            raise StopIteration
        with self._room:
            self._asked = True
            self._room.notify()
        one = self._ready.get()
        if isinstance(one, tuple):
            with self._room:
                self._asked = False
                self._held -= one[1]
                self._room.notify()
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
        with self._room:
            self._room.notify()
        # A process that ends while OpenCV is at work in a daemon thread is aborted.
        with self._working, suppress(queue.Empty):
            while True:
                self._ready.get_nowait()

    def _run(self, items: Iterator[T]) -> None:
        try:
            for item in items:
                with self._room:
                    self._room.wait_for(self._has_room)
                with self._working:
                    if self._stopped.is_set():
                        return
                    result = self._work(item)
                    one = result, self._weigh(result)
                with self._room:
                    self._last = one[1]
                    self._held += one[1]
                if not self._put(one):
                    return
                del one, result, item  # what waits is counted
            self._put(None)
        except BaseException as error:  # it belongs to whoever asks
            self._put(error)

    def _has_room(self) -> bool:
        wanted = self._asked and self._held == 0
        return wanted or self._stopped.is_set() or self._held + self._last <= _AHEAD_BYTES

    def _put(self, one: tuple[R, int] | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._ready.put(one, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False


class Aside:
    """Calls made one after the other in a thread, while the caller goes on.

    At most ``n`` are under way, the one that runs among them, and they hold 256 MiB, or there is
    just one: else :meth:`call` waits. Leaving the ``with`` block waits for all of them; after an
    error of the block or of a call, those that have not begun are dropped.
    """

    def __init__(self, n: int) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._n, self._room = n, threading.Condition()
        self._held: list[int] = []
        self._failed: list[BaseException] = []

    def call(self, function: Callable[..., R], *args: Any, n_bytes: int = 0) -> "Future[R]":
        """Have it called, which holds ``n_bytes``; what an earlier call raised is raised here."""
        with self._room:
            self._room.wait_for(lambda: self._has_room(n_bytes))
            self._check()
            self._held.append(n_bytes)
        return self._pool.submit(self._run, function, args)

    def _has_room(self, n_bytes: int) -> bool:
        few = len(self._held) < self._n
        return not self._held or (few and sum(self._held) + n_bytes <= _ASIDE_BYTES)

    def _run(self, function: Callable[..., R], args: tuple[Any, ...]) -> R:
        try:
            return function(*args)
        except BaseException as error:
            self._failed.append(error)
            raise
        finally:
            with self._room:
                del self._held[0]  # calls end in the order in which they were made
                self._room.notify()

    def _check(self) -> None:
        if self._failed:
            raise self._failed[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._pool.shutdown(cancel_futures=kind is not None or bool(self._failed))
        if kind is None:
            self._check()
