"""A detector file is there as a whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import pyimgano
from pyimgano.errors import OutputError
from pyimgano.models import PatchCore
from tests.conftest import REPO, texture


@pytest.fixture(scope="module")
def fitted() -> PatchCore:
    return PatchCore(backbone="embedded", image_size=48).fit([texture(i) for i in range(10)])


def test_an_existing_file_is_replaced_and_nothing_else_is_left(
    fitted: PatchCore, tmp_path: Path
) -> None:
    target = tmp_path / "part.with.dots"
    target.write_bytes(b"old")
    fitted.save(target)
    assert os.listdir(tmp_path) == ["part.with.dots"]
    assert pyimgano.load(target).threshold_ == fitted.threshold_


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(
    fitted: PatchCore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    target = tmp_path / "part"
    target.write_bytes(b"old")

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if step == "write":
        import builtins

        class Full:
            def __init__(self, file: object) -> None:
                self.file = file

            def __enter__(self) -> Full:
                return self

            def __exit__(self, *args: object) -> None:
                self.file.close()

            write = full

        real = open
        monkeypatch.setattr(builtins, "open", lambda *a, **k: Full(real(*a, **k)))
    else:
        monkeypatch.setattr(os, step, full)
    with pytest.raises(OutputError, match="cannot write .*part: No space left"):
        fitted.save(target)
    monkeypatch.undo()
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["part"]


def test_an_interrupt_leaves_the_old_file(
    fitted: PatchCore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "part"
    target.write_bytes(b"old")

    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fitted.save(target)
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["part"]


def test_a_killed_process_leaves_a_file_that_can_be_read(fitted: PatchCore, tmp_path: Path) -> None:
    target = tmp_path / "part"
    fitted.save(target)
    program = """
import sys, pyimgano
detector = pyimgano.load(sys.argv[1])
print("ready", flush=True)
while True:
    detector.save(sys.argv[1])
"""
    environment = {**os.environ, "PYTHONPATH": os.fspath(REPO / "python")}
    for delay in (0.0, 0.013, 0.029):
        with subprocess.Popen(
            [sys.executable, "-c", program, os.fspath(target)],
            env=environment,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
        assert pyimgano.load(target).threshold_ == fitted.threshold_


def test_readers_see_the_old_detector_or_the_new_one(fitted: PatchCore, tmp_path: Path) -> None:
    other = PatchCore(backbone="embedded", image_size=56).fit([texture(i) for i in range(20, 32)])
    target = tmp_path / "part"
    fitted.save(target)
    image = texture(99)
    expected = {float(d.predict_one(image).score) for d in (fitted, other)}

    def read() -> set[float]:
        return {pyimgano.load(target).predict_one(image).score for _ in range(8)}

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        for i in range(12):
            (other, fitted)[i % 2].save(target)
        found = set().union(*(reader.result() for reader in readers))
    assert found <= expected


def test_targets_that_cannot_be_written_are_named(fitted: PatchCore, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=rf"cannot write {tmp_path}: it is a folder"):
        fitted.save(tmp_path)
    with pytest.raises(OutputError, match=r"cannot write .*/absent/part: No such file"):
        fitted.save(tmp_path / "absent" / "part")
    if os.geteuid() == 0:
        pytest.skip("root may write to a read-only folder")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(OutputError, match=r"locked/part: Permission denied"):
        fitted.save(locked / "part")


def test_any_file_name_will_do(fitted: PatchCore, tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9 \xff"
    fitted.save(os.fsdecode(name))
    loaded = pyimgano.load(os.fsdecode(name))
    np.testing.assert_array_equal(loaded.memory_bank_, fitted.memory_bank_)
