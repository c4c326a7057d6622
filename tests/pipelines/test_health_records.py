"""Where a person reads that an image is unlike the good photos."""

from __future__ import annotations

import copy
import csv
import json
from pathlib import Path

import numpy as np
import pytest

from pyimgano.cli.main import main
from pyimgano.images.health_range import HealthTally
from pyimgano.images.reading import read_image
from pyimgano.models import PatchCore
from pyimgano.pipelines.calibrate import run_calibrate
from pyimgano.pipelines.detect import run_detect
from pyimgano.pipelines.predict import PredictRun
from pyimgano.reporting.lettering import LINE_HEIGHT
from tests.conftest import texture, write_image

SIZE = (48, 64)
DARKER = "darker than any good photo"


@pytest.fixture(scope="module")
def fitted() -> PatchCore:
    return PatchCore(backbone="filterbank", image_size=SIZE).fit([texture(i) for i in range(12)])


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for i in range(12):
        write_image(tmp_path / f"normal/{i}.png", texture(i))
    for i in range(3):
        write_image(tmp_path / f"test/as_ever{i}.png", texture(20 + i))
    for i in range(2):
        dark = (texture(30 + i) * 0.5).astype(np.uint8)
        write_image(tmp_path / f"test/dark{i}.png", dark)
    return tmp_path


def is_dark(name: str) -> bool:
    return "dark" in Path(name).name


def test_every_record_in_json_and_csv_has_its_warnings(fitted: PatchCore, folders: Path) -> None:
    run = PredictRun(fitted, output=folders / "out")
    paths = sorted(str(p) for p in (folders / "test").iterdir())
    records = list(run.records(paths))
    for record in records:
        told = [line.partition(":")[0] for line in record["warnings"]]
        assert told == [DARKER] * is_dark(record["path"])
    with open(folders / "out/results.csv", newline="", encoding="utf-8") as file:
        cells = [row["warnings"] for row in csv.DictReader(file)]
    assert cells == ["; ".join(record["warnings"]) for record in records]
    assert run.summary.health.lines() == [f"2 of 5 images are {DARKER}"]


def test_detect_has_them_in_both_files_and_in_its_summary(folders: Path) -> None:
    run = run_detect(
        normal=folders / "normal", test=folders / "test", output=folders / "out",
        backbone="filterbank", image_size=SIZE,
    )  # fmt: skip
    assert run.health() == [f"2 of 5 images are {DARKER}"]
    data = json.loads((folders / "out/results.json").read_text())
    assert data["health"] == run.health()
    for found in data["detections"]:
        assert [w.partition(":")[0] for w in found["warnings"]] == [DARKER] * is_dark(found["file"])
    with open(folders / "out/results.csv", newline="") as file:
        assert [bool(row["warnings"]) for row in csv.DictReader(file)] == [
            is_dark(found["file"]) for found in data["detections"]
        ]


def test_calibration_says_that_its_images_are_unlike_those_learnt_from(
    fitted: PatchCore, folders: Path
) -> None:
    run = run_calibrate(copy.copy(fitted), [str(folders / "test")], target=0.5)
    assert f"2 of 5 images are {DARKER}" in run.notes


def test_an_overlay_has_a_line_for_each_warning(fitted: PatchCore, folders: Path) -> None:
    run = PredictRun(fitted, output=folders / "out", overlays=True)
    paths = [str(folders / "test" / name) for name in ("as_ever0.png", "dark0.png")]
    heights = [
        read_image(folders / "out" / record["overlay"]).shape[0] for record in run.records(paths)
    ]
    assert heights[1] - heights[0] == LINE_HEIGHT


def test_the_terminal_shows_them_with_each_image_and_in_the_end(
    fitted: PatchCore, folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fitted.save(folders / "part.pyimgano")
    assert main(["predict", str(folders / "part.pyimgano"), str(folders / "test")]) == 0
    out, err = capsys.readouterr()
    assert out.count(f"{DARKER}: brightness 0.2") == 2
    assert f"pyimgano predict: 2 of 5 images are {DARKER}" in err
    assert main(["predict", str(folders / "part.pyimgano"), str(folders / "test"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_table_of_detect_has_a_column_where_there_is_something_to_tell(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["detect", "--normal", str(folders / "normal"), "--output", str(folders / "out")]
    command += ["--image-size", "48x64", "--test"]
    assert main([*command, str(folders / "test")]) == 0
    out, err = capsys.readouterr()
    assert "image is" in out
    assert out.count(DARKER) == 2
    assert f"2 of 5 images are {DARKER}" in err
    for i in range(2):
        (folders / f"test/dark{i}.png").unlink()
    assert main([*command, str(folders / "test")]) == 0
    assert "image is" not in capsys.readouterr().out


def test_images_are_counted_per_kind_the_most_frequent_first() -> None:
    tally = HealthTally()
    for warnings in (
        ["darker than any good photo: 1"],
        [],
        ["redder than any good photo: 2", "darker than any good photo: 3"],
    ):
        tally.add(warnings)
    assert tally.lines() == [
        "2 of 3 images are darker than any good photo",
        "1 of 3 images is redder than any good photo",
    ]
    single = HealthTally()
    single.add(["darker than any good photo: 1"])
    assert single.lines() == ["1 of 1 image is darker than any good photo"]
    assert HealthTally().lines() == []


def test_what_only_an_odd_good_photo_reaches_is_counted_in_the_same_line() -> None:
    tally = HealthTally()
    tally.add(["darker than any good photo: 1"])
    tally.add(["darker than nearly all good photos: 2"])
    assert tally.lines() == ["2 of 2 images are darker than nearly all good photos"]
