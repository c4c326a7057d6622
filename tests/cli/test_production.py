"""fit, predict and calibrate as a user calls them."""

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
from pyimgano.cli import main
from pyimgano.errors import WeightsError
from pyimgano.persistence.container import read_container
from pyimgano.pipelines.predict import PredictRun
from tests.conftest import texture, with_blot, write_image
from tests.features.onnx_support import tiny

SIZE = ["--image-size", "48x64", "--quiet"]


def run(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    code = main.main([str(a) for a in argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """good, more (normal), bad, and a detector file."""
    root = tmp_path_factory.mktemp("production")
    for i in range(12):
        write_image(root / f"good/{i:02d}.png", texture(i))
        write_image(root / f"more/{i:02d}.png", texture(100 + i))
    for i in range(3):
        write_image(root / f"bad/{i}.png", with_blot(texture(200 + i)))
    argv = ["fit", str(root / "good"), "-o", str(root / "part.pyimgano"), "--target-fpr", "0.1"]
    assert main.main([*argv, *SIZE]) == 0
    return root


def test_fit_prints_what_was_learnt(work: Path, tmp_path: Path, capsys) -> None:
    target = tmp_path / "new.pyimgano"
    code, out, err = run(capsys, "fit", work / "good", "-o", target, *SIZE)
    assert code == 0
    assert re.search(r"^images +12$", out, re.M)
    assert re.search(r"^memory bank +[\d,]+ patches of \d+ features$", out, re.M)
    assert re.search(r"^threshold +\d+\.\d{4} \(12 training images", out, re.M)
    assert "expected false-positive rate 7.69 %, 95 % interval" in out
    assert "1 % is unattainable with 12 images (smallest: 7.69 %), it needs at least 99" in out
    assert re.search(r"^SHA-256 +[0-9a-f]{64}$", out, re.M)
    assert "highest of 12" in err
    assert pyimgano.load(target).false_positive_rate_.n == 12


def test_fit_names_every_unreadable_image_in_one_line_and_keeps_the_old_file(
    work: Path, tmp_path: Path, capsys
) -> None:
    for i in range(6):
        write_image(tmp_path / f"in/{i}.png", texture(i))
    (tmp_path / "in/1.png").write_bytes(b"")
    (tmp_path / "in/4.png").write_bytes(b"text")
    target = tmp_path / "part.pyimgano"
    target.write_bytes(b"old")
    code, out, err = run(capsys, "fit", tmp_path / "in", "-o", target, *SIZE)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"pyimgano fit: error: 2 of 6 .*1\.png.*4\.png.*\n", err)
    assert target.read_bytes() == b"old"
    argv = ["fit", tmp_path / "in", "-o", target, "--on-bad-image", "skip", *SIZE]
    code, out, err = run(capsys, *argv)
    assert code == 0
    assert re.search(r"^images +4$", out, re.M)
    assert err.count("image left out") == 2


def test_predict_prints_a_table(work: Path, capsys) -> None:
    code, out, err = run(
        capsys, "predict", work / "part.pyimgano", work / "bad", work / "more/00.png", "--regions"
    )
    assert code == 0
    assert re.search(r"^ +score +verdict +ms +file\n", out)
    assert len(re.findall(r"^ +\d+\.\d{4}  ANOMALOUS +\d+\.\d  .*bad/\d\.png$", out, re.M)) == 3
    assert re.search(r"region \d+ x \d+ at \(\d+, \d+\), \d+ px", out)
    assert re.search(r"4 images scored, [34] anomalous, \d+\.\d images/s", err)


def test_predict_prints_json_lines_with_what_the_loaded_detector_says(work: Path, capsys) -> None:
    detector = pyimgano.load(work / "part.pyimgano")
    code, out, _ = run(capsys, "predict", work / "part.pyimgano", work / "bad", "--jsonl")
    assert code == 0
    for line in out.splitlines():
        record = json.loads(line)
        one = detector.predict_one(record["path"])
        assert (record["score"], record["label"]) == (one.score, one.label)
        assert record["threshold"] == detector.threshold_


def test_predict_writes_what_is_asked_for(work: Path, tmp_path: Path, capsys) -> None:
    code, _, _ = run(
        capsys, "predict", work / "part.pyimgano", work / "bad", "--output", tmp_path / "out",
        "--maps", "--overlays", "--quiet",
    )  # fmt: skip
    assert code == 0
    names = sorted(p.name for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert names == [
        *(f"000000{i}_{i - 1}.{suffix}" for i in (1, 2, 3) for suffix in ("png", "tiff")),
        "results.csv",
        "results.jsonl",
    ]


def test_a_bad_image_is_one_record_and_exit_code_1(work: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    argv = ["predict", work / "part.pyimgano", tmp_path / "a.png", work / "bad/0.png"]
    code, out, err = run(capsys, *argv, "--jsonl")
    first, second = map(json.loads, out.splitlines())
    assert code == 1
    assert set(first) == {"path", "error"}
    assert second["label"] == 1
    code, out, err = run(capsys, *argv)
    assert code == 1
    assert re.search(
        r"^pyimgano predict: cannot read image .*a\.png: the file is empty$", err, re.M
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["{part}"], "no images"),
        (["{part}", "x.png", "--maps"], "--maps and --overlays need --output"),
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
    code = (
        "import resource, sys; from pyimgano.cli import main;"
        " resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        " sys.exit(main.main(sys.argv[1:]))"
    )
    argv = ["predict", work / "part.pyimgano", *[work / "more/00.png"] * 50,
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


def test_calibrate_prints_before_and_after_and_records_the_source(
    work: Path, tmp_path: Path, capsys
) -> None:
    target = tmp_path / "new.pyimgano"
    code, out, _ = run(
        capsys, "calibrate", work / "part.pyimgano", "--normal", work / "more", "--anomalous",
        work / "bad", "-o", target, "--quiet",
    )  # fmt: skip
    assert code == 0
    assert re.search(r"^before +\d+\.\d{4} +\d+ of 12 +\d of 3$", out, re.M)
    assert re.search(r"^after +\d+\.\d{4} +0 of 12 +3 of 3$", out, re.M)
    loaded = pyimgano.load(target)
    assert loaded.threshold_source_ in out
    assert loaded.threshold_source_.startswith("calibrated on 12 normal and 3 anomalous images")
    assert loaded.false_positive_rate_ is None
    code, out, _ = run(
        capsys, "calibrate", target, "--normal", work / "more", "--target", "0.1", "-o", target,
        "--quiet",
    )  # fmt: skip
    assert code == 0
    assert "expected false-positive rate 7.69 %" in out
    assert pyimgano.load(target).false_positive_rate_.target == 0.1


@pytest.mark.parametrize("command", ["fit", "predict", "calibrate"])
def test_the_help_fits_a_terminal(command: str, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stop:
        main.main([command, "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "Exit code" in out


def test_a_folder_in_place_of_the_file_is_told_before_anything_is_learnt(
    work: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for argv in (["fit", work / "good"], ["calibrate", work / "part.pyimgano", "--normal", "x"]):
        for target in (".", tmp_path):
            code, out, err = run(capsys, *argv, "-o", target)
            assert (code, out) == (2, "")
            assert err.endswith("it is a folder\n")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--model", "vision_ecod", "--bank-dtype", "float16"], "detectors with a memory bank"),
        (["--seed", str(2**70)], "random_state"),
    ],
)
def test_what_no_file_can_hold_is_told_before_anything_is_learnt(
    work: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch, option, message: str
) -> None:
    from pyimgano.models.classical import ClassicalDetector
    from pyimgano.models.patchcore import PatchCore

    if "--model" in option:
        pytest.importorskip("pyod", reason="needs the extra pyod")
    for kind in (PatchCore, ClassicalDetector):
        monkeypatch.setattr(kind, "fit", lambda *_: pytest.fail("it learnt"))
    code, _, err = run(capsys, "fit", work / "good", "-o", tmp_path / "x", *option)
    assert (code, message in err) == (2, True)


def test_a_network_that_cannot_go_into_the_file_is_told_before_anything_is_learnt(
    work: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    torchvision = pytest.importorskip("torchvision", reason="needs the extra torch")
    pytest.importorskip("onnx", reason="needs the extra export")
    import torch

    from pyimgano.features import onnx_export
    from pyimgano.models import PatchCore

    def refuse(*_: object) -> None:
        raise WeightsError("its export is another network")

    weights = tmp_path / "w.pth"
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), weights)
    monkeypatch.setattr(onnx_export, "_check", refuse)
    monkeypatch.setattr(PatchCore, "fit", lambda *_: pytest.fail("it learnt"))
    argv = ["fit", work / "good", "-o", tmp_path / "x", "--backbone", "resnet18", "--weights",
            weights, "--embed-backbone", *SIZE]  # fmt: skip
    code, _, err = run(capsys, *argv)
    assert (code, err.count("its export is another network")) == (2, 1)
    assert not (tmp_path / "x").exists()


def test_a_detector_that_no_file_can_hold_is_told_before_anything_is_learnt(
    work: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyimgano.models.anomalib_backend import AnomalibDetector

    monkeypatch.setattr(AnomalibDetector, "fit", lambda *_: pytest.fail("it was fitted"))
    model = ("--model", "vision_padim_anomalib")
    code, _, err = run(capsys, "fit", work / "good", "-o", tmp_path / "x.pyimgano", *model)
    assert code == 2
    assert "Padim cannot be stored without pickle" in err


def test_calibrate_keeps_the_way_a_detector_is_stored(work: Path, tmp_path: Path, capsys) -> None:
    half, new = tmp_path / "half.pyimgano", tmp_path / "new.pyimgano"
    assert run(capsys, "fit", work / "good", "-o", half, "--bank-dtype", "float16", *SIZE)[0] == 0
    assert run(capsys, "calibrate", half, "--normal", work / "more", "-o", new, "--quiet")[0] == 0
    assert read_container(new)[0]["bank"]["dtype"] == "float16"
    a, b = (pyimgano.load(path).memory_bank_ for path in (half, new))
    assert a.tobytes() == b.tobytes()


def test_calibrate_keeps_an_onnx_network_in_the_file(work: Path, tmp_path: Path, capsys) -> None:
    network, part = tmp_path / "net.onnx", tmp_path / "part.pyimgano"
    network.write_bytes(tiny())
    argv = ["fit", work / "good", "-o", part, "--backbone", network, "--embed-backbone", *SIZE]
    assert run(capsys, *argv)[0] == 0
    assert run(capsys, "calibrate", part, "--normal", work / "more", "-o", part, "--quiet")[0] == 0
    network.unlink()
    assert run(capsys, "predict", part, work / "bad/0.png", "--quiet")[0] == 0
    code, out, _ = run(capsys, "predict", part, work / "bad/0.png", "--jsonl")
    again = run(capsys, "predict", part, work / "bad/0.png", "--jsonl", "--engine", "opencv")
    assert (code, again[0]) == (0, 0)
    assert json.loads(again[1])["score"] == json.loads(out)["score"]
    code, _, err = run(capsys, "predict", part, work / "bad/0.png", "--engine", "opencvv")
    assert (code, "did you mean 'opencv'" in err) == (2, True)
    code, _, err = run(capsys, "predict", part, work / "bad/0.png", "--no-onnx")
    assert code == 2
    assert "ONNX" in err


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


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--seed", "-1"], "random_state must be an integer of at least 0: -1"),
        (["--image-size", "1000000x1000000"], "not a whole number from 1 to 16,384"),
    ],
)
def test_numbers_that_cannot_be_are_one_line(
    work: Path, tmp_path: Path, capsys, option: list[str], message: str
) -> None:
    code, out, err = run(capsys, "fit", work / "good", "-o", tmp_path / "x", "--quiet", *option)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert message in err
