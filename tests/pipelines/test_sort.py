"""An unsorted folder: what is unlike the rest comes first, whatever else is in it."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

import pyimgano
from pyimgano.errors import DatasetError, ImageReadError, OutputError
from pyimgano.models.mutual import MutualScoring
from pyimgano.scorers.mutual import rerank
from tests.conftest import texture, write_image

SIZE = 96


def spoilt(seed: int) -> np.ndarray:
    image = texture(seed, (SIZE, SIZE))
    image[30:60, 40:70] = (250, 20, 20)
    return image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(9):
        write_image(tmp_path / f"in/{i}.png", texture(i, (SIZE, SIZE)))
    write_image(tmp_path / "in/4 spoilt.png", spoilt(20))
    return tmp_path / "in"


def test_the_spoilt_image_is_the_first_and_its_map_shows_where(folder: Path) -> None:
    found = pyimgano.sort_images(folder, image_size=SIZE)
    assert [Path(p).name for p in found.paths][4:6] == ["4 spoilt.png", "4.png"]
    assert Path(found.paths[found.order[0]]).name == "4 spoilt.png"
    assert found.ranks[4] == 1
    assert sorted(found.ranks) == list(range(1, 11))
    assert (np.diff(found.scores[found.order]) <= 0).all()
    where = found.anomaly_map(4)
    assert where.shape == (SIZE, SIZE)
    y, x = np.unravel_index(where.argmax(), where.shape)
    assert 25 <= y <= 65
    assert 35 <= x <= 75


def test_scores_are_those_of_the_detector(folder: Path) -> None:
    found = pyimgano.sort_images(folder, image_size=SIZE, share=0.5)
    detector = MutualScoring(backbone="embedded", image_size=SIZE, share=0.5).fit(found.paths)
    np.testing.assert_array_equal(found.scores, detector.decision_scores_)
    again = pyimgano.sort_images(folder, image_size=SIZE, share=0.5, rerank_alike=True)
    expected = rerank(found.scores, detector.scorer_.image_features())
    np.testing.assert_array_equal(again.scores, expected)


def test_the_table_has_all_images_and_those_that_cannot_be_read(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    found = pyimgano.sort_images(folder, image_size=SIZE, output=tmp_path / "out")
    (reason,) = found.unreadable.values()
    assert "broken.png" in reason
    with (tmp_path / "out/results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == [*map(str, range(1, 11)), ""]
    assert rows[0]["file"].endswith("4 spoilt.png")
    assert float(rows[0]["score"]) == found.scores.max()
    assert rows[-1]["file"].endswith("broken.png")
    assert rows[-1]["error"] == reason


def test_the_page_shows_the_first_images_and_decides_nothing(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    pyimgano.sort_images(folder, image_size=SIZE, report=page)
    text = page.read_text(encoding="utf-8")
    assert "The most suspicious images" in text
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])
    first, *others = data["images"]
    assert first["path"].endswith("4 spoilt.png")
    assert {"image", "heat", "crop"} <= first.keys()
    assert len(others) == 9
    assert (data["decides"], data["threshold"]) == (False, None)
    assert "above the threshold" not in text
    assert "--leave-out" not in text


def test_a_file_that_is_named_twice_counts_once(folder: Path) -> None:
    found = pyimgano.sort_images([folder, folder / "3.png"], image_size=SIZE)
    assert len(found.paths) == len(found.scores) == 10
    assert "1 of 11 given images are files listed before" in found.photos.notes[0]


def test_one_image_or_one_picture_is_nothing_to_compare(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"needs two, got only .*3\.png"):
        pyimgano.sort_images(folder / "3.png")
    alone = tmp_path / "alone"
    write_image(alone / "a.png", texture(0, (SIZE, SIZE)))
    (alone / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    with pytest.raises(DatasetError, match=r"needs two, got only .*a\.png; .*b\.png: .*"):
        pyimgano.sort_images(alone, image_size=SIZE)
    for name in "cdefgh":
        (alone / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    with pytest.raises(DatasetError, match=r"b\.png.*; .*f\.png: [^;]*; 2 more$"):
        pyimgano.sort_images(alone, image_size=SIZE)
    for name in "cdefgh":
        (alone / f"{name}.png").unlink()
    write_image(alone / "b.png", texture(0, (SIZE, SIZE)))
    with pytest.raises(DatasetError, match="all 2 images show the same picture"):
        pyimgano.sort_images(alone, image_size=SIZE)


def test_nothing_that_can_be_read_and_no_place_to_write_are_errors(
    folder: Path, tmp_path: Path
) -> None:
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    with pytest.raises(ImageReadError, match=r"a\.png"):
        pyimgano.sort_images([tmp_path / "a.png", tmp_path / "b.png"], image_size=SIZE)
    with pytest.raises(OutputError):
        pyimgano.sort_images(folder, output=folder / "3.png")


def test_two_images_are_compared_with_each_other(folder: Path) -> None:
    found = pyimgano.sort_images([folder / "0.png", folder / "1.png"], image_size=SIZE)
    assert np.isfinite(found.scores).all()
