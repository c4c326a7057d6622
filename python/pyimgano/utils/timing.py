"""Where the seconds of a run go."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class StageTimer:
    """Seconds spent per named stage; the same stage may be entered many times.

    They are added to ``seconds``, by default a new dict; timers of several threads may share one.
    """

    _lock = threading.Lock()

    def __init__(self, seconds: dict[str, float] | None = None) -> None:
        self.seconds = {} if seconds is None else seconds

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of a ``with`` block to ``name``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add({name: time.perf_counter() - start})

    def add(self, spent: Mapping[str, float]) -> None:
        """Add seconds that were spent elsewhere, by stage."""
        with self._lock:
            for name, seconds in spent.items():
                self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def staged(self, name: str, function: Callable[P, R]) -> Callable[P, R]:
        """The same function, whose time is added to ``name``, whatever thread calls it."""

        @wraps(function)
        def timed(*args: P.args, **given: P.kwargs) -> R:
            with self.stage(name):
                return function(*args, **given)

        return timed
