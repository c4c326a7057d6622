"""The page of detect and predict as a user asks for it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import SIZE, run
from tests.conftest import texture, with_blot, write_image


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for i in range(12):
        write_image(tmp_path / f"good/{i:02d}.png", texture(i))
    for i in range(3):
        write_image(tmp_path / f"new/{i}.png", texture(20 + i))
    write_image(tmp_path / "new/3 \u597d.png", with_blot(texture(30)))
    (tmp_path / "new/4.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    return tmp_path


def read(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])


def test_detect_shows_what_was_found_and_the_good_photos(folders: Path, capsys) -> None:
    page = folders / "page.html"
    code, _, _ = run(
        capsys, "detect", "--normal", folders / "good", "--test", folders / "new", "--output",
        folders / "out", "--report", page, "--no-overlays", *SIZE,
    )  # fmt: skip
    assert code == 1  # one could not be scored
    data = read(page)
    checked = [one for one in data["images"] if one["group"] == 0]
    assert checked[0]["path"].endswith("new/3 \u597d.png")
    assert {"image", "heat", "crop", "good"} <= checked[0].keys()
    assert [one["score"] for one in checked].index(None) == 4
    assert len(data["images"]) == 5 + 12
    results = json.loads((folders / "out/results.json").read_text())
    assert checked[0]["score"] == results["detections"][0]["score"]
    assert data["threshold"] == results["threshold"]


def test_predict_shows_the_good_photo_by_a_file_and_says_when_it_is_gone(
    folders: Path, capsys
) -> None:
    part, page = folders / "part.pyimgano", folders / "page.html"
    assert run(capsys, "fit", folders / "good", "-o", part, *SIZE)[0] == 0
    argv = ("predict", part, folders / "new", "--report", page)
    code, _, err = run(capsys, *argv)
    assert code == 1
    assert f"page {page}" in err
    first = read(page)["images"][0]
    assert Path(first["good"]["file"]).parent == folders / "good"
    assert "picture" in first["good"]
    for path in (folders / "good").iterdir():
        path.unlink()
    run(capsys, *argv, "--report-images", 2, "--report-order", "last")
    images = read(page)["images"]
    assert [Path(one["path"]).name for one in images] == ["3 \u597d.png", "2.png", "4.png"]
    assert "picture" not in images[0]["good"]
    assert first["good"]["file"] in images[0]["good"]["why"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("notes.html", "is there already and is no page of pyimgano's, so it is not replaced"),
        ("new", "a name that ends in .html"),
        ("part.pyimgano", "a name that ends in .html"),
        ("out/results.jsonl", "a name that ends in .html"),
        ("new/0.png/page.html", "cannot write"),
    ],
)
def test_a_page_that_cannot_be_written_is_an_error_before_anything_is_scored(
    folders: Path, capsys, name: str, expected: str
) -> None:
    part = folders / "part.pyimgano"
    assert run(capsys, "fit", folders / "good", "-o", part, *SIZE)[0] == 0
    (folders / "notes.html").write_text("my notes")
    code, out, err = run(capsys, "predict", part, folders / "new", "--report", folders / name)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert expected in line
    assert (folders / "notes.html").read_text() == "my notes"
