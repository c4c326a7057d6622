"""The place of a good photo that a flagged place was compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pyimgano
from pyimgano.images.geometry import Geometry
from pyimgano.models.good_patch import box_of, patch_at
from pyimgano.models.training_images import packed, unpacked
from tests.conftest import texture, with_blot, write_image


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("good")
    for i in range(5):
        write_image(folder / f"{i}.png", texture(i))
    return [str(path) for path in sorted(folder.iterdir())]


def made(**further: object) -> pyimgano.models.base.Detector:
    return pyimgano.create_model(
        "patchcore", backbone="filterbank", image_size=(96, 128), coreset_ratio=1.0, **further
    )


@pytest.mark.parametrize(("y", "x"), [(0, 0), (23, 45), (47, 63)])
def test_a_training_image_is_its_own_nearest(good: list[str], y: int, x: int) -> None:
    detector = made().fit(good)
    found = detector.nearest_good(detector.predict_one(good[3]), x, y)
    assert found is not None
    assert (found.number, found.file, found.missing) == (3, good[3], "")
    np.testing.assert_array_equal(found.image, texture(3))
    left, top, width, height = found.box
    assert left <= x < left + width
    assert top <= y < top + height


def test_a_held_out_image_is_compared_with_another(good: list[str]) -> None:
    detector = made().fit(good)
    one = detector.held_out(3, good[3])
    assert one.score == detector.decision_scores_[3]
    assert one.label == int(one.score > detector.threshold_)
    found = detector.nearest_good(one, 20, 20)
    assert found is not None
    assert found.number != 3
    assert found.file == good[found.number]


def test_a_file_keeps_what_is_known_and_tells_of_photos_that_are_gone(
    good: list[str], tmp_path: Path
) -> None:
    copies = []
    for path in good:
        copies.append(tmp_path / Path(path).name)
        copies[-1].write_bytes(Path(path).read_bytes())
    fitted = made().fit(copies)
    fitted.save(tmp_path / "part.pyimgano")
    loaded = pyimgano.load(tmp_path / "part.pyimgano")
    odd = with_blot(texture(20))
    before, after = fitted.predict_one(odd), loaded.predict_one(odd)
    np.testing.assert_array_equal(before.nearest, after.nearest)
    found = loaded.nearest_good(after, 30, 20)
    assert found.box == fitted.nearest_good(before, 30, 20).box
    assert found.file == str(copies[found.number])
    write_image(copies[found.number], texture(77))
    assert "no longer the photo that was learnt from" in loaded.nearest_good(after, 30, 20).missing
    copies[found.number].unlink()
    gone = loaded.nearest_good(after, 30, 20)
    assert gone.image is None
    assert copies[found.number].name in gone.missing


def test_paths_are_stored_from_their_common_folder_or_left_out(
    good: list[str], tmp_path: Path
) -> None:
    fitted, file = made().fit(good), tmp_path / "part.pyimgano"
    folder = str(Path(good[0]).parent).encode()
    fitted.save(file)
    assert file.read_bytes().count(folder) == 1 + fitted.threshold_source_.encode().count(folder)
    assert b"0.png\x001.png\x002.png\x003.png\x004.png\x00" in file.read_bytes()
    assert pyimgano.load(file).training_files_ == good
    fitted.threshold_ = 1.0
    fitted.save(file, training_paths=False)
    assert folder not in file.read_bytes()
    loaded = pyimgano.load(file)
    assert loaded.training_files_ == []
    found = loaded.nearest_good(loaded.predict_one(good[0]), 5, 5)
    assert (found.number, found.image) == (0, None)
    assert found.missing == "the detector's file does not say where its good photos are"


@pytest.mark.parametrize(
    ("files", "folder"),
    [
        (["/a/b/c.png", "/a/d.png", ""], b"/a\0"),
        (["/a/b/c.png"], b"/a/b\0"),
        (["/x.png", "/y/\udcff.png"], b"/\0"),
        (["", ""], None),
    ],
)
def test_packed_paths_come_back(files: list[str], folder: bytes | None) -> None:
    arrays = packed(files)
    known = arrays.get("training_folder")
    assert (None if known is None else known.tobytes()) == folder
    assert unpacked(arrays) == files


def test_no_paths_are_no_arrays_and_older_files_have_absolute_ones() -> None:
    assert packed([]) == {}
    assert unpacked({}) == []
    older = {"training_files": np.frombuffer(b"/a/b.png\0\0", np.uint8)}
    assert unpacked(older) == ["/a/b.png", ""]


def test_arrays_and_turned_copies_have_no_place_to_show(good: list[str]) -> None:
    detector = made().fit([texture(i) for i in range(5)])
    found = detector.nearest_good(detector.predict_one(texture(9)), 5, 5)
    assert found.missing == "the good photo was given as an array, not as a file"
    turned = made(references=("rotations", 4)).fit(good)
    near = turned.nearest_good(turned.predict_one(np.rot90(texture(2), 2).copy()), 30, 20)
    assert (near.number, near.box) == (2, None)
    lit = made(references="brightness").fit(good)
    assert lit.nearest_good(lit.predict_one(good[2]), 30, 20).box is not None


@pytest.mark.parametrize("ratio", [1.0, 0.25])
def test_banks_of_layers_know_it_also_after_loading(
    good: list[str], tmp_path: Path, ratio: float
) -> None:
    detector = pyimgano.create_model(
        "superadd", backbone="embedded", image_size=(96, 128), coreset_ratio=ratio
    ).fit(good)
    detector.save(tmp_path / "part.pyimgano")
    loaded = pyimgano.load(tmp_path / "part.pyimgano")
    for one in (detector, loaded):
        found = one.nearest_good(one.predict_one(good[3]), 20, 20)
        assert found is not None
        if ratio == 1:  # its own patch is there
            assert (found.number, found.file) == (3, good[3])
        left, top, width, height = found.box
        assert found.image[top : top + height, left : left + width].size > 0
    odd = with_blot(texture(20))
    np.testing.assert_array_equal(
        detector.predict_one(odd).nearest, loaded.predict_one(odd).nearest
    )


@pytest.mark.parametrize("model", ["padim", "subspacead", "mutual"])
def test_scorers_that_compare_with_no_single_patch_say_none(good: list[str], model: str) -> None:
    detector = pyimgano.create_model(model, backbone="filterbank", image_size=(96, 128)).fit(good)
    assert detector.nearest_good(detector.predict_one(good[0]), 5, 5) is None


def test_patches_and_boxes_agree_through_resizing_and_a_crop() -> None:
    geometry = Geometry.of((300, 400), (60, 80), (40, 40))
    assert patch_at(geometry, (10, 10), 0, 0) == (0, 0)  # cropped away
    for row, column in ((0, 0), (3, 7), (9, 9)):
        x, y, width, height = box_of(geometry, (10, 10), 10 * row + column)
        assert (x, y, width, height) == (100 + 20 * column, 50 + 20 * row, 20, 20)
        assert patch_at(geometry, (10, 10), x, y) == (row, column)
        assert patch_at(geometry, (10, 10), x + 19, y + 19) == (row, column)
