"""Where the memory of a run goes: the process's peak, and what of it is one model's."""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Kernel's name of the file that, given a 5, starts the peak anew.
_RESET = Path("/proc/self/clear_refs")


class PeakMemory:
    """Peak of the resident memory from now on, in MB (10**6 bytes), and of stages of a model.

    Other threads of the process count as well.

    Attributes
    ----------
    stages : dict
        For each stage the peak above what was resident at the beginning. A stage is missing where
        the system does not tell: outside Linux, and where the peak cannot be started anew and the
        stage stayed below an earlier one.
    """

    def __init__(self) -> None:
        # What an earlier model has left would be taken for the process's own.
        gc.collect()
        _give_back()
        self.stages: dict[str, float] = {}
        self._highest = 0.0
        _reset()
        self._before = _status("VmRSS")

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a ``with`` block."""
        earlier = _status("VmHWM") or 0.0
        self._highest = max(self._highest, earlier)
        is_reset = _reset()
        yield
        peak = _status("VmHWM")
        if self._before is not None and peak is not None and (is_reset or peak > earlier):
            self.stages[name] = max(0.0, peak - self._before)

    def peak(self) -> float | None:
        """The process's peak; from its start where the peak cannot be started anew."""
        found = _status("VmHWM")
        if found is not None:
            return max(self._highest, found)
        try:
            import resource
        except ImportError:  # Windows
            return None
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


def _status(field: str) -> float | None:
    """Resident memory in MB as Linux tells it: ``VmRSS`` is that of now, ``VmHWM`` the peak."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    return None


def _reset() -> bool:
    """Start the peak anew; whether that could be done."""
    try:
        _RESET.write_text("5")
    except OSError:
        return False
    return True


def _give_back() -> None:
    """Have the allocator give back what was freed, where it can be asked to (glibc)."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
