"""Which files `load` opens on the word of a detector file."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import pyimgano
from pyimgano.errors import DetectorFileError, WeightsError
from pyimgano.models import PatchCore
from pyimgano.persistence.container import checksum
from pyimgano.persistence.weights_file import find_file, is_local
from tests.conftest import texture
from tests.features.onnx_support import tiny
from tests.fuzz.forgery import START, assemble, parse

CONTENT = b"weights" * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are opened."""
    names: list[str] = []
    real = os.open

    def spy(path: str, *args: int, **kwargs: int) -> int:
        names.append(os.fspath(path))
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", spy)
    return names


def not_found(location: str, folder: Path, n_bytes: int = len(CONTENT)) -> None:
    with pytest.raises(WeightsError, match=r"weights w \(SHA-256 .*not at hand.*weights=FILE"):
        find_file("w", n_bytes, SHA256, None, location, folder)


def test_a_file_of_the_right_size_and_hash_is_found(tmp_path: Path) -> None:
    there, beside = tmp_path / "there", tmp_path / "w"
    there.write_bytes(CONTENT)
    args = ("w", len(CONTENT), SHA256, None, str(there), tmp_path)
    assert find_file(*args) == (str(there), CONTENT)
    there.rename(beside)
    assert find_file(*args) == (str(beside), CONTENT)


@pytest.mark.parametrize("n_bytes", [0, len(CONTENT) - 1, len(CONTENT) + 1, 1 << 34])
def test_a_file_of_another_size_is_not_opened(
    n_bytes: int, tmp_path: Path, opened: list[str]
) -> None:
    (tmp_path / "there").write_bytes(CONTENT)
    (tmp_path / "w").write_bytes(CONTENT)
    not_found(str(tmp_path / "there"), tmp_path, n_bytes)
    assert opened == []


@pytest.mark.skipif(sys.platform != "linux", reason="these files are Linux'")
@pytest.mark.parametrize(
    "location",
    [
        *("/proc/self/pagemap", "/proc/kmsg", "/proc/self/environ", "/proc/self/../kcore"),
        *("/dev/zero", "/dev/stdin", "/sys/kernel/uevent_seqnum", "/sys/kernel/../power/state"),
    ],
)
@pytest.mark.parametrize("n_bytes", [1, 4096])
def test_files_that_are_made_up_while_they_are_read_are_not_opened(
    location: str, n_bytes: int, tmp_path: Path, opened: list[str]
) -> None:
    (tmp_path / "link").symlink_to(location)
    not_found(location, tmp_path, n_bytes)
    not_found(str(tmp_path / "link"), tmp_path, n_bytes)
    assert opened == []


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_sparse(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(200 << 30)


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes and links as files")
@pytest.mark.parametrize("make", [make_pipe, Path.mkdir, make_sparse, make_loop])
def test_pipes_folders_and_sparse_files_are_not_opened(
    make: Callable[[Path], None], tmp_path: Path, opened: list[str]
) -> None:
    make(tmp_path / "there")
    make(tmp_path / "w")
    not_found(str(tmp_path / "there"), tmp_path)
    assert opened == []


def test_a_name_with_a_null_character_or_folders_is_not_opened(
    tmp_path: Path, opened: list[str]
) -> None:
    not_found("/tmp/\0x", tmp_path)
    (tmp_path / "w").write_bytes(CONTENT)
    (tmp_path / "sub").mkdir()
    with pytest.raises(WeightsError, match="not at hand"):
        find_file("../w", len(CONTENT), SHA256, None, "w", tmp_path / "sub")
    assert opened == []


def test_network_shares_are_no_locations_whatever_their_slashes() -> None:
    shares = [a + b + "host/share/x" for a in "/\\" for b in "/\\"]
    shares += [r"\\?\UNC\host\share\x", "//?/UNC/host/share/x", r"\\.\pipe\x", r"\??\UNC\host\x"]
    for share in shares:
        assert not is_local(share, windows=True), share
    assert not is_local("//host/share/x", windows=False)
    for relative in ("", "x", "./x", "C:x", "file:///x", "~/x"):
        assert not is_local(relative, windows=True), relative
        assert not is_local(relative, windows=False), relative
    assert is_local("/home/x/w.pth", windows=False)
    assert is_local(r"C:\w.pth", windows=True)
    assert is_local("d:/w.pth", windows=True)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """A detector file that names an ONNX model."""
    (tmp_path / "tiny.onnx").write_bytes(tiny())
    images = [texture(i) for i in range(10)]
    detector = PatchCore(backbone=tmp_path / "tiny.onnx", image_size=(48, 64)).fit(images)
    detector.save(tmp_path / "part")
    return tmp_path / "part"


def forged(part: Path, **entries: object) -> Path:
    head, header, body = parse(part.read_bytes())
    header["features"].update(entries)
    data = bytearray(assemble(head, header, body))
    data[START : START + 64] = checksum(bytes(data)).encode()
    part.write_bytes(data)
    return part


def test_the_size_of_the_weights_is_in_the_file_and_must_be_that_of_the_file_found(
    part: Path,
) -> None:
    header = parse(part.read_bytes())[1]
    assert header["features"]["weights_bytes"] == len(tiny())
    assert np.isfinite(pyimgano.load(part).threshold_)
    with pytest.raises(WeightsError, match="part: .*not at hand"):
        pyimgano.load(forged(part, weights_bytes=len(tiny()) + 1))
    for size in (0, -1, 1 << 40, None, "1"):
        with pytest.raises(DetectorFileError, match="part: .*'weights_bytes'"):
            pyimgano.load(forged(part, weights_bytes=size))


@pytest.mark.skipif(sys.platform != "linux", reason="these files are Linux'")
def test_a_location_that_never_ends_does_not_stall_load(part: Path) -> None:
    for location in ("/proc/self/pagemap", "/proc/kmsg", "/dev/zero"):
        with pytest.raises(WeightsError, match="part: .*not at hand"):
            pyimgano.load(forged(part, location=location, weights="nothere.onnx"))


def test_a_huge_sparse_file_is_no_detector_and_is_not_read(tmp_path: Path, part: Path) -> None:
    sparse = tmp_path / "sparse"
    make_sparse(sparse)
    with pytest.raises(DetectorFileError, match="sparse: this is no fitted-detector file"):
        pyimgano.load(sparse)
    with open(part, "r+b") as file:
        file.truncate(1 << 43)
    with pytest.raises(DetectorFileError, match=r"part: it has 8,796\.1 GB, and .* are available"):
        pyimgano.load(part)


def test_weights_are_decoded_from_the_bytes_that_were_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from pyimgano.features.backbones.weights import read_state

    path = tmp_path / "w.pth"
    torch.save({"a": torch.ones(3)}, path)
    seen: list[object] = []
    real = torch.load
    monkeypatch.setattr(
        torch, "load", lambda file, **how: seen.append((file, how)) or real(file, **how)
    )
    _, info = read_state(path)
    ((file, how),) = seen  # type: ignore[misc]
    assert hashlib.sha256(file.getvalue()).hexdigest() == info["weights_sha256"]
    assert how["weights_only"] is True
    assert json.loads(json.dumps(info))["weights_bytes"] == path.stat().st_size
