"""What a folder gives, and what it leaves out."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyimgano.errors import DatasetError
from pyimgano.images.left_out import LeftOut
from pyimgano.images.sources import gather_images, stream_images
from pyimgano.images.walk import Walk
from pyimgano.types import Unreadable


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def found(root: Path) -> tuple[list[str], list[str], LeftOut]:
    """Images and problems, relative to the folder, and what was left out."""
    left_out = LeftOut()
    stream = list(stream_images(root, left_out=left_out))
    images = [os.path.relpath(one, root) for one in stream if isinstance(one, str)]
    return images, [one.reason for one in stream if isinstance(one, Unreadable)], left_out


def test_suffixes_that_are_not_read_are_counted_and_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "1.XYZ", "2.xyz", "sub/3.xyz", "sub/4.raw5")
    images, problems, left_out = found(tmp_path)
    assert (images, problems) == (["a.png"], [])
    line = left_out.describe()
    assert line.startswith("4 files left out: ")
    assert f"3 .XYZ ({tmp_path / '1.XYZ'}, ...)".lower() in line.lower()
    assert f"1 .raw5 ({tmp_path / 'sub/4.raw5'})" in line


def test_a_file_without_a_suffix_may_be_an_image_and_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "IMG_0001")
    assert "1 without a suffix" in found(tmp_path)[2].describe()


@pytest.mark.parametrize(
    "name",
    ["Thumbs.db", "desktop.ini", "notes.txt", "labels.json", "labels.csv", ".DS_Store", "README"],
)
def test_what_nobody_takes_for_an_image_is_counted_without_alarm(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "a.png", name)
    _, problems, left_out = found(tmp_path)
    assert (problems, left_out.describe(), left_out.total, left_out.n_expected) == ([], "", 0, 1)
    left_out.check()


@pytest.mark.parametrize(
    "folder",
    [".ipynb_checkpoints", ".Trash-1000", ".cache", "__MACOSX", "@eaDir", "$RECYCLE.BIN"],
)
def test_hidden_folders_and_those_of_the_system_are_no_data(tmp_path: Path, folder: str) -> None:
    touch(tmp_path, "a.png", f"{folder}/a.png", f"sub/{folder}/deep/a.png")
    images, problems, left_out = found(tmp_path)
    assert (images, problems, left_out.total, left_out.n_expected) == (["a.png"], [], 0, 2)


def test_a_hidden_folder_that_is_named_is_read(tmp_path: Path) -> None:
    touch(tmp_path, ".inbox/a.png")
    assert found(tmp_path / ".inbox")[0] == ["a.png"]


def test_linked_folders_are_followed(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.png", "elsewhere/deep/b.png")
    (tmp_path / "in/cam2").symlink_to(tmp_path / "elsewhere")
    assert found(tmp_path / "in")[0] == ["a.png", "cam2/deep/b.png"]


def test_a_folder_is_read_once_whatever_leads_to_it(tmp_path: Path) -> None:
    touch(tmp_path, "in/real/a.png", "elsewhere/b.png", "in/.store/c.png")
    for name, target in (
        ("0", tmp_path / "in/real"),  # read under its own name
        ("1", tmp_path / "elsewhere"),
        ("2", tmp_path / "elsewhere"),
        ("3", tmp_path / "in/.store"),  # which has no visible name of its own
    ):
        (tmp_path / "in" / name).symlink_to(target)
    images, problems, left_out = found(tmp_path / "in")
    assert images == ["1/b.png", "3/c.png", "real/a.png"]
    assert (problems, left_out.total) == ([], 0)


@pytest.mark.parametrize("target", [".", "..", "../sub"])
def test_a_link_that_leads_back_is_one_record(tmp_path: Path, target: str) -> None:
    touch(tmp_path, "in/a.png", "in/sub/b.png")
    (tmp_path / "in/sub/loop").symlink_to(target)
    images, problems, left_out = found(tmp_path / "in")
    assert images == ["a.png", "sub/b.png"]
    (reason,) = problems
    assert reason.endswith("sub/loop: the link leads back to a folder that it is in")
    assert left_out.describe().startswith("1 link left out: 1 link that leads back")


@pytest.mark.parametrize("name", ["loop", "loop.png"])
def test_a_link_to_itself_is_one_record_and_the_others_go_on(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "a.png", "z.png")
    (tmp_path / name).symlink_to(name)
    images, (reason,), left_out = found(tmp_path)
    assert images == ["a.png", "z.png"]
    assert f"cannot follow link {tmp_path / name}: " in reason
    assert left_out.total == 1
    assert len(gather_images(tmp_path)) == 2


def test_a_link_to_a_folder_that_is_gone_is_one_record(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    (tmp_path / "camera2").symlink_to(tmp_path / "not mounted")
    images, (reason,), _ = found(tmp_path)
    assert images == ["a.png"]
    assert "camera2: No such file or directory" in reason


def test_a_closed_folder_is_one_record_and_the_others_go_on(
    tmp_path: Path, close_folder: Callable[[Path], None]
) -> None:
    touch(tmp_path, "a.png", "secret/b.png", "sub/c.png", "sub/closed/d.png")
    close_folder(tmp_path / "secret")
    close_folder(tmp_path / "sub/closed")
    images, problems, left_out = found(tmp_path)
    assert images == ["a.png", "sub/c.png"]
    assert problems == [
        f"cannot read folder {tmp_path / name}: Permission denied"
        for name in ("secret", "sub/closed")
    ]
    assert left_out.describe() == (
        f"2 folders left out: 2 folders that cannot be read ({tmp_path / 'secret'}, ...)"
    )
    with pytest.raises(DatasetError, match="2 folders that cannot be read"):
        left_out.check()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every folder"
)
@pytest.mark.parametrize("by_link", [False, True])
def test_a_folder_without_permission_is_one_record(tmp_path: Path, by_link: bool) -> None:
    touch(tmp_path, "in/a.png", "secret/deep/b.png")
    place = tmp_path / "in/secret"
    if by_link:
        place.symlink_to(tmp_path / "secret/deep")
    else:
        (tmp_path / "secret").rename(place)
    closed = tmp_path / "secret" if by_link else place
    closed.chmod(0)
    try:
        images, problems, _ = found(tmp_path / "in")
    finally:
        closed.chmod(0o700)
    assert images == ["a.png"]
    assert [p.split(": ")[-1] for p in problems] == ["Permission denied"]


def test_a_folder_with_nothing_that_can_be_read_says_what_it_has(tmp_path: Path) -> None:
    touch(tmp_path, "1.xyz", "2.xyz")
    with pytest.raises(DatasetError, match=r"no images; 2 files left out: 2 \.xyz"):
        gather_images(tmp_path)


def test_files_and_folders_that_are_left_out_are_one_line(
    tmp_path: Path, close_folder: Callable[[Path], None]
) -> None:
    touch(tmp_path, "a.png", "1.xyz", "2.xyz", "3.xyz", "x/a.png")
    close_folder(tmp_path / "x")
    line = found(tmp_path)[2].describe()
    assert line.startswith("4 files and folders left out: ")
    assert "3 .xyz" in line
    assert "1 folder that cannot be read" in line
    assert "\n" not in line


def test_counts_are_right_in_a_folder_that_is_read_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, *(f"{i:02d}.png" for i in range(30)), *(f"{i:02d}.xyz" for i in range(9)))
    monkeypatch.setattr("pyimgano.images.walk._CHUNK", 4)
    images, _, left_out = found(tmp_path)
    assert (len(images), left_out.total) == (30, 9)


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A tree deeper than Python's stack, which what tidies up after tests cannot remove."""
    start = os.getcwd()
    os.chdir(tmp_path)
    for _ in range(1_100):
        os.mkdir("d")
        os.chdir("d")
    Path("a.png").write_bytes(b"x")
    os.chdir(start)
    yield tmp_path
    subprocess.run(["rm", "-r", tmp_path / "d"], check=True)


@pytest.mark.skipif(os.name != "posix", reason="paths are short there, and rm is missing")
def test_a_tree_deeper_than_pythons_stack_is_read(deep: Path) -> None:
    images, problems, _ = found(deep)
    assert problems == []
    assert len(images) == 1


def test_folders_to_skip_are_no_input(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "out/b.png")
    left_out = LeftOut()
    paths = Walk(left_out, [tmp_path / "out"]).below(os.fspath(tmp_path))
    assert [Path(p).name for p in paths if isinstance(p, str)] == ["a.png"]
    assert (left_out.total, left_out.n_expected) == (0, 1)


def test_plain_data_name_reason_count_and_first(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "1.xyz", "notes.txt")
    assert found(tmp_path)[2].to_json() == [
        {"reason": ".xyz", "count": 1, "first": str(tmp_path / "1.xyz"), "expected": False},
        {"reason": "no images", "count": 1, "first": str(tmp_path / "notes.txt"), "expected": True},
    ]
