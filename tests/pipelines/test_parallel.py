from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path

import cv2
import pytest

from pyimgano import _rust
from pyimgano.errors import OutputError, WorkerError
from pyimgano.utils.parallel import limit_threads, run_each
from tests.features.onnx_support import tiny
from tests.pipelines.test_benchmark_run import bench
from tests.pipelines.test_resume import same


def threads(_: object) -> tuple[int, int, int]:
    """Process, and the threads that Rust and OpenCV use in it."""
    return os.getpid(), _rust.resolve_threads(), cv2.getNumThreads()


def test_one_job_runs_here_and_changes_nothing() -> None:
    before = threads(0)
    assert list(run_each(threads, [1, 2])) == [before, before]


def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    import joblib

    monkeypatch.setattr(joblib, "cpu_count", lambda: 6)
    found = list(run_each(threads, [1, 2, 3, 4], n_jobs=2))
    assert all(pid != os.getpid() for pid, _, _ in found)
    assert {(rust, opencv) for _, rust, opencv in found} == {(3, 3)}


def test_a_limit_covers_every_library_and_is_undone() -> None:
    before = threads(0)
    torch = sys.modules.get("torch")
    used = torch.get_num_threads() if torch else None
    with limit_threads(1):
        assert threads(0)[1:] == (1, 1)
        with limit_threads(5):  # the outer one holds
            assert threads(0)[1:] == (1, 1)
        if torch:
            assert torch.get_num_threads() == 1
    assert threads(0) == before
    if torch:
        assert torch.get_num_threads() == used


def test_limits_that_overlap_in_time_end_with_the_last() -> None:
    before = threads(0)
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with limit_threads(1):
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    with limit_threads(1):
        thread.start()
        entered.wait(10)
    assert threads(0)[1] == 1
    leave.set()
    thread.join()
    assert threads(0) == before


def test_categories_side_by_side_give_what_they_give_in_turn(
    mvtec_root: Path, tmp_path: Path
) -> None:
    alone = bench(mvtec_root, output=tmp_path / "a")
    seen: list[str] = []
    together = bench(
        mvtec_root,
        output=tmp_path / "b",
        n_jobs=2,
        on_result=lambda one: seen.append(one.category),
    )
    assert same(alone, together)
    assert sorted(seen) == ["bolt", "cloth"]
    assert len(list((tmp_path / "b/categories").glob("*.json"))) == 2


def test_workers_that_stand_elsewhere_find_every_relative_path(
    mvtec_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for here in (first, second):
        here.mkdir()
    shutil.copytree(mvtec_root, second / "set")
    (second / "net.onnx").write_bytes(tiny())
    monkeypatch.chdir(first)
    pids = {pid for pid, _, _ in run_each(threads, range(4), n_jobs=2)}  # the pool starts here
    monkeypatch.chdir(second)
    options = {"backbone": "net.onnx", "layers": None, "image_size": (48, 64)}
    result = bench(Path("set"), output="out", n_jobs=2, **options)
    assert {pid for pid, _, _ in run_each(threads, range(4), n_jobs=2)} & pids  # it is the same one
    assert [c.error for c in result.categories] == [None, None]
    data = json.loads(Path("out/results.json").read_text())
    assert (data["root"], data["parameters"]["backbone"]) == ("set", "net.onnx")
    assert result.categories[0].images[0].path == "set/bolt/test/blot/000.png"
    assert list(first.iterdir()) == []
    alone = bench(Path("set"), output="alone", **options)
    assert same(alone, result)


def test_a_worker_that_cannot_write_ends_the_run(mvtec_root: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/pictures").write_text("in the way")
    with pytest.raises(OutputError, match="pictures"):
        bench(mvtec_root, output=tmp_path / "out", n_jobs=2)


def killed(n: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return n


def refused(n: int) -> int:
    raise OutputError(f"no room for {n}")


def test_a_lost_worker_is_told_as_in_a_fit_and_an_error_of_the_work_as_itself() -> None:
    with pytest.raises(WorkerError, match="^benchmark: a worker was lost.*TerminatedWorkerError"):
        list(run_each(killed, [1, 2], n_jobs=2, what="benchmark"))
    with pytest.raises(OutputError, match=r"^no room for [12]$"):
        list(run_each(refused, [1, 2], n_jobs=2))
    assert sorted(run_each(abs, [-1, -2], n_jobs=2)) == [1, 2]  # by new workers


@pytest.mark.slow
def test_a_local_dask_cluster_serves_through_joblib(mvtec_root: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    import joblib

    alone = bench(mvtec_root)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        pids = {pid for pid, _, _ in run_each(threads, range(4))}
        clustered = bench(mvtec_root, output=tmp_path / "out")
    assert os.getpid() not in pids
    assert [c.metrics for c in clustered.categories] == [c.metrics for c in alone.categories]
    assert [c.threshold for c in clustered.categories] == [c.threshold for c in alone.categories]
    assert len(list((tmp_path / "out/categories").glob("*.json"))) == 2
