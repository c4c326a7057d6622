"""Odd and equal photos among the good ones: named, and left out only where the user says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pyimgano.errors import InvalidInputError
from pyimgano.models import PatchCore
from pyimgano.models.good_photos import GoodPhotos
from pyimgano.pipelines.check_good import fit_good
from tests.conftest import texture, with_blot, write_image

SIZE = (48, 64)


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    """Twenty good photos, of which one shows a blot, one is dark and two are equal."""
    for i in range(17):
        write_image(tmp_path / f"{i:02d}.png", texture(i))
    write_image(tmp_path / "blot.png", with_blot(texture(50)))
    write_image(tmp_path / "dark.png", (texture(51) * 0.4).astype(np.uint8))
    write_image(tmp_path / "copy of 03.bmp", texture(3))
    return sorted(map(str, tmp_path.iterdir()))


def fit(photos: list[str], *leave_out: str) -> GoodPhotos:
    detector = PatchCore(backbone="filterbank", image_size=SIZE, n_neighbors=3)
    return fit_good(detector, photos, leave_out)


def base(path: str) -> str:
    return Path(path).name


def test_the_odd_photo_is_named_first_and_nothing_is_left_out(photos: list[str]) -> None:
    good = fit(photos)
    assert base(good.odd[0].name) in ("blot.png", "dark.png")
    assert {"blot.png", "dark.png"} >= {base(p.name) for p in good.odd if p.apart}
    assert len(good.names) == 20
    assert good.left_out == []
    rows = {name: why for name, _, why in good.rows()}
    assert rows["blot.png"].startswith("looks odd")
    assert "dark.png" in rows
    assert "darker than" in rows["dark.png"]
    assert any("--leave-out NAME" in line for line in good.lines())


def test_equal_photos_are_named_and_count_once(photos: list[str]) -> None:
    good = fit(photos)
    assert [[base(n) for n in group] for group in good.twins] == [["03.png", "copy of 03.bmp"]]
    assert good.rate.n == 19
    assert any("2 photos show the same picture" in line for line in good.lines())


def test_a_photo_in_another_light_is_named(photos: list[str]) -> None:
    good = fit(photos)
    assert [base(good.names[i]) for i in good.unhealthy] == ["dark.png"]
    (told,) = good.unhealthy.values()
    assert told[0].startswith("darker than")


def test_a_photo_is_left_out_by_name_by_pattern_and_as_odd(photos: list[str]) -> None:
    assert [base(p) for p in fit(photos, "blot.png").left_out] == ["blot.png"]
    by_pattern = fit(photos, "copy*", "*/dark.png")
    assert sorted(base(p) for p in by_pattern.left_out) == ["copy of 03.bmp", "dark.png"]
    assert by_pattern.twins == []
    as_odd = fit(photos, "odd")
    assert {base(p) for p in as_odd.left_out} == {base(p.name) for p in fit(photos).odd if p.apart}
    assert as_odd.lines()[0].startswith("left out, as asked for: ")
    assert len(as_odd.names) == 20 - len(as_odd.left_out)


def test_a_name_that_no_photo_has_is_an_error_that_says_it(photos: list[str]) -> None:
    with pytest.raises(InvalidInputError, match=r"cannot leave out blob\.png"):
        fit(photos, "blob.png")
    with pytest.raises(InvalidInputError, match="every good photo is left out"):
        fit(photos, "*")


def test_it_is_plain_data_also_where_there_is_but_one_picture(tmp_path: Path) -> None:
    paths = [write_image(tmp_path / f"{i}.png", texture(1)) for i in range(3)]
    good = fit(paths)
    data = json.loads(json.dumps(good.to_json(), allow_nan=False))
    assert [one["score"] for one in data["scores"]] == [None, None, None]
    assert [len(group) for group in data["same_picture"]] == [3]
