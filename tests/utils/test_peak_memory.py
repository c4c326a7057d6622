"""Peak memory of a process, and of the stages of one model in it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from pyimgano.utils import peak_memory
from pyimgano.utils.peak_memory import PeakMemory

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells it")


def take(megabytes: int) -> None:
    """Use that much memory for a moment."""
    np.ones(megabytes * 1_000_000, np.uint8).sum()


@ON_LINUX
def test_each_stage_has_its_own_peak_above_what_was_there_before() -> None:
    if not peak_memory._reset():
        pytest.skip("this system does not let the peak be started anew")
    held = np.ones(100_000_000, np.uint8)  # by somebody else, before the model
    take(300)
    memory = PeakMemory()
    with memory.stage("fit"):
        take(200)
    with memory.stage("predict"):
        take(60)
    assert memory.stages["fit"] == pytest.approx(200, abs=15)
    assert memory.stages["predict"] == pytest.approx(60, abs=15)
    peak = memory.peak()
    assert peak is not None
    assert peak == pytest.approx(memory._before + memory.stages["fit"], abs=1)  # type: ignore[operator]
    assert peak > 300  # what is held, and the stage
    assert held[-1] == 1


@ON_LINUX
def test_what_is_kept_after_a_stage_counts_in_the_next() -> None:
    if not peak_memory._reset():
        pytest.skip("this system does not let the peak be started anew")
    memory = PeakMemory()
    with memory.stage("fit"):
        bank = np.ones(80_000_000, np.uint8)
    with memory.stage("predict"):
        take(50)
    assert memory.stages["predict"] == pytest.approx(130, abs=15)
    assert bank[-1] == 1


@ON_LINUX
def test_where_the_peak_cannot_be_started_anew_only_a_new_one_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    take(50)
    monkeypatch.setattr(peak_memory, "_RESET", tmp_path / "gone/clear_refs")
    memory = PeakMemory()
    before = memory.peak()
    assert before is not None
    with memory.stage("fit"):
        highest = np.ones(int((before + 100) * 1e6), np.uint8)
        del highest
    with memory.stage("predict"):
        take(1)
    assert sorted(memory.stages) == ["fit"]
    assert memory.stages["fit"] > 100
    assert memory.peak() > before + 90  # type: ignore[operator]


def test_a_system_that_tells_nothing_leaves_the_stages_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peak_memory, "_status", lambda field: None)
    memory = PeakMemory()
    with memory.stage("fit"):
        pass
    assert memory.stages == {}
    if sys.platform != "win32":
        assert memory.peak() > 10  # type: ignore[operator]
