"""Where the seconds and the memory of a run go."""

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


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


def reset_peak_memory() -> None:
    """Start a new peak-memory measurement, where the system can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory_mb() -> float | None:
    """Peak resident memory in MB (10**6 bytes) since the last reset or the process start."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
