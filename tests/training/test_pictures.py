"""Pictures: which are found, how they are kept, and what each step makes of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="distillation needs the extra pyimgano[export]")

from tests.conftest import texture, write_image
from training.__main__ import main
from training.errors import TrainingError
from training.pictures.augment import picture_for, view
from training.pictures.folder import own_pictures
from training.pictures.free import FREE, free_pictures
from training.pictures.rendered import rendered_pictures
from training.pictures.sheets import texture_sheets
from training.pictures.store import Store


def photos(folder: Path, count: int) -> Path:
    for i in range(count):
        write_image(folder / f"{i:02d}.png", texture(i, (120, 140)))
    return folder


@pytest.mark.parametrize("count", [0, 3])
def test_too_few_photos_are_an_answer_not_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int
) -> None:
    folder = photos(tmp_path / "line", count)
    folder.mkdir(exist_ok=True)
    status = main(["prepare", "--store", str(tmp_path / "store"), "--pictures", str(folder)])
    assert status == 2
    assert f"line: {count} pictures, at least 8 are needed" in capsys.readouterr().err
    assert not (tmp_path / "store" / "pictures.json").exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nowhere: no such folder"):
        list(own_pictures(tmp_path / "nowhere"))


def test_a_broken_photo_is_named_and_the_others_are_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photos(tmp_path, 9)
    (folder / "03.png").write_bytes(b"not a picture")
    assert [p.name for p in own_pictures(folder)] == [f"{i:02d}.png" for i in range(9) if i != 3]
    assert "03.png: cannot be decoded, left out" in capsys.readouterr().out


def test_photos_that_are_all_broken_are_too_few(tmp_path: Path) -> None:
    for i in range(9):
        (tmp_path / f"{i}.png").write_bytes(b"not a picture")
    with pytest.raises(TrainingError, match="0 of 9 pictures can be decoded"):
        list(own_pictures(tmp_path))


def test_large_photos_shrink_to_1024_pixels(tmp_path: Path) -> None:
    write_image(photos(tmp_path, 8) / "large.png", texture(0, (600, 2048)))
    assert next(p for p in own_pictures(tmp_path) if p.name == "large.png").pixels.shape == (
        300,
        1024,
        3,
    )


def test_a_users_folder_is_prepared_with_one_command(tmp_path: Path) -> None:
    folder = photos(tmp_path / "line", 14)
    options = ["--pictures", str(folder), "--rendered", "2"]
    assert main(["prepare", "--store", str(tmp_path / "store"), *options]) == 0
    kept = Store(tmp_path / "store")
    assert len(kept.training["own"]) == 13
    assert [kept.entries[i].name for i in kept.held_out["own"]] == ["06.png"]


def test_training_without_prepared_pictures_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="run `python -m training prepare` first"):
        Store(tmp_path)


def test_every_free_picture_names_a_licence() -> None:
    assert all(licence.startswith(("CC0", "CC BY 2.0, ", "public domain")) for *_, licence in FREE)
    assert all(p.pixels.dtype == np.uint8 and p.pixels.shape[2] == 3 for p in free_pictures())


def test_each_named_tile_of_a_sheet_is_one_texture(tmp_path: Path) -> None:
    sheet = np.full((2 * 176 + 16, 1024, 3), 255, np.uint8)
    for place, (row, column) in enumerate([(0, 0), (0, 1), (1, 6)]):
        top, left = 16 + 176 * row, 16 + 144 * column
        sheet[top : top + 128, left : left + 128] = 40 * (place + 1)
        sheet[top + 138 : top + 150, left + 40 : left + 90] = 0
    cv2.imwrite(str(tmp_path / "Metal.webp"), sheet)
    found = list(texture_sheets(tmp_path))
    assert [p.name for p in found] == ["Metal/000", "Metal/001", "Metal/013"]
    assert [p.pixels.shape for p in found] == [(124, 124, 3)] * 3
    assert [abs(float(p.pixels.mean()) - 40 * (i + 1)) < 2 for i, p in enumerate(found)] == [
        True
    ] * 3


def test_a_folder_without_sheets_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no texture sheets"):
        list(texture_sheets(tmp_path))


def test_rendered_pictures_depend_on_seed_and_number_alone() -> None:
    first, again = (list(rendered_pictures(3, 5)) for _ in range(2))
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, again, strict=True))
    assert first[0].pixels.shape == (256, 256, 3)
    other = next(rendered_pictures(1, 6))
    assert not np.array_equal(first[0].pixels, other.pixels)


def test_smaller_copies_halve_down_to_the_last_useful_one(store: Store) -> None:
    assert [level.shape for level in store.levels(0)] == [(100, 120, 3)]


def test_held_out_pictures_are_never_drawn_for_training(store: Store) -> None:
    held = {i for members in store.held_out.values() for i in members}
    rng = np.random.default_rng(0)
    drawn = {store.draw(rng, store.training) for _ in range(300)}
    assert held
    assert not drawn & held


def test_a_view_at_its_own_scale_and_a_right_angle_copies_pixels() -> None:
    pixels = texture(0, (200, 200))
    values = {tuple(p) for p in pixels.reshape(-1, 3)}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        if rng.random() < 0.3 and rng.random() < 0.5:  # scale 1, then a multiple of 90 degrees
            rng.integers(4)
            if rng.random() >= 0.3:  # not sheared
                seen = view(np.random.default_rng(seed), [pixels], 64)
                assert {tuple(p) for p in seen.reshape(-1, 3)} <= values


def test_a_training_picture_is_the_same_for_the_same_seed(store: Store) -> None:
    one, two = (
        picture_for(np.random.default_rng((1, 2)), store, store.training, 48) for _ in range(2)
    )
    assert one.shape == (48, 48, 3)
    assert np.array_equal(one, two)
