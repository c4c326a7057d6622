"""The page of scored images: what it holds, what it leaves out, and that it stays small."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyimgano
from pyimgano.errors import InvalidInputError, OutputError
from pyimgano.reporting.image_page import DETECTED, ImagePage, check_page_target
from pyimgano.types import Prediction
from tests.conftest import texture, with_blot
from tests.reporting.conftest import of_textures


def read(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    assert "http:" not in text
    assert "https:" not in text
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return of_textures(tmp_path_factory.mktemp("good"), (400, 480), 128)


def scored(detector: Any, image: np.ndarray, name: str) -> tuple[np.ndarray, Prediction]:
    found = detector.predict_one(image)
    return image, Prediction(
        name, found.score, found.label, found.anomaly_map, ("darker: 3 of 10",), found.nearest
    )


def test_an_image_has_its_heat_map_its_strongest_place_and_the_good_photo(
    detector: Any, tmp_path: Path
) -> None:
    page = ImagePage(tmp_path / "page.html", detector, DETECTED)
    page.add(*scored(detector, with_blot(texture(9, (400, 480)), 280, 320, 90), "in/a/blot.png"))
    page.add_error("in/broken.png", "cannot read it")
    page.write(["a line <b>of</b> text"])
    data = read(tmp_path / "page.html")
    blot, broken = data["images"]
    assert (blot["name"], blot["path"]) == ("a/blot.png", "in/a/blot.png")
    assert blot["score"] > data["threshold"] == detector.threshold_
    assert blot["warnings"] == ["darker: 3 of 10"]
    assert blot["size"] == [480, 400]
    assert blot["outlined"] is True
    x, y, width, height = blot["crop"]["at"]
    assert (width, height) == (288, 288)
    px, py = blot["crop"]["peak"]
    assert 310 <= px < 420
    assert 270 <= py < 380
    assert x <= px < x + width
    assert y <= py < y + height
    assert Path(blot["good"]["file"]).name in {f"{i}.png" for i in range(6)}
    left, top, wide, high = blot["good"]["at"]
    at, down, *_ = blot["good"]["box"]
    assert left <= at < left + wide
    assert top <= down < top + high
    kinds = [data["pictures"][n] for n in (blot["image"], blot["heat"], blot["crop"]["picture"])]
    assert all(one.startswith("data:image/webp;base64,") for one in kinds)
    assert broken == {
        "name": "in/broken.png", "path": "in/broken.png", "score": None, "warnings": [],
        "group": 0, "error": "cannot read it",
    }  # fmt: skip
    assert data["scale"]["floor"] < data["map_threshold"] == detector.map_threshold_
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "a line &lt;b&gt;of&lt;/b&gt; text" in text
    assert "1 image scored: 1 defect, 0 ok; 1 not scored" in text


@pytest.mark.parametrize(
    ("order", "expected"), [("worst", ["3", "1", "4"]), ("last", ["4", "3", "2"])]
)
def test_of_a_stream_the_page_has_the_worst_or_the_last(
    detector: Any, tmp_path: Path, order: str, expected: list[str]
) -> None:
    image = texture(9)
    page = ImagePage(tmp_path / "page.html", detector, DETECTED, most=3, order=order)
    for name, score in enumerate([1.0, 8.0, 2.0, 9.0, 3.0]):
        page.add(image, Prediction(str(name), score, 0, np.full((48, 64), score, np.float32)))
        assert len(page._rows) <= 3
    page.write()
    assert [one["name"] for one in read(tmp_path / "page.html")["images"]] == expected
    which = {"worst": "highest scores", "last": "last scores"}[order]
    assert f"this page has those with the 3 {which}" in (tmp_path / "page.html").read_text()


def test_pictures_beyond_the_limit_are_those_of_the_lowest_scores(
    detector: Any, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    path = tmp_path / "page.html"
    page = ImagePage(path, detector, DETECTED, picture_bytes=150_000)
    for name, score in enumerate([1.0, 9.0, 5.0, 2.0, 7.0]):
        page.add(noise, Prediction(str(name), score, 0, np.zeros((200, 200), np.float32)))
    page.write()
    data = read(path)
    assert sum(map(len, data["pictures"])) < 160_000
    has = [one["name"] for one in data["images"] if "image" in one]
    assert 0 < len(has) < 5
    assert has == ["1", "4", "2", "3", "0"][: len(has)]
    assert len(data["images"]) == 5


def test_a_detector_without_maps_or_single_patches_says_what_the_page_lacks(
    tmp_path: Path,
) -> None:
    images = [texture(i) for i in range(6)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        padim = pyimgano.create_model("padim", backbone="filterbank", image_size=48).fit(images)
    page = ImagePage(tmp_path / "padim.html", padim, DETECTED)
    page.add(images[0], padim.predict_one(images[0]))
    page.write()
    (one,) = read(tmp_path / "padim.html")["images"]
    assert "heat" in one
    assert "good" not in one
    text = (tmp_path / "padim.html").read_text()
    assert "no nearest good photo: PaDiM compares with no single patch of a good photo" in text
    page = ImagePage(tmp_path / "scores.html", padim, DETECTED)
    page.add(images[0], padim.predict_one(images[0], with_map=False))
    page.write()
    (one,) = read(tmp_path / "scores.html")["images"]
    assert "image" in one
    assert {"heat", "crop", "good"}.isdisjoint(one)
    assert "gives no anomaly maps" in (tmp_path / "scores.html").read_text()


def test_nothing_scored_is_said(detector: Any, tmp_path: Path) -> None:
    page = ImagePage(tmp_path / "page.html", detector, DETECTED)
    page.add_error("broken.png", "cannot read it")
    page.write()
    assert "no image was scored" in (tmp_path / "page.html").read_text()
    empty = ImagePage(tmp_path / "empty.html", detector, DETECTED)
    empty.write()
    assert read(tmp_path / "empty.html")["images"] == []


def test_only_a_page_is_replaced(detector: Any, tmp_path: Path) -> None:
    notes = tmp_path / "notes.html"
    notes.write_text("my notes")
    with pytest.raises(OutputError, match=r"notes\.html is there already and is no page"):
        check_page_target(notes)
    assert notes.read_text() == "my notes"
    with pytest.raises(OutputError, match=r"results\.jsonl needs a name that ends in \.html"):
        check_page_target(tmp_path / "results.jsonl")
    folder = tmp_path / "folder.html"
    folder.mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        check_page_target(folder)
    page = tmp_path / "page.html"
    page.touch()
    ImagePage(page, detector, DETECTED).write()
    assert check_page_target(page) == page


def test_wrong_numbers_and_orders_are_refused(detector: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="report_images must be 1 or more, got 0"):
        ImagePage(tmp_path / "page.html", detector, DETECTED, most=0)
    with pytest.raises(InvalidInputError, match="report_order must be one of worst, last"):
        ImagePage(tmp_path / "page.html", detector, DETECTED, order="best")


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (2500, 1800)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_images_of_any_size_have_pictures(
    detector: Any, tmp_path: Path, shape: tuple[int, int], dtype: type
) -> None:
    image = np.zeros(shape, dtype)
    page = ImagePage(tmp_path / "page.html", detector, DETECTED)
    page.add(image, Prediction("a", 1.0, 1, np.zeros(shape, np.float32)))
    page.write()
    (one,) = read(tmp_path / "page.html")["images"]
    assert one["size"] == [shape[1], shape[0]]
    _, _, width, height = one["crop"]["at"]
    assert (height, width) == (min(288, shape[0]), min(288, shape[1]))
