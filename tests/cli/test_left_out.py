"""What was left out is said in one line by every command, and kept in its results."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import pyimgano
from tests.cli.support import SIZE, run
from tests.conftest import write_mvtec

SMALL = ["--backbone", "embedded", "--image-size", "96x128"]
LINE = r"^pyimgano {}: (error: )?4 files and folders left out: .*3 \.XYZ.*1 folder that cannot be"


@pytest.fixture
def mixed(work: Path, tmp_path: Path, close_folder: Callable[[Path], None]) -> Path:
    """Twelve good images, three files of an unknown suffix, a closed folder and hidden ones."""
    folder = tmp_path / "mixed"
    shutil.copytree(work / "more", folder)
    (folder / "sub").mkdir()
    for i in range(3):
        (folder / f"sub/{i}.XYZ").write_bytes(b"x")
    for name in ("Thumbs.db", "notes.txt", ".DS_Store"):
        (folder / name).write_bytes(b"x")
    (folder / ".ipynb_checkpoints").mkdir()
    shutil.copy(work / "bad/0.png", folder / ".ipynb_checkpoints")
    (folder / "secret").mkdir()
    close_folder(folder / "secret")
    return folder


def test_predict_scores_the_rest_and_says_what_was_left_out(
    work: Path, mixed: Path, tmp_path: Path, capsys
) -> None:
    argv = ["predict", work / "part.pyimgano", mixed, "--output", tmp_path / "out", "--quiet"]
    code, _, err = run(capsys, *argv)
    assert code == 1  # the closed folder is a record
    assert re.search(LINE.format("predict"), err, re.M)
    records = [json.loads(r) for r in (tmp_path / "out/results.jsonl").read_text().splitlines()]
    assert [r["path"] for r in records if "error" in r] == [str(mixed / "secret")]
    assert sum("score" in r for r in records) == 12
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    counts = {one["reason"]: one["count"] for one in summary["left_out"] if not one["expected"]}
    assert counts == {".XYZ": 3, "folders that cannot be read": 1}
    assert summary["n_scored"] == 12


def test_predict_is_strict_on_request(work: Path, tmp_path: Path, capsys) -> None:
    shutil.copytree(work / "bad", tmp_path / "in")
    argv = ["predict", work / "part.pyimgano", tmp_path / "in"]
    (tmp_path / "in/notes.txt").write_text("nobody misses it")
    assert run(capsys, *argv, "--strict")[0] == 0
    (tmp_path / "in/x.xyz").write_bytes(b"x")
    assert run(capsys, *argv)[0] == 0
    code, out, err = run(capsys, *argv, "--strict")
    assert code == 1
    assert out.count(".png") == 3  # what can be scored is
    assert re.search(r"error: 1 file left out: 1 \.xyz", err)


def test_fit_learns_from_the_rest_and_says_what_was_left_out(
    mixed: Path, tmp_path: Path, capsys
) -> None:
    file = tmp_path / "a.pyimgano"
    code, out, err = run(capsys, "fit", mixed, "-o", file, *SIZE)
    assert (code, "images       12" in out) == (0, True)
    assert re.search(LINE.format("fit"), err, re.M)
    file.unlink()
    code, _, err = run(capsys, "fit", mixed, "-o", file, *SIZE, "--strict")
    assert (code, file.exists()) == (2, False)
    assert re.search(LINE.format("fit"), err, re.M)


def test_calibrate_says_what_was_left_out(work: Path, mixed: Path, tmp_path: Path, capsys) -> None:
    argv = ["calibrate", work / "part.pyimgano", "--normal", mixed, "-o", tmp_path / "c.pyimgano"]
    code, _, err = run(capsys, *argv, "--quiet")
    assert code == 0
    assert re.search(LINE.format("calibrate"), err, re.M)
    code, _, err = run(capsys, *argv, "--quiet", "--strict")
    assert code == 2
    assert re.search(LINE.format("calibrate"), err, re.M)


@pytest.mark.parametrize("side", ["--normal", "--test"])
def test_detect_says_what_was_left_out_of_either_folder(
    work: Path, mixed: Path, tmp_path: Path, capsys, side: str
) -> None:
    folders = {"--normal": work / "good", "--test": work / "bad", side: mixed}
    argv = ["detect", *(a for pair in folders.items() for a in pair), "--output", tmp_path / "out"]
    code, _, err = run(capsys, *argv, "--quiet", *SMALL)
    assert code == (1 if side == "--test" else 0)
    assert re.search(LINE.format("detect"), err, re.M)
    data = json.loads((tmp_path / "out/results.json").read_text())
    counts = {one["reason"]: one["count"] for one in data["left_out"] if not one["expected"]}
    assert counts == {".XYZ": 3, "folders that cannot be read": 1}
    code, _, err = run(capsys, *argv, "--quiet", *SMALL, "--strict")
    assert code == 2
    assert re.search(LINE.format("detect"), err, re.M)


def test_benchmark_says_what_was_left_out_of_each_category(tmp_path: Path, capsys) -> None:
    root = write_mvtec(tmp_path / "set", ("bolt", "cloth"))
    shutil.copy(root / "bolt/test/blot/000.png", root / "bolt/test/loose.png")
    (root / "bolt/train/good/1.XYZ").write_bytes(b"x")
    argv = ["benchmark", "--dataset", "mvtec", "--root", root, *SMALL]
    code, out, _ = run(capsys, *argv, "--output", tmp_path / "out")
    assert code == 0
    line = r"bolt: 2 files left out: .*1 \.XYZ"
    assert re.search(line, out)
    assert re.search(line.replace(r"\.", r"\\?\."), (tmp_path / "out/results.md").read_text())
    assert "2 files left out" in (tmp_path / "out/report.html").read_text()
    bolt, cloth = json.loads((tmp_path / "out/results.json").read_text())["categories"]
    assert {one["count"] for one in bolt["left_out"]} == {1}
    assert cloth["left_out"] == []
    code, out, err = run(capsys, *argv, "--output", tmp_path / "out", "--strict")
    assert code == 1
    assert re.search(r"bolt failed: 2 files left out", err)
    assert re.search(r"^cloth +1\.0000", out, re.M)


@pytest.mark.parametrize("output", ["in/out", "in", "."])
def test_results_in_the_input_folder_are_never_input(
    work: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(work / "bad", "in")
    argv = ["predict", work / "part.pyimgano", "in", "--overlays", "--maps", "--output"]
    for place in (output, output, "in/again"):
        assert run(capsys, *argv, place)[0] == 0
        assert len(Path(place, "results.jsonl").read_text().splitlines()) == 3
        assert len(list(Path(place, "overlays").glob("*.png"))) == 3


def test_detect_twice_into_its_own_test_folder(work: Path, tmp_path: Path, capsys) -> None:
    shutil.copytree(work / "bad", tmp_path / "in")
    argv = ["detect", "--normal", work / "good", "--test", tmp_path / "in", "--output",
            tmp_path / "in", "--quiet", *SMALL]  # fmt: skip
    for _ in range(2):
        assert run(capsys, *argv)[0] == 0
        detections = json.loads((tmp_path / "in/results.json").read_text())["detections"]
        assert len(detections) == 3
        assert len(list((tmp_path / "in/overlays").iterdir())) == 3


@pytest.mark.parametrize("command", ["predict", "detect"])
def test_a_users_pictures_named_like_overlays_stay_and_are_input(
    work: Path, tmp_path: Path, capsys, command: str
) -> None:
    folder = tmp_path / "in"
    names = [f"{i:07d}_part.png" for i in range(1, 4)] + ["0001_9.000_part.png", ".0.png"]
    for name in names:
        (folder / "overlays").mkdir(parents=True, exist_ok=True)
        shutil.copy(work / "bad/0.png", folder / "overlays" / name)
    before = {name: os.stat(folder / "overlays" / name).st_ino for name in names}
    argv = {
        "predict": ["predict", work / "part.pyimgano", folder, "--overlays"],
        "detect": ["detect", "--normal", work / "good", "--test", folder, *SMALL],
    }[command]
    for _ in range(2):
        code, _, _ = run(capsys, *argv, "--quiet", "--output", folder)
        assert code == 0
        assert {n: os.stat(folder / "overlays" / n).st_ino for n in names} == before
        assert len(list((folder / "overlays_2").iterdir())) == 4


def test_two_runs_into_one_folder_are_refused_and_lose_nothing(
    work: Path, tmp_path: Path, capsys
) -> None:
    from pyimgano.pipelines.predict import PredictRun

    detector = pyimgano.load(work / "part.pyimgano")
    paths = sorted(map(str, (work / "more").iterdir()))
    records = PredictRun(detector, output=tmp_path / "out").records(paths)
    first = next(records)
    code, _, err = run(
        capsys, "predict", work / "part.pyimgano", work / "bad", "--output", tmp_path / "out"
    )
    assert code == 2
    assert "error: another run is writing to output folder" in err
    rest = [first, *records]
    lines = (tmp_path / "out/results.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == rest
    assert len(rest) == 12
    assert run(
        capsys, "predict", work / "part.pyimgano", work / "bad", "--output", tmp_path / "out"
    )[0] == 0  # fmt: skip


def test_a_looping_link_in_a_folder_of_images_stops_neither_fit_nor_predict(
    work: Path, tmp_path: Path, capsys
) -> None:
    shutil.copytree(work / "more", tmp_path / "in")
    (tmp_path / "in/05.png").unlink()
    (tmp_path / "in/05.png").symlink_to("05.png")
    code, out, err = run(capsys, "predict", work / "part.pyimgano", tmp_path / "in", "--jsonl")
    records = [json.loads(line) for line in out.splitlines()]
    assert (code, sum("score" in r for r in records)) == (1, 11)
    assert [r["path"] for r in records if "error" in r] == [str(tmp_path / "in/05.png")]
    code, out, err = run(capsys, "fit", tmp_path / "in", "-o", tmp_path / "d.pyimgano", *SIZE)
    assert (code, "images       11" in out) == (0, True)
    assert "1 link left out: 1 link that cannot be followed" in err


def test_synth_into_a_folder_that_cannot_be_written_to_is_one_line(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = Path.mkdir

    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        if tmp_path in self.parents:
            raise PermissionError(13, "Permission denied", str(self))
        mkdir(self, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", refuse)
    code, out, err = run(capsys, "synth", tmp_path / "set", "--category", "mesh", "--train", "1")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"pyimgano synth: error: cannot write .*mesh.*: Permission denied\n", err)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write to every folder"
)
def test_synth_into_a_read_only_folder_is_one_line(tmp_path: Path, capsys) -> None:
    tmp_path.chmod(0o500)
    code, out, err = run(capsys, "synth", tmp_path / "set", "--category", "mesh", "--train", "1")
    tmp_path.chmod(0o700)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"pyimgano synth: error: cannot write .*: Permission denied\n", err)


def test_benchmark_with_the_category_as_root_says_how_to_name_both(tmp_path: Path, capsys) -> None:
    root = write_mvtec(tmp_path / "set", ("bolt",))
    code, _, err = run(capsys, "benchmark", "--dataset", "mvtec", "--root", root / "bolt", *SMALL)
    assert code == 2
    assert f"take {root} as root and bolt as category" in err
    code, out, _ = run(capsys, "benchmark", "--dataset", "custom", "--root", root / "bolt", *SMALL)
    assert code == 0
    assert re.search(r"^bolt +1\.0000", out, re.M)


def test_what_the_system_refuses_is_one_line_wherever_it_happens(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", "some\nwhere")

    monkeypatch.setattr("pyimgano.pipelines.fit.run_fit", refuse)
    code, out, err = run(capsys, "fit", tmp_path, "-o", tmp_path / "x", *SIZE)
    assert (code, out) == (2, "")
    assert err == "pyimgano fit: error: some\\nwhere: Permission denied\n"
