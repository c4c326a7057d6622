from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimgano.errors import DatasetError, InvalidTypeError
from pyimgano.images import sources, walk
from pyimgano.images.sources import gather_images, stream_images
from pyimgano.types import Unreadable
from tests.conftest import texture, write_image


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    touch(*(tmp_path / name for name in (
        "in/a.png", "in/a/b.PNG", "in/a-c/d.jpg", "in/.hidden/x.png", "in/.x.png", "in/notes.txt",
        "in/deep/er/e.bmp", "other/a.png",
    )))  # fmt: skip
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*given: str, **kwargs: object) -> list[str]:
    return [p.replace(os.sep, "/") for p in stream_images(given, **kwargs) if isinstance(p, str)]


def test_a_folder_gives_the_images_below_it_in_the_order_of_a_sorted_listing(tree: Path) -> None:
    assert names("in") == ["in/a-c/d.jpg", "in/a.png", "in/a/b.PNG", "in/deep/er/e.bmp"]


def test_a_folder_that_is_read_in_parts_loses_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = [f"{i:03d}.png" for i in range(100)]
    random.Random(0).shuffle(order)
    touch(*(tmp_path / name for name in order))
    touch(*(tmp_path / f"{i:03d}" / "z.png" for i in range(0, 100, 10)))
    whole = names(os.fspath(tmp_path))
    monkeypatch.setattr(walk, "_CHUNK", 7)
    assert names(os.fspath(tmp_path)) == whole
    assert (len(whole), whole) == (110, sorted(whole))


def test_patterns_are_expanded_whatever_the_shell_does(tree: Path) -> None:
    assert names("in/*.png") == ["in/a.png"]
    assert names("*/a.png") == ["in/a.png", "other/a.png"]
    assert names("in/**/*.bmp") == ["in/deep/er/e.bmp"]
    assert names("in/?") == ["in/a/b.PNG"]
    assert names("in/**") == names("in")
    assert names("in/**/") == names("in/")
    assert names("in/**/**") == names("in/")
    assert names("in/**/er/") == names("in/deep/er/") != []
    assert names("in/**/deep/**") == names("in/deep/")
    assert names("in/*/") == names("in/**/*/") == [n for n in names("in/") if n.count("/") > 1]
    assert names("*/") == [*names("in/"), *names("other/")]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tree: Path) -> None:
    touch(tree / "in/[1].png")
    assert names("in/[1].png") == ["in/[1].png"]


def test_lists_name_files_and_folders_line_by_line(tree: Path) -> None:
    (tree / "list.txt").write_bytes(b"other/a.png\r\n\nin/a\nin/gone.png")
    expected = ["other/a.png", "in/a/b.PNG", "in/gone.png"]
    assert names("@list.txt") == expected
    assert names("in/a.png", lists=["list.txt"]) == ["in/a.png", *expected]


def test_a_long_list_is_cut_at_line_ends_only(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [f"some/where/{i}.png" for i in range(50)]
    (tree / "list.txt").write_text("\n".join(expected) + "\n")
    monkeypatch.setattr(sources, "_READ", 7)
    assert names("@list.txt") == expected


def test_a_list_on_standard_input_is_taken_line_by_line(tree: Path) -> None:
    code = (
        "from pyimgano.images.sources import stream_images\n"
        "for path in stream_images([], ['-']): print(path, flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        for name in (b"one.png", b"two.png"):
            child.stdin.write(name + b"\n")
            child.stdin.flush()
            assert child.stdout.readline().strip() == name  # before the next is sent


def test_names_that_are_not_utf8_come_through(tree: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("file names are bytes on Linux only")
    name = os.fsdecode(b"in/caf\xe9.png")
    touch(tree / name)
    (tree / "list.txt").write_bytes(b"in/caf\xe9.png\n")
    assert name in names("in")
    assert names("@list.txt") == [name]


def test_what_gives_no_image_is_said_and_the_rest_goes_on(tree: Path) -> None:
    found = list(stream_images(["empty", "in/*.gif", "in/gone.png", "in/a.png"]))
    assert found == [
        Unreadable("empty", "empty: the folder has no images"),
        Unreadable("in/*.gif", "in/*.gif: no file matches this pattern"),
        "in/gone.png",
        "in/a.png",
    ]


def test_a_list_that_is_not_there_is_an_error_before_anything_is_given(tree: Path) -> None:
    with pytest.raises(DatasetError, match=r"list gone\.txt: No such file"):
        stream_images(["in", "@gone.txt"])


def test_everything_below_here_is_a_pattern_too(tree: Path) -> None:
    found = [os.path.normpath(path) for path in names("**")]
    assert sorted(found) == sorted([*names("in"), *names("other")])


def test_a_list_from_windows_is_read_like_any_other(tree: Path) -> None:
    (tree / "list.txt").write_bytes(b"\xef\xbb\xbfin/a.png\r\nother/a.png\r\n")
    assert names("@list.txt") == ["in/a.png", "other/a.png"]


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"in/a.png\nin/\0a.png\nin/a.png\n", 2, "holds a null byte"),
        ("in/a.png\n".encode("utf-16"), 1, "holds a null byte"),
        (b"in/a.png\n" + b"x" * 3_000_000, 2, "has over 65,536 bytes"),
        (b"in/a.png\n" + b"x" * 70_000 + b"\nin/a.png", 2, "has over 65,536 bytes"),
    ],
)
def test_what_is_no_list_is_said_once(tree: Path, content: bytes, line: int, reason: str) -> None:
    (tree / "list.txt").write_bytes(content)
    *before, last = stream_images("@list.txt")
    assert before == ["in/a.png"] * (line - 1)
    assert f"list list.txt: line {line} {reason}" in last.reason


