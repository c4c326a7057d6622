from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pyimgano.utils import memory
from tests.kernels.support import run_python


def group(root: Path, folder: str, files: dict[str, str]) -> None:
    (root / folder).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / folder / name).write_text(text)


def test_some_memory_is_available() -> None:
    found = memory.available_memory()
    assert found is None or 10e6 < found < 1e15


def test_a_container_limit_leaves_what_is_not_used_and_the_page_cache(tmp_path: Path) -> None:
    stat = "anon 5\ninactive_file 40\n"
    files = {"memory.max": "1000\n", "memory.current": "300\n", "memory.stat": stat}
    group(tmp_path, "sys/fs/cgroup", files)
    assert memory._cgroup(str(tmp_path)) == 740


def test_the_older_kind_of_container_limit(tmp_path: Path) -> None:
    stat = "cache 7\ntotal_inactive_file 10\n"
    files = {"memory.limit_in_bytes": "500", "memory.usage_in_bytes": "400", "memory.stat": stat}
    group(tmp_path, "sys/fs/cgroup/memory", files)
    assert memory._cgroup(str(tmp_path)) == 110


def test_the_own_group_comes_before_the_one_above(tmp_path: Path) -> None:
    files = {"memory.max": "100", "memory.current": "30", "memory.stat": ""}
    group(tmp_path, "sys/fs/cgroup/jobs/mine", files)
    group(tmp_path, "sys/fs/cgroup", {**files, "memory.max": "9000"})
    group(tmp_path, "proc/self", {"cgroup": "0::/jobs/mine\n"})
    assert memory._cgroup(str(tmp_path)) == 70


@pytest.mark.parametrize("limit", ["max\n", ""])
def test_no_limit_is_none(tmp_path: Path, limit: str) -> None:
    group(tmp_path, "sys/fs/cgroup", {"memory.max": limit, "memory.current": "1"})
    assert memory._cgroup(str(tmp_path)) is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS is enforced on Linux")
def test_a_limit_on_the_address_space_counts() -> None:
    ran = run_python("""
        import resource
        from pyimgano.utils.memory import available_memory
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        print(available_memory())
    """)
    assert 0 < int(ran.stdout) < 4 << 30, ran.stderr


def test_sizes_are_shown_in_sensible_units() -> None:
    assert memory.gigabytes(12_345_678_901) == "12.3 GB"
    assert memory.gigabytes(2_500_000) == "2.5 MB"
