"""check-good as a user calls it, and the same lines from fit and detect."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.support import SIZE, run
from tests.conftest import texture, with_blot, write_image


@pytest.fixture
def good(tmp_path: Path) -> Path:
    for i in range(19):
        write_image(tmp_path / f"good/{i:02d}.png", texture(i))
    write_image(tmp_path / "good/blot.png", with_blot(texture(50)))
    return tmp_path / "good"


def test_it_names_the_odd_photo_and_changes_nothing(good: Path, capsys) -> None:
    before = sorted(good.iterdir())
    code, out, _ = run(capsys, "check-good", good, *SIZE)
    assert code == 0
    assert re.search(r"^look at +blot\.png +\d+\.\d\d  looks odd", out, re.M)
    assert re.search(r"^good photos +a photo that shows no good part .*--leave-out", out, re.M)
    assert sorted(good.iterdir()) == before


def test_its_json_is_one_line(good: Path, capsys) -> None:
    code, out, _ = run(capsys, "check-good", good, "--json", *SIZE)
    assert code == 0
    data = json.loads(out)
    assert data["n_images"] == 20
    assert data["odd"][0]["file"].endswith("blot.png")
    assert data["odd"][0]["apart"] is True


@pytest.mark.parametrize("command", ["check-good", "fit", "detect"])
def test_the_page_shows_the_odd_photo_with_its_heat_map(
    good: Path, tmp_path: Path, capsys, command: str
) -> None:
    page = tmp_path / "good.html"
    argv = {
        "check-good": [good],
        "fit": [good, "-o", tmp_path / "part.pyimgano"],
        "detect": ["--normal", good, "--test", tmp_path / "new", "--output", tmp_path / "out"],
    }[command]
    write_image(tmp_path / "new/0.png", texture(99))
    code, out, _ = run(capsys, command, *argv, "--report", page, *SIZE)
    assert code == 0
    assert re.search(r"blot\.png +\d+\.\d\d  looks odd", out)
    text = page.read_text(encoding="utf-8")
    assert "blot.png" in text
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])
    blot = next(one for one in data["images"] if one["path"].endswith("good/blot.png"))
    assert blot["group"] == (command == "detect")
    assert "odd: its score stands apart" in blot["warnings"][0]
    assert {"image", "heat", "crop"} <= blot.keys()
    assert not blot["good"]["file"].endswith("blot.png")  # another photo is the nearest
    assert len(data["images"]) == 20 + (command == "detect")
    assert "http:" not in text
    assert "https:" not in text


def test_a_photo_that_is_left_out_is_said_and_lowers_the_threshold(
    good: Path, tmp_path: Path, capsys
) -> None:
    def threshold(*further: str) -> float:
        target = tmp_path / "part.pyimgano"
        code, out, _ = run(
            capsys, "fit", good, "-o", target, "--target-fpr", "0.05", *further, *SIZE
        )
        assert code == 0
        assert ("left out, as asked for" in out) == bool(further)
        return float(re.search(r"^threshold +(\S+)", out, re.M)[1])

    with_odd = threshold()
    assert threshold("--leave-out", "blot.png") < with_odd
    assert threshold("--leave-out", "odd") < with_odd


def test_a_name_that_is_not_there_is_one_line(good: Path, capsys) -> None:
    code, out, err = run(capsys, "check-good", good, "--leave-out", "blob.png", *SIZE)
    assert (code, out) == (2, "")
    assert err == (
        "pyimgano check-good: error: cannot leave out blob.png: no good photo is called so\n"
    )


def test_fit_detect_and_python_have_one_default_target(good: Path, tmp_path: Path, capsys) -> None:
    import pyimgano

    target = tmp_path / "part.pyimgano"
    write_image(tmp_path / "new/0.png", texture(99))
    assert run(capsys, "fit", good, "-o", target, *SIZE)[0] == 0
    code, _, _ = run(
        capsys, "detect", "--normal", good, "--test", tmp_path / "new", "--output",
        tmp_path / "out", *SIZE,
    )  # fmt: skip
    assert code == 0
    results = json.loads((tmp_path / "out/results.json").read_text())
    detector = pyimgano.create_model("patchcore", backbone="embedded", image_size=(96, 128))
    detector.fit(sorted(map(str, good.iterdir())))
    loaded = pyimgano.load(target)
    assert loaded.threshold_ == results["threshold"] == detector.threshold_
    assert loaded.false_positive_rate_.target == 0.1
