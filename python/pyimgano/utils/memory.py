"""How much memory there is for this process."""

import os
from pathlib import Path

#: cgroup version 2, then version 1: limit, what is used, and the file and line of the page cache
#: that is given up when memory is short.
_CGROUPS = (
    ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    (
        "/sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
)


def available_memory() -> int | None:
    """Bytes that this process may still take, or None where that is not known.

    The least of what the system has available, what the container's limit (cgroup, version 1 or 2)
    leaves, and what ``RLIMIT_AS`` leaves.
    """
    known = [_system(), _cgroup(), _address_space()]
    return min((value for value in known if value is not None), default=None)


def gigabytes(n_bytes: float) -> str:
    """A number of bytes for messages."""
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:,.1f} MB"


def _system() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _cgroup(root: str = "/") -> int | None:
    for folder, limit_name, used_name, cache_name in _CGROUPS:
        base = Path(root) / folder.lstrip("/")
        for group in (base / _own_group(root, folder), base):
            try:
                limit = int((group / limit_name).read_text())  # "max": no limit, a ValueError
                used = int((group / used_name).read_text())
                lines = (group / "memory.stat").read_text().splitlines()
            except (OSError, ValueError):
                continue
            cache = next((line.split()[1] for line in lines if line.startswith(cache_name)), "0")
            return max(0, limit - used + int(cache))
    return None


def _own_group(root: str, folder: str) -> str:
    """The process's own group below the mount; empty where a container shows it as the root."""
    try:
        lines = (Path(root) / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return ""
    wanted = "memory" if folder.endswith("memory") else ""
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if wanted in controllers.split(","):
            return path.lstrip("/")
    return ""


def _address_space() -> int | None:
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return limit
    return max(0, limit - pages * os.sysconf("SC_PAGE_SIZE"))
