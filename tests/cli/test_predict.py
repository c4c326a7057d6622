"""predict as a user calls it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import pyimgano
from pyimgano.pipelines.predict import PredictRun
from tests.cli.support import run


def test_predict_prints_a_table(work: Path, capsys) -> None:
    code, out, err = run(
        capsys, "predict", work / "part.pyimgano", work / "bad", work / "more/00.png", "--regions"
    )
    assert code == 0
    assert re.search(r"^ +score +verdict +ms +file\n", out)
    assert len(re.findall(r"^ +\d+\.\d{4}  defect +\d+\.\d  .*bad/\d\.png$", out, re.M)) == 3
    assert re.search(r"region \d+ x \d+ at \(\d+, \d+\), \d+ px", out)
    assert re.search(r"4 images scored, [34] with a defect, \d+\.\d images/s", err)


def test_predict_prints_json_lines_with_what_the_loaded_detector_says(work: Path, capsys) -> None:
    detector = pyimgano.load(work / "part.pyimgano")
    code, out, _ = run(capsys, "predict", work / "part.pyimgano", work / "bad", "--jsonl")
    assert code == 0
    for line in out.splitlines():
        record = json.loads(line)
        one = detector.predict_one(record["path"])
        assert (record["score"], record["predicted"]) == (one.score, one.label)
        assert record["threshold"] == detector.threshold_


def test_predict_writes_what_is_asked_for(work: Path, tmp_path: Path, capsys) -> None:
    code, _, _ = run(
        capsys, "predict", work / "part.pyimgano", work / "bad", "--output", tmp_path / "out",
        "--maps", "--overlays", "--quiet",
    )  # fmt: skip
    assert code == 0
    names = sorted(p.name for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert names == [
        ".pyimgano-output",
        *(f"000000{i}_{i - 1}.{suffix}" for i in (1, 2, 3) for suffix in ("png", "tiff")),
        "results.csv",
        "results.jsonl",
        "summary.json",
    ]


def test_a_bad_image_is_one_record_and_exit_code_1(work: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    argv = ["predict", work / "part.pyimgano", tmp_path / "a.png", work / "bad/0.png"]
    code, out, err = run(capsys, *argv, "--jsonl")
    first, second = map(json.loads, out.splitlines())
    assert code == 1
    assert set(first) == {"path", "error"}
    assert (second["label"], second["predicted"]) == (None, 1)
    code, out, err = run(capsys, *argv)
    assert code == 1
    assert re.search(
        r"^pyimgano predict: cannot read image .*a\.png: the file is empty$", err, re.M
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["{part}"], "no images"),
        (["{part}", "x.png", "--maps"], "--maps, --overlays and --masks need --output"),
        (["{part}", "{good}", "--masks", "--output", "out"], "masks need a pixel threshold"),
        (["{good}", "x.png"], "good"),
        (["gone.pyimgano", "x.png"], "gone.pyimgano"),
        (["{part}", "@gone.txt"], "list gone.txt"),
        (["{part}", "{good}", "--output", "{part}"], "cannot write to output folder"),
    ],
)
def test_a_users_mistake_is_told_before_any_work(
    work: Path, capsys, argv: list[str], message: str
) -> None:
    named = [a.format(part=work / "part.pyimgano", good=work / "good") for a in argv]
    try:
        code, out, err = run(capsys, "predict", *named)
    except SystemExit as stop:  # argparse's own way
        code, (out, err) = stop.code, capsys.readouterr()
    assert (code, out) == (2, "")
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err


def test_an_interrupt_keeps_what_was_finished(
    work: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = PredictRun._count

    def interrupt_after_two(self: PredictRun, record: dict[str, object]) -> None:
        count(self, record)
        if self.summary.n_scored == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(PredictRun, "_count", interrupt_after_two)
    code, _, err = run(
        capsys, "predict", work / "part.pyimgano", work / "more", "--output", tmp_path / "out"
    )
    assert code == 130
    assert "interrupted" in err
    assert "2 images scored" in err
    assert len((tmp_path / "out/results.jsonl").read_text().splitlines()) == 2


@pytest.mark.skipif(os.name != "posix", reason="pipes close this way on POSIX systems only")
def test_a_reader_that_goes_away_ends_it_quietly(work: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    for i in range(100):
        (links / f"{i:03d}.png").symlink_to(work / "more/00.png")
    command = [sys.executable, "-m", "pyimgano", "predict", os.fspath(work / "part.pyimgano"),
               os.fspath(links), "--jsonl", "--quiet"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert json.loads(child.stdout.readline())["path"].endswith("000.png")
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0


@pytest.mark.skipif(os.name != "posix", reason="pipes close this way on POSIX systems only")
def test_a_reader_that_goes_away_leaves_the_output_folder_whole(work: Path, tmp_path: Path) -> None:
    argv = ["predict", work / "part.pyimgano", *[work / "more/00.png"] * 50, work / "gone.png",
            "--output", tmp_path / "out"]  # fmt: skip
    command = [sys.executable, "-m", "pyimgano", *map(os.fspath, argv)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        child.stdout.readline()
        child.stdout.close()
        error, summary = child.stderr.read().decode().splitlines()
    assert "gone.png" in error
    assert "50 images scored" in summary
    assert child.returncode == 1
    assert len((tmp_path / "out/results.jsonl").read_text().splitlines()) == 51


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on the size of files")
def test_a_full_disk_leaves_whole_records(work: Path, tmp_path: Path) -> None:
    part = tmp_path / "part.pyimgano"  # no network, whose file in memory the limit would hold for
    good = sorted((work / "good").iterdir())
    pyimgano.create_model("patchcore", backbone="filterbank", image_size=64).fit(good).save(part)
    code = (
        "import resource, sys; from pyimgano.cli import main;"
        " resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        " sys.exit(main.main(sys.argv[1:]))"
    )
    argv = ["predict", part, *[work / "more/00.png"] * 50,
            "--quiet", "--output", tmp_path / "out"]  # fmt: skip
    command = [sys.executable, "-c", code, *map(os.fspath, argv)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "cannot write results in" in done.stderr
    lines = (tmp_path / "out/results.jsonl").read_text().splitlines()
    rows = (tmp_path / "out/results.csv").read_text().splitlines()
    assert 1 < len(lines) == len(rows) - 1 < 50
    assert all("score" in json.loads(line) for line in lines)


def test_scoring_does_not_import_scipy(work: Path) -> None:
    code = (
        "import sys; from pyimgano.cli import main; assert main.main(sys.argv[1:]) == 0;"
        " sys.exit(any(name.startswith('scipy') for name in sys.modules))"
    )
    argv = ["predict", os.fspath(work / "part.pyimgano"), os.fspath(work / "bad/0.png"), "--quiet"]
    done = subprocess.run([sys.executable, "-c", code, *argv], check=False)
    assert done.returncode == 0


def test_a_list_on_standard_input_is_answered_line_by_line(work: Path) -> None:
    command = [sys.executable, "-m", "pyimgano", "predict", os.fspath(work / "part.pyimgano"),
               "--list", "-", "--jsonl", "--quiet"]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        for name in ("00.png", "gone.png", "01.png"):
            child.stdin.write(os.fsencode(work / "more" / name) + b"\n")
            child.stdin.flush()
            assert json.loads(child.stdout.readline())["path"].endswith(name)
        child.stdin.close()
    assert child.returncode == 1


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("redirected", "code", "message"),
    [
        ("--list - <&-", 2, "cannot read list -: standard input is closed"),
        ("{bad} --quiet >&-", 0, ""),
        ("{bad} >&- 2>&-", 0, ""),
        ("{bad} --jsonl >/dev/full", 2, "cannot write the output: No space left on device"),
    ],
)
def test_streams_that_are_closed_or_full(
    work: Path, redirected: str, code: int, message: str
) -> None:
    if "/dev/full" in redirected and not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    words = [sys.executable, "-m", "pyimgano", "predict", os.fspath(work / "part.pyimgano")]
    command = f"{shlex.join(words)} {redirected.format(bad=work / 'bad')}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert message in done.stderr
    assert len(done.stderr.splitlines()) <= 1
