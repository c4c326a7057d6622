"""sort as a user calls it, and check-good by the same scores."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pyimgano
from tests.cli.support import run
from tests.conftest import texture, write_image

SIZE = ["--image-size", "96", "--quiet"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(9):
        write_image(tmp_path / f"in/{i}.png", texture(i, (96, 96)))
    spoilt = texture(20, (96, 96))
    spoilt[30:60, 40:70] = (250, 20, 20)
    write_image(tmp_path / "in/spoilt.png", spoilt)
    return tmp_path / "in"


def test_it_lists_the_most_suspicious_image_first_and_changes_nothing(
    folder: Path, tmp_path: Path, capsys
) -> None:
    before = sorted(folder.iterdir())
    page, out = tmp_path / "page.html", tmp_path / "out"
    code, text, err = run(
        capsys, "sort", folder, "--top", 3, "--output", out, "--report", page, *SIZE
    )
    assert (code, err) == (0, "")
    lines = text.splitlines()
    assert lines[0].split()[:3] == ["rank", "file", "score"]
    assert next(line for line in lines if "spoilt" in line).split()[:2] == ["1", "spoilt.png"]
    assert "... and 7 more, with lower scores" in lines
    assert "10 images compared, the most suspicious first" in lines
    assert f"results.csv in {out}" in lines
    assert "spoilt.png" in page.read_text(encoding="utf-8")
    assert sorted(folder.iterdir()) == before


def test_an_unreadable_image_is_named_and_left_out(folder: Path, capsys) -> None:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    code, text, err = run(capsys, "sort", folder, *SIZE)
    assert code == 1
    assert "10 images compared" in text
    (line,) = err.splitlines()
    assert line.startswith("pyimgano sort: not compared: ")
    assert "broken.png" in line


def test_one_image_is_an_error_in_one_line(folder: Path, capsys) -> None:
    code, out, err = run(capsys, "sort", folder / "3.png", *SIZE)
    assert (code, out) == (2, "")
    assert err == (
        "pyimgano sort: error: sorting compares images with each other and needs two, got only"
        f" {folder / '3.png'}\n"
    )


def test_it_has_options_of_the_comparison_and_none_that_does_nothing(capsys) -> None:
    with pytest.raises(SystemExit):
        run(capsys, "sort", "--help")
    text = capsys.readouterr().out
    for option in ("--backbone", "--layers", "--image-size", "--share", "--preset", "--rerank"):
        assert option in text
    for option in ("--model", "--target-fpr", "--coreset-ratio", "--leave-out"):
        assert option not in text


def test_check_good_scores_the_photos_by_each_other(folder: Path, capsys) -> None:
    code, text, _ = run(capsys, "check-good", folder, "--mutual", "--json", *SIZE)
    assert code == 0
    data = json.loads(text)
    assert data["odd"][0]["file"].endswith("spoilt.png")
    found = pyimgano.sort_images(folder, image_size=96)
    assert [one["score"] for one in data["scores"]] == found.scores.tolist()


def test_a_second_model_beside_mutual_is_an_error(folder: Path, capsys) -> None:
    for given in (["--mutual", "--model", "padim"], ["--model", "padim", "--mutual"]):
        with pytest.raises(SystemExit) as caught:
            run(capsys, "check-good", folder, *given, *SIZE)
        assert caught.value.code == 2
        assert "not allowed with argument" in capsys.readouterr().err


def test_layerwise_and_projection_refuse_each_other(folder: Path, capsys) -> None:
    code, out, err = run(capsys, "sort", folder, "--layerwise", "--projection", 8, *SIZE)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert "projection joins the layers, layerwise compares them one by one" in line
