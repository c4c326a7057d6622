"""Names that would act in a spreadsheet, on a terminal or in a page; JSON has them as they are."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from pathlib import Path

import pytest

from pyimgano.registry import unknown_name
from pyimgano.reporting.files import csv_cell, csv_lines
from pyimgano.reporting.table import text_table
from pyimgano.utils.text import printable, shown
from tests.cli.support import run
from tests.conftest import write_mvtec

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows allows no such names")

#: Name, and what is in the CSV in its place.
NAMES = {
    "=cmd|' !A0.png": "'=cmd|' !A0.png",
    "+1.png": "'+1.png",
    "-2.png": "'-2.png",
    "@SUM(A1).png": "'@SUM(A1).png",
    " =1.png": "' =1.png",
    "\uff1d1.png": "'\uff1d1.png",
    "\t=1.png": r"\t=1.png",
    "a\rb.png": r"a\rb.png",
    "a\nb.png": r"a\nb.png",
    "\x1b[31mred.png": r"\x1b[31mred.png",
    "\x9b31m.png": r"\x9b31m.png",
    "\u202egnp.exe.png": r"\u202egnp.exe.png",
    "\u2066x\u2069.png": r"\u2066x\u2069.png",
    "\u200fx.png": r"\u200fx.png",
    "\u2028x.png": r"\u2028x.png",
    "plain é 検.png": "plain é 検.png",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_is_text_in_one_line(name: str) -> None:
    assert csv_cell(name) == NAMES[name]
    text = csv_lines([["file", "score"], [name, -1.5]])
    assert text.count("\n") == 2
    assert list(csv.reader(io.StringIO(text)))[1] == [NAMES[name], "-1.5"]


def test_numbers_and_empty_cells_stay_what_they_are() -> None:
    assert [csv_cell(v) for v in (-1.5, 3, None, "", "-")] == [-1.5, 3, "", "", "'-"]


@pytest.mark.parametrize("name", NAMES)
def test_tables_and_messages_have_no_characters_that_act(name: str) -> None:
    for text in (
        text_table(["file"], [[name]]),
        printable(name),
        shown(name),
        printable(str(unknown_name("category", "x", [name]))),
    ):
        assert not set(text.replace("\n", "")) & set("\x1b\x9b\r\t\u202e\u2066\u2069\u200f\u2028")
    assert len(text_table(["file"], [[name]]).splitlines()) == 3


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A detector file, and one image."""
    from pyimgano.cli import main
    from tests.conftest import texture, write_image

    root = tmp_path_factory.mktemp("names")
    for i in range(4):
        write_image(root / f"good/{i}.png", texture(i))
    argv = ["fit", str(root / "good"), "-o", str(root / "d.pyimgano"), "--image-size", "48x64"]
    assert main.main([*argv, "--quiet"]) == 0
    return root


def test_predict_neutralises_names_in_csv_and_keeps_them_in_json(
    detector: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [name for name in NAMES if not name.startswith("@")]  # that is a list
    for name in given:
        shutil.copy(detector / "good/0.png", name)
    code, out, err = run(
        capsys, "predict", "--output", "out", "--", detector / "d.pyimgano", *given
    )
    assert code == 0
    with open("out/results.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [NAMES[name] for name in given]
    lines = Path("out/results.jsonl").read_text(encoding="utf-8").split("\n")
    assert [json.loads(line)["path"] for line in lines if line] == given
    assert not set(out + err) & set("\x1b\x9b\r\t\u202e\u2066\u2069\u200f\u2028")
    assert len(out.splitlines()) == len(given) + 1


def test_a_mistake_in_a_command_prints_none_of_them_either(capsys) -> None:
    with pytest.raises(SystemExit):
        run(capsys, "predict", "--\x1b[31m\u202e", "x", "y")
    assert r"unrecognized arguments: --\x1b[31m\u202e" in capsys.readouterr().err


def test_detect_neutralises_names_in_csv_and_keeps_them_in_json(
    detector: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "=in").mkdir()
    for name in NAMES:
        shutil.copy(detector / "good/0.png", tmp_path / "=in" / name)
    code, out, err = run(
        capsys, "detect", "--normal", detector / "good", "--test", "=in", "--output", "out",
        "--image-size", "48x64",
    )  # fmt: skip
    assert code == 0
    with open("out/results.csv", newline="", encoding="utf-8") as file:
        files = {row["file"] for row in csv.DictReader(file)}
    assert files == {f"'=in/{printable(name)}" for name in NAMES}
    data = json.loads(Path("out/results.json").read_text(encoding="utf-8"))
    assert {d["file"] for d in data["detections"]} == {f"=in/{name}" for name in NAMES}
    assert not set(out + err) & set("\x1b\x9b\r\t\u202e\u2066\u2069\u200f\u2028")


def test_a_category_with_such_a_name_acts_nowhere(tmp_path: Path, capsys) -> None:
    category = "=x\x1b[31m\u202e"
    root = write_mvtec(tmp_path / "set", (category,))
    shutil.move(root / category / "test/blot/000.png", root / category / "test/blot/-\u202e.png")
    shutil.move(
        root / category / "ground_truth/blot/000_mask.png",
        root / category / "ground_truth/blot/-\u202e_mask.png",
    )
    code, out, err = run(
        capsys, "benchmark", "--dataset", "mvtec", "--root", root, "--backbone", "embedded",
        "--image-size", "48x64", "--output", tmp_path / "out",
    )  # fmt: skip
    assert code == 0
    texts = {name: (tmp_path / "out" / name).read_text(encoding="utf-8")
             for name in ("report.html", "results.md", "results.csv", "images.csv")}  # fmt: skip
    for where, text in {"screen": out + err, **texts}.items():
        assert not set(text) & {"\x1b", "\u202e"}, where
    for name in ("results.csv", "images.csv"):
        rows = list(csv.reader(io.StringIO(texts[name])))
        assert rows[1][1] == r"'=x\x1b[31m\u202e"
    data = json.loads((tmp_path / "out/results.json").read_text())
    (one,) = data["categories"]
    assert one["category"] == category
    assert any(image["path"].endswith("-\u202e.png") for image in one["images"])


@pytest.mark.parametrize("category", ["results.csv", "report.html", "pictures", "categories"])
def test_a_category_called_like_a_part_of_the_report(tmp_path: Path, capsys, category: str) -> None:
    root = write_mvtec(tmp_path / "set", (category,))
    argv = ["benchmark", "--dataset", "mvtec", "--root", root, "--backbone", "embedded",
            "--image-size", "48x64", "--output", tmp_path / "out"]  # fmt: skip
    for _ in range(2):
        assert run(capsys, *argv)[0] == 0
    assert len(list((tmp_path / "out" / f"{category}_" / "overlays").iterdir())) >= 4
