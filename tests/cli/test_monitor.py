"""monitor as a user calls it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tests.cli.support import run
from tests.pipelines.test_monitor import darker, record


@pytest.fixture
def steady(tmp_path: Path) -> Path:
    file = tmp_path / "results.jsonl"
    file.write_text("".join(json.dumps(record(i)) + "\n" for i in range(100)))
    return file


@pytest.fixture
def drifting(steady: Path) -> Path:
    with steady.open("a") as file:
        file.writelines(json.dumps(darker(i)) + "\n" for i in range(100, 140))
    return steady


def test_a_steady_file_is_reported_with_exit_code_0(steady: Path, capsys) -> None:
    code, out, err = run(capsys, "monitor", steady)
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("100 records, 0 not scored, 0 with a defect (0.0 %)")
    assert out.count("as before") == 8


def test_a_drift_is_told_at_once_and_in_the_report_with_exit_code_1(drifting: Path, capsys) -> None:
    code, out, err = run(capsys, "monitor", drifting)
    assert code == 1
    assert err.startswith("pyimgano monitor: brightness lower since about record ")
    assert "brightness  lower since about record " in out
    assert out.count("as before") == 7


def test_json_has_the_same(drifting: Path, capsys) -> None:
    code, out, _ = run(capsys, "monitor", drifting, "--json", "--false-alarm-every", 1000)
    assert code == 1
    data = json.loads(out)
    assert data["false_alarm_every"] == 1000
    assert data["signals"]["brightness"]["drift"]["direction"] == "lower"
    assert data["signals"]["score"] == {"n": 140, "drift": None}


def test_standard_input_is_read_line_by_line(
    drifting: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stdin:
        buffer = io.BytesIO(drifting.read_bytes())

    monkeypatch.setattr("sys.stdin", Stdin)
    code, _, err = run(capsys, "monitor", "-")
    assert code == 1
    assert "brightness lower" in err


def test_a_cut_line_is_one_error_and_the_lines_before_it_are_reported(
    drifting: Path, capsys
) -> None:
    with drifting.open("a") as file:
        file.write('{"path": "141.p')
    code, out, err = run(capsys, "monitor", drifting)
    assert code == 2
    assert err.splitlines()[-1] == (
        f"pyimgano monitor: error: {drifting}, line 141: not JSON: the file ends within it"
    )
    assert out.startswith("140 records")


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_an_empty_or_missing_file_is_one_error(tmp_path: Path, option: list[str], capsys) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    assert run(capsys, "monitor", empty, *option) == (
        2, "", f"pyimgano monitor: error: {empty} holds no records\n",
    )  # fmt: skip
    code, out, err = run(capsys, "monitor", tmp_path / "none.jsonl", *option)
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        f"pyimgano monitor: error: {tmp_path / 'none.jsonl'}: No such file or directory"
    ]


def test_a_rate_below_one_is_a_mistake(steady: Path, capsys) -> None:
    code, _, err = run(capsys, "monitor", steady, "--false-alarm-every", 0)
    assert code == 2
    assert "false_alarm_every must be 1 or more, got 0" in err
