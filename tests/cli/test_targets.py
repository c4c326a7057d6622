"""Files that commands write: what exists and is no regular file is refused, links are followed."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from pyimgano.errors import OutputError
from pyimgano.reporting.files import check_target, write_bytes
from pyimgano.utils.atomic import replacing
from tests.cli.support import SIZE, run

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")


def fifo(path: Path) -> str:
    os.mkfifo(path)
    return "it is a device, a pipe or the like"


def folder(path: Path) -> str:
    path.mkdir()
    return "it is a folder"


def device_by_link(path: Path) -> str:
    path.symlink_to("/dev/null")
    return "it is a device, a pipe or the like"


def loop(path: Path) -> str:
    path.symlink_to(path.name)
    return "symbolic links"


def below_a_file(path: Path) -> str:
    path.parent.rmdir()
    path.parent.write_text("in the way")
    return "out"


KINDS = [fifo, folder, device_by_link, loop, below_a_file]
KIND = pytest.mark.parametrize("make", KINDS, ids=[kind.__name__ for kind in KINDS])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out/x.onnx"


@KIND
def test_what_is_no_regular_file_is_not_replaced(place: Path, make: Callable[[Path], str]) -> None:
    why = make(place)
    before = os.lstat(place).st_mode if make is not below_a_file else None
    for write in (check_target, lambda path: write_bytes(path, b"x")):
        with pytest.raises(OutputError, match=why):
            write(place)
    if before is not None:
        assert os.lstat(place).st_mode == before
        assert [p.name for p in place.parent.iterdir()] == ["x.onnx"]


@KIND
@pytest.mark.parametrize("command", ["fit", "calibrate"])
def test_commands_refuse_it_before_any_work(
    work: Path, place: Path, capsys, make: Callable[[Path], str], command: str
) -> None:
    why = make(place)
    argv = {
        "fit": ["fit", work / "good", *SIZE],
        "calibrate": ["calibrate", work / "part.pyimgano", "--normal", work / "more"],
    }[command]
    code, out, err = run(capsys, *argv, "-o", place)
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"pyimgano {command}: error: cannot write .*{why}.*\n", err)


def test_the_device_itself_stays_a_device(work: Path, capsys) -> None:
    code, _, err = run(capsys, "fit", work / "good", "-o", "/dev/null", *SIZE)
    assert code == 2
    assert "cannot write /dev/null: it is a device, a pipe or the like" in err
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_export_backbone_refuses_it_before_torch_is_asked_for(
    place: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    fifo(place)
    monkeypatch.setattr(
        "pyimgano.features.backbones.torchvision.TorchvisionBackbone.__init__", lambda *a, **k: None
    )
    code, _, err = run(capsys, "export-backbone", "resnet18", "-o", place)
    assert code == 2
    assert "it is a device, a pipe or the like" in err


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path, exists: bool) -> None:
    (tmp_path / "there").mkdir()
    target = tmp_path / "there/file"
    if exists:
        target.write_bytes(b"old")
    (tmp_path / "link").symlink_to("there/file")
    (tmp_path / "link2").symlink_to("link")
    with replacing(tmp_path / "link2") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "link2").is_symlink()
    assert target.read_bytes() == b"new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "link2", "there"]


def test_calibrate_writes_through_a_link_to_the_old_file(
    work: Path, tmp_path: Path, capsys
) -> None:
    real = tmp_path / "real.pyimgano"
    real.write_bytes((work / "part.pyimgano").read_bytes())
    (tmp_path / "current.pyimgano").symlink_to("real.pyimgano")
    code, _, _ = run(
        capsys, "calibrate", tmp_path / "current.pyimgano", "--normal", work / "more",
        "-o", tmp_path / "current.pyimgano", "--quiet",
    )  # fmt: skip
    assert code == 0
    assert (tmp_path / "current.pyimgano").is_symlink()
    assert real.read_bytes() != (work / "part.pyimgano").read_bytes()


@pytest.mark.parametrize("make", [fifo, loop], ids=["fifo", "loop"])
def test_an_output_folder_that_is_none_is_one_line(
    work: Path, tmp_path: Path, capsys, make: Callable[[Path], str]
) -> None:
    make(tmp_path / "out")
    code, out, err = run(
        capsys, "predict", work / "part.pyimgano", work / "bad", "--output", tmp_path / "out"
    )
    assert (code, out) == (2, "")
    assert re.fullmatch(r"pyimgano predict: error: cannot write to output folder .*out.*\n", err)
