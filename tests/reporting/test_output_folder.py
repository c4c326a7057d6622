"""Output folders: one run at a time, and nothing of the user's is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pyimgano.errors import DatasetError, OutputError
from pyimgano.images.sources import gather_images
from pyimgano.reporting.output_folder import OutputFolder
from pyimgano.utils.output_list import LIST, is_own_pictures

_HOLD = """
import sys
from pyimgano.reporting.output_folder import OutputFolder
with OutputFolder(sys.argv[1], "test"):
    print("held", flush=True)
    sys.stdin.read()
"""


def listed(folder: Path) -> list[str]:
    head, *names = [json.loads(line) for line in (folder / LIST).read_text().splitlines()]
    assert head == {"command": "test"}
    return names


def test_a_second_run_is_refused_while_the_first_one_writes(tmp_path: Path) -> None:
    with OutputFolder(tmp_path / "out", "test"):
        with pytest.raises(
            OutputError, match="another run is writing to output folder .*out: wait"
        ):
            OutputFolder(tmp_path / "out", "test")
        OutputFolder(tmp_path / "other", "test").close()
    OutputFolder(tmp_path / "out", "test").close()


def test_the_lock_goes_with_the_process_that_was_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(OutputError, match="another run"):
            OutputFolder(tmp_path, "test")
        child.kill()
        child.wait()
        OutputFolder(tmp_path, "test").close()


def test_only_files_of_an_earlier_run_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text("the user's own")
    with OutputFolder(tmp_path, "test") as output:
        with pytest.raises(OutputError, match=r"results\.csv is there already .* not replaced"):
            output.claim("results.csv")
        output.claim("results.json").write_text("{}")
    with OutputFolder(tmp_path, "test") as output:
        assert output.claim("results.json") == tmp_path / "results.json"
    assert listed(tmp_path) == ["results.json"]
    assert (tmp_path / "results.csv").read_text() == "the user's own"


def test_old_pictures_go_and_the_users_among_them_stay(tmp_path: Path) -> None:
    with OutputFolder(tmp_path, "test") as output:
        folder = output.claim_pictures("overlays")
        (tmp_path / folder).mkdir()
        for i in range(3):
            (tmp_path / output.claim_new(f"{folder}/000000{i}_part.png")).write_bytes(b"ours")
    (tmp_path / "overlays/0000009_part.png").write_bytes(b"mine")
    (tmp_path / "overlays/0000001_part.png").unlink()
    with OutputFolder(tmp_path, "test") as output:
        output.remove_old(output.claim_pictures("overlays"))
    assert [p.name for p in (tmp_path / "overlays").iterdir()] == ["0000009_part.png"]
    assert listed(tmp_path) == ["overlays/"]
    with OutputFolder(tmp_path, "test") as output:
        assert output.claim_new("overlays/0000009_part.png") == "overlays/0000009_part_2.png"


def test_a_folder_of_the_users_pictures_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "overlays").mkdir()
    (tmp_path / "overlays/0000001_part.png").write_bytes(b"mine")
    (tmp_path / "maps").mkdir()
    with OutputFolder(tmp_path, "test") as output:
        assert output.claim_pictures("overlays") == "overlays_2"
        assert output.claim_pictures("maps") == "maps"  # empty
        with pytest.raises(OutputError, match="overlays is there already"):
            output.mark_pictures("overlays")
    with OutputFolder(tmp_path, "test") as output:
        assert output.claim_pictures("overlays") == "overlays_2"
    assert gather_images(tmp_path) == [str(tmp_path / "overlays/0000001_part.png")]


def test_pictures_of_an_earlier_run_are_no_input_wherever_they_are_named(tmp_path: Path) -> None:
    with OutputFolder(tmp_path / "in/out", "test") as output:
        for name in ("overlays", "pictures"):
            output.mark_pictures(name)
        for name in (
            "in/a.png",
            "in/out/own.png",
            "in/out/overlays/1.png",
            "in/out/pictures/x/1.png",
        ):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"x")
    (tmp_path / "in/link").symlink_to(tmp_path / "in/out/overlays")
    for source in (tmp_path / "in", tmp_path / "in/**", tmp_path / "in/**/*.png"):
        names = sorted(Path(p).relative_to(tmp_path).as_posix() for p in gather_images(source))
        assert names == ["in/a.png", "in/out/own.png"], source
    for named in (tmp_path / "in/out/overlays", tmp_path / "in/out/pictures/x/1.png"):
        with pytest.raises(DatasetError, match="pyimgano wrote its results there: no input"):
            gather_images(named)
    assert is_own_pictures(tmp_path / "in/out/pictures/x")
    assert not is_own_pictures(tmp_path / "in/out")


def test_a_list_that_leads_elsewhere_deletes_nothing(tmp_path: Path) -> None:
    (tmp_path / "out/overlays").mkdir(parents=True)
    (tmp_path / "mine.png").write_bytes(b"x")
    lines = ["overlays/", "overlays/../../mine.png", "../mine.png", str(tmp_path / "mine.png"), 3]
    (tmp_path / "out" / LIST).write_text("".join(json.dumps(n) + "\n" for n in lines) + "junk\n")
    with OutputFolder(tmp_path / "out", "test") as output:
        output.remove_old("overlays")
    assert (tmp_path / "mine.png").exists()


def test_a_list_that_is_a_link_or_a_folder_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / LIST).symlink_to(tmp_path / "elsewhere")
    (tmp_path / "b" / LIST).mkdir(parents=True)
    for name in "ab":
        with pytest.raises(OutputError, match=r"cannot write .*\.pyimgano-output"):
            OutputFolder(tmp_path / name, "test")
    assert not (tmp_path / "elsewhere").exists()


def test_results_of_another_command_are_not_replaced(tmp_path: Path) -> None:
    OutputFolder(tmp_path, "benchmark").close()
    with pytest.raises(OutputError, match="holds results of pyimgano benchmark: choose another"):
        OutputFolder(tmp_path, "detect")
    OutputFolder(tmp_path, "benchmark").close()