def test_one_source_need_not_be_in_a_list(tree: Path) -> None:
    assert list(stream_images("in")) == list(stream_images(["in"]))
    assert list(stream_images(Path("in"))) == list(stream_images(["in"]))


def test_the_part_of_a_pattern_that_is_a_folder_is_no_pattern(tree: Path) -> None:
    touch(tree / "lot [7]/a.png", tree / "lot [7]/x[1]/b.png", tree / "lot 7/c.png")
    assert names("lot [7]/*.png") == ["lot [7]/a.png"]
    assert names("lot [7]/x[1]/*.png") == ["lot [7]/x[1]/b.png"]
    assert names("lot [7]/**/*.png") == ["lot [7]/a.png", "lot [7]/x[1]/b.png"]
    assert names("lot [6-8]/*.png") == ["lot 7/c.png"]


def test_blanks_around_a_line_of_a_list_count_where_a_file_has_them(tree: Path) -> None:
    touch(tree / "in/kept.png ")
    (tree / "list.txt").write_text("in/a.png  \n\tother/a.png\nin/kept.png \nin/a \n")
    assert names("@list.txt") == ["in/a.png", "other/a.png", "in/kept.png ", "in/a/b.PNG"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_as_list_is_opened_once(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    writer = threading.Thread(target=(tree / "pipe").write_text, args=("in/a.png\nother/a.png\n",))
    writer.start()
    assert names(lists=["pipe"]) == ["in/a.png", "other/a.png"]
    writer.join(10)
    assert not writer.is_alive()


def test_the_output_folder_is_no_input_in_a_folder_a_pattern_or_a_list(tree: Path) -> None:
    touch(tree / "in/out/b.png")
    (tree / "list.txt").write_text("in\n")
    everything = names("in")
    assert "in/out/b.png" in everything
    rest = [name for name in everything if name != "in/out/b.png"]
    for source in ("in", "in/**", "@list.txt"):
        assert names(source, output="in/out") == rest, source
    assert names("in/*/", output="in/out") == names("in/*/", output=None)[:-1]
    assert names("in/**/*.png", output="in/out") == ["in/a.png"]


def test_a_source_that_does_not_exist_is_one_line(tree: Path) -> None:
    with pytest.raises(DatasetError, match="'gone' does not exist"):
        gather_images(["in", "gone"])


@pytest.mark.parametrize(
    "give",
    [
        list,
        tuple,
        iter,
        np.array,
        lambda paths: (path for path in paths),
        lambda paths: map(Path, paths),
        lambda paths: pytest.importorskip("pandas").Series(paths, index=[2, 0, 1]),
    ],
)
def test_whatever_holds_paths_gives_them_in_its_own_order(give: Any, tmp_path: Path) -> None:
    paths = [write_image(tmp_path / f"{i}.png", texture(i, (8, 8))) for i in (2, 0, 1)]
    assert gather_images(give(paths)) == paths
    assert list(stream_images(give(paths))) == paths


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"a.png": 0}, "got dict"),
        (None, "got NoneType"),
        (5, "got int"),
        (["a.png", None], "got NoneType at position 1"),
        ([np.zeros((8, 8), np.uint8)], "a source of images is a path, got an array"),
    ],
)
def test_what_is_no_source_is_told(wrong: Any, message: str) -> None:
    for call in (gather_images, stream_images):
        with pytest.raises(InvalidTypeError, match=message):
            call(wrong)
