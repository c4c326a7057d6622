"""fit and calibrate as a user calls them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import pyimgano
from pyimgano.cli import main
from pyimgano.errors import WeightsError
from pyimgano.persistence.container import read_container
from tests.cli.support import SIZE, run
from tests.conftest import texture, write_image
from tests.features.onnx_support import tiny


def test_fit_prints_what_was_learnt(work: Path, tmp_path: Path, capsys) -> None:
    target = tmp_path / "new.pyimgano"
    code, out, err = run(capsys, "fit", work / "good", "-o", target, *SIZE)
    assert code == 0
    assert re.search(r"^images +12$", out, re.M)
    assert re.search(r"^memory bank +[\d,]+ patches of \d+ features$", out, re.M)
    assert re.search(
        r"^threshold +\d+\.\d{4} \(12 training images.*set by .*\d\d?\.png\)$", out, re.M
    )
    assert (
        "about 7.7 of 100 good parts will be flagged (95 % interval: 0.21 to 26; 12 images)" in out
    )
    assert "with 100 good images the interval would be 4.9 to 16" in out
    assert re.search(r"^SHA-256 +[0-9a-f]{64}$", out, re.M)
    assert err == ""
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
    assert err.count("good photo left out") == 2


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
    assert "about 7.7 of 100 good parts will be flagged" in out
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

    from pyimgano.features.backbones.onnx import export as onnx_export
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


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--seed", "-1"], "random_state must be an integer of at least 0"),
        (["--image-size", "1000000x1000000"], "--image-size must be an integer from 1 to 32,767"),
    ],
)
def test_numbers_that_cannot_be_are_one_line(
    work: Path, tmp_path: Path, capsys, option: list[str], message: str
) -> None:
    code, out, err = run(capsys, "fit", work / "good", "-o", tmp_path / "x", "--quiet", *option)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert message in err
