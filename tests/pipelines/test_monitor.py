"""What the records of predict tell of drift."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError
from pyimgano.models import PatchCore
from pyimgano.pipelines.monitor import Drift, Monitor, watch
from pyimgano.pipelines.predict import PredictRun
from tests.conftest import texture, write_image


def record(i: int, **more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(i)
    health = {
        "brightness": 0.5 + 0.01 * rng.normal(),
        "contrast": 0.2 + 0.005 * rng.normal(),
        "sharpness": 0.6 + 0.005 * rng.normal(),
        "red_green": 1.1 + 0.005 * rng.normal(),
        "blue_green": 0.9 + 0.005 * rng.normal(),
    }
    plain = {"path": f"{i}.png", "label": None, "score": float(rng.normal(5, 0.3)), "predicted": 0}
    plain |= {"verdict": "ok", "threshold": 7.5, "ms": 3.0, "warnings": [], "health": health}
    return plain | more


def darker(i: int) -> dict[str, Any]:
    one = record(i)
    one["health"]["brightness"] *= 0.9
    return one


def lines_of(*records: dict[str, Any]) -> io.BytesIO:
    return io.BytesIO(b"".join(json.dumps(one).encode() + b"\n" for one in records))


def watched(lines: io.BytesIO, **options: Any) -> tuple[Monitor, list[Drift]]:
    monitor = Monitor(**options)
    return monitor, list(watch(monitor, lines, "results.jsonl"))


def test_a_steady_stream_has_no_drift_and_is_counted() -> None:
    bad = {"path": "x.png", "error": "cannot read image x.png"}
    odd = record(3, predicted=1, verdict="defect", score=9.0, warnings=["darker than any good: 1"])
    monitor, told = watched(lines_of(*map(record, range(100)), bad, odd))
    assert told == []
    data = monitor.to_json()
    assert {k: v for k, v in data.items() if k.startswith("n_")} == {
        "n_records": 102, "n_failed": 1, "n_scored": 101, "n_defects": 1, "n_warned": 1,
    }  # fmt: skip
    assert {name: one["n"] for name, one in data["signals"].items()} == {
        "brightness": 101, "contrast": 101, "sharpness": 101, "red_green": 101, "blue_green": 101,
        "score": 100, "defects": 101, "warnings": 101,
    }  # fmt: skip
    assert all(one["drift"] is None for one in data["signals"].values())
    assert monitor.lines()[0] == (
        "102 records, 1 not scored, 1 with a defect (1.0 %), 1 with a warning (1.0 %)"
    )
    assert monitor.lines()[2] == "brightness  as before"


def test_darker_photos_are_told_where_they_begin_and_nothing_else_is() -> None:
    monitor, (drift,) = watched(lines_of(*map(record, range(100)), *map(darker, range(100, 140))))
    assert drift.signal == "brightness"
    assert not drift.change.rises
    assert 94 <= drift.change.begin.record <= 106  # it is the 101st
    assert monitor.drifts == [drift]
    found = monitor.to_json()["signals"]["brightness"]["drift"]
    assert found["direction"] == "lower"
    assert found["path"] == f"{found['begin'] - 1}.png"
    assert found["before"] == pytest.approx(0.5, abs=0.01)
    assert found["since"] == pytest.approx(0.45, abs=0.02)
    assert drift.describe().startswith(f"brightness lower since about record {found['begin']} (")
    assert drift.describe().removeprefix("brightness ") in monitor.lines()[1]


def test_a_lamp_that_turns_yellow_is_told_by_blue_alone() -> None:
    """Photos that are as bright and as sharp as before, with 10 % less blue from the 101st."""
    yellow = [record(i) for i in range(100, 140)]
    for one in yellow:
        one["health"]["blue_green"] *= 0.9
    monitor, (drift,) = watched(lines_of(*map(record, range(100)), *yellow))
    assert (drift.signal, drift.change.rises) == ("blue_green", False)
    assert 70 <= drift.change.begin.record <= 106
    assert drift.describe().startswith("blue_green lower since about record ")
    assert monitor.to_json()["signals"]["red_green"] == {"n": 140, "drift": None}


def test_the_white_balance_of_photos_is_followed_from_what_was_learnt(tmp_path: Path) -> None:
    detector = PatchCore(backbone="filterbank", image_size=(32, 48))
    detector.fit([texture(i) for i in range(24)])
    yellow = np.array([1.0, 1.0, 0.75])
    for i in range(30):
        write_image(tmp_path / f"{i:02d}.png", (texture(50 + i) * yellow).astype(np.uint8))
    list(
        PredictRun(detector, output=tmp_path / "out").records(sorted(map(str, tmp_path.glob("*"))))
    )
    _, told = watched(io.BytesIO((tmp_path / "out/results.jsonl").read_bytes()), detector=detector)
    assert "blue_green" in {drift.signal for drift in told}
    assert "red_green" not in {drift.signal for drift in told}


def test_more_defects_and_more_warnings_are_told_as_shares() -> None:
    flagged = [
        record(i, predicted=1, score=9.0, warnings=["less sharp than any good photo: 0"])
        for i in range(60, 90)
    ]
    monitor, told = watched(lines_of(*map(record, range(60)), *flagged))
    assert {drift.signal for drift in told} == {"defects", "warnings"}
    for drift in told:
        assert 55 <= drift.change.begin.record <= 61
        assert " %, before 0 %; certain at record " in drift.describe()
        assert drift.change.since > 0.7
    assert monitor.lines()[1] == "30 of 90 images are less sharp than any good photo"


def test_records_without_health_are_monitored_by_the_rest() -> None:
    plain = [record(i) for i in range(40)]
    for one in plain:
        del one["health"]
    monitor, told = watched(lines_of(*plain))
    assert told == []
    assert monitor.lines()[1:6] == [
        f"{name:<10}  not in these records"
        for name in ("brightness", "contrast", "sharpness", "red_green", "blue_green")
    ]
    without = record(1)
    without["health"]["sharpness"] = None  # an image without detail
    monitor, _ = watched(lines_of(without))
    assert {k: s["n"] for k, s in monitor.to_json()["signals"].items()}["sharpness"] == 0


def test_what_a_detector_has_learnt_is_what_its_first_records_are_compared_with(
    tmp_path: Path,
) -> None:
    detector = PatchCore(backbone="filterbank", image_size=(32, 48))
    detector.fit([texture(i) for i in range(24)])
    for i in range(30):
        write_image(tmp_path / f"{i:02d}.png", (texture(50 + i) * 0.8).astype(np.uint8))
    list(
        PredictRun(detector, output=tmp_path / "out").records(sorted(map(str, tmp_path.glob("*"))))
    )
    found = (tmp_path / "out/results.jsonl").read_bytes()
    assert json.loads(found.splitlines()[0])["health"].keys() == {
        "brightness", "contrast", "sharpness", "red_green", "blue_green",
    }  # fmt: skip
    monitor, told = watched(io.BytesIO(found), detector=detector)
    (drift,) = [drift for drift in told if drift.signal == "brightness"]
    assert drift.change.begin.record <= 3
    assert monitor.to_json()["compared_with"] == "detector"
    monitor, told = watched(io.BytesIO(found))  # by themselves they are steady
    assert "brightness" not in {drift.signal for drift in told}


def test_records_of_another_detector_are_refused_by_line() -> None:
    mixed = lines_of(record(0), record(1), record(2, threshold=3.25))
    with pytest.raises(InvalidInputError, match=r"^results.jsonl, line 3: its threshold is 3.25"):
        watched(mixed)
    detector = PatchCore(backbone="filterbank", image_size=(32, 48))
    detector.fit([texture(i) for i in range(4)])
    with pytest.raises(InvalidInputError, match=r"line 1: .*of another detector"):
        watched(lines_of(record(0)), detector=detector)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b'{"path": "3.png", "sco', r"line 3: not JSON: the file ends within it"),
        (b"path,label,score\n", r"line 3: not JSON$"),
        (b"\xff\xfe{}\n", r"line 3: not JSON$"),
        (b"[" * 100_000 + b"\n", r"line 3: not JSON$"),
        (b"3\n", r"line 3: no record of predict"),
        (b"{}\n", r"line 3: no record of predict: it has no path"),
        (b'{"path": "3.png"}\n', r"line 3: no record of predict: score"),
        (json.dumps(record(3) | {"score": 10**400}).encode(), r"line 3: no record"),
        (json.dumps(record(3) | {"score": float("nan")}).encode(), r"line 3: no record"),
        (json.dumps(record(3) | {"score": True}).encode(), r"line 3: no record"),
        (json.dumps(record(3) | {"warnings": "dark"}).encode(), r"line 3: no record"),
        (json.dumps(record(3) | {"health": [1]}).encode(), r"line 3: no record"),
        (json.dumps(record(3) | {"health": {"contrast": "low"}}).encode(), r"line 3: no record"),
        (b" " * (2**20 + 1) + b"x", r"line 3: longer than 1,048,576 bytes"),
    ],
)
def test_a_line_that_is_no_record_is_named_and_what_came_before_stays(
    bad: bytes, message: str
) -> None:
    monitor = Monitor()
    lines = io.BytesIO(lines_of(record(1), record(2)).getvalue() + bad)
    with pytest.raises(InvalidInputError, match=message):
        list(watch(monitor, lines, "results.jsonl"))
    assert monitor.n_records == 2


def test_nothing_to_monitor_is_an_error_and_so_is_a_senseless_rate() -> None:
    with pytest.raises(InvalidInputError, match=r"^results.jsonl holds no records$"):
        watched(io.BytesIO(b"\n \n"))
    with pytest.raises(InvalidInputError, match="false_alarm_every must be 1 or more, got 0"):
        Monitor(false_alarm_every=0)


def test_memory_does_not_grow_with_the_records() -> None:
    def size(monitor: Monitor) -> int:
        return sum(
            sys.getsizeof(value)
            for signal in monitor._signals.values()
            for value in vars(signal._test).values()
        )

    monitor, _ = watched(lines_of(*map(record, range(20))))
    before = size(monitor)
    for i in range(1000):
        monitor.add(record(i))
    assert abs(size(monitor) - before) < 200  # integers become longer
