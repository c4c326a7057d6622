"""Labelled folders that are not as in the book: what is read, what is counted, what is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pyimgano.datasets import list_categories, load_dataset
from pyimgano.datasets.base import Dataset
from pyimgano.errors import DatasetError, UnknownNameError
from pyimgano.pipelines.mvtec_visa import resolve_categories, run_benchmark
from tests.conftest import texture, with_blot, write_image

SMALL = {"backbone": "embedded", "image_size": (48, 64), "n_overlays": 0}


def write_set(root: Path, good: str, bad: str) -> Path:
    """One category with four training images, two good ones and two defects with masks."""
    base = root / "part"
    for i in range(4):
        write_image(base / f"train/{good}/{i}.png", texture(i))
    mask = np.zeros((48, 64), np.uint8)
    mask[16:28, 24:36] = 255
    for i in range(2):
        write_image(base / f"test/{good}/{i}.png", texture(10 + i))
        write_image(base / f"test/{bad}/{i}.png", with_blot(texture(20 + i)))
        write_image(base / f"ground_truth/{bad}/{i}_mask.png", mask)
    return root


LAYOUTS = [("mvtec", "good", "scratch"), ("btad", "ok", "ko"), ("visa", "good", "bad")]


@pytest.fixture(params=LAYOUTS, ids=[name for name, *_ in LAYOUTS])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path, str, str]:
    """Name of the layout, root, and the names of the good and of the defective folder."""
    name, good, bad = request.param
    return name, write_set(tmp_path / "set", good, bad), good, bad


def opened(case: tuple[str, Path, str, str]) -> Dataset:
    return load_dataset(case[0], case[1], "part")


def test_images_one_level_deeper_are_read_with_their_label(case) -> None:
    _, root, good, bad = case
    for i in range(4):
        (root / f"part/train/{good}/cam1").mkdir(exist_ok=True)
        (root / f"part/train/{good}/{i}.png").rename(root / f"part/train/{good}/cam1/{i}.png")
    (root / f"part/test/{bad}/deep").mkdir()
    (root / f"part/test/{bad}/0.png").rename(root / f"part/test/{bad}/deep/0.png")
    dataset = opened(case)
    assert len(dataset.get_train_paths()) == 4
    paths, labels, masks = dataset.get_test_paths()
    by_name = {
        os.path.relpath(p, root / "part/test"): n for p, n in zip(paths, labels, strict=True)
    }
    assert by_name == {f"{good}/0.png": 0, f"{good}/1.png": 0, f"{bad}/1.png": 1,
                       f"{bad}/deep/0.png": 1}  # fmt: skip
    assert [int(m.any()) for m in masks] == labels.tolist()
    assert dataset.left_out.describe() == ""


def test_masks_of_equal_names_are_those_of_the_same_sub_folder(case) -> None:
    _, root, _, bad = case
    for side, place in ((1, "a"), (2, "b")):
        write_image(root / f"part/test/{bad}/{place}/x.png", texture(side, (8, 8)))
        mask = np.zeros((8, 8), np.uint8)
        mask[:side, :side] = 255
        write_image(root / f"part/ground_truth/{bad}/{place}/x_mask.png", mask)
    paths, _, masks = opened(case).get_test_paths()
    areas = {Path(p).parent.name: int(m.sum()) for p, m in zip(paths, masks, strict=True)}
    assert (areas["a"], areas["b"]) == (1, 4)
    (root / f"part/ground_truth/{bad}/a/x_mask.png").rename(root / f"part/ground_truth/{bad}/x.png")
    with pytest.raises(DatasetError, match=r"no mask for .*a/x\.png"):  # of which of the two?
        opened(case).get_test_paths()


def test_images_without_a_folder_that_labels_them_are_counted(case) -> None:
    _, root, _, _ = case
    write_image(root / "part/test/loose.png", texture(30))
    dataset = opened(case)
    assert len(dataset.get_test_paths().paths) == 4
    assert dataset.left_out.describe() == (
        "1 file left out: 1 image in test without a folder that gives its label"
        f" ({root / 'part/test/loose.png'})"
    )


def test_training_images_beside_the_good_ones_are_counted(case) -> None:
    _, root, _, _ = case
    write_image(root / "part/train/bad/deep/0.png", texture(30))
    write_image(root / "part/train/loose.png", texture(30))
    write_image(root / "part/loose.png", texture(30))
    dataset = opened(case)
    assert len(dataset.get_train_paths()) == 4
    line = dataset.left_out.describe()
    assert line.startswith("3 files left out: ")
    assert "1 training image beside the folder of good ones" in line
    assert "2 images outside of the layout" in line


def test_other_suffixes_are_counted_once_however_often_they_are_met(case) -> None:
    _, root, good, bad = case
    for place in (f"train/{good}", f"test/{bad}"):
        (root / "part" / place / "1.XYZ").write_bytes(b"x")
    dataset = opened(case)
    for _ in range(3):
        dataset.get_train_paths()
        dataset.get_test_paths()
    assert dataset.left_out.describe().startswith("2 files left out: 2 .XYZ")
    assert dataset.ignored_files == 2


def test_hidden_folders_are_neither_categories_nor_defects(case) -> None:
    name, root, good, _ = case
    for hidden in (".Trash-1000", "__MACOSX"):
        write_image(root / hidden / f"train/{good}/0.png", texture(1))
        write_image(root / hidden / f"test/{good}/0.png", texture(1))
    write_image(root / "part/test/.ipynb_checkpoints/0-checkpoint.png", texture(2))
    write_image(root / f"part/train/{good}/.cache/0.png", texture(2))
    assert list_categories(name, root) == ["part"]
    dataset = opened(case)
    assert len(dataset.get_train_paths()) == 4
    assert dataset.get_test_paths().labels.sum() == 2


def test_linked_folders_hold_images_like_any_other(case) -> None:
    _, root, good, bad = case
    for place in (f"train/{good}", f"test/{bad}"):
        (root / "part" / place).rename(root / "moved")
        (root / "moved").rename(root.parent / place.replace("/", "-"))
        (root / "part" / place).symlink_to(root.parent / place.replace("/", "-"))
    dataset = opened(case)
    assert len(dataset.get_train_paths()) == 4
    assert dataset.get_test_paths().labels.sum() == 2


@pytest.mark.parametrize("closed", ["train/{good}", "train", "test", "test/{bad}", "test/{good}"])
def test_a_closed_folder_fails_its_category_in_one_line(
    case, close_folder: Callable[[Path], None], closed: str
) -> None:
    name, root, good, bad = case
    other = write_set(root.parent / "other", good, bad) / "part"
    other.rename(root / "zebra")
    close_folder(root / "part" / closed.format(good=good, bad=bad))
    result = run_benchmark(dataset=name, root=root, **SMALL)
    errors = {one.category: one.error for one in result.categories}
    assert errors["zebra"] is None
    assert "cannot read folder" in str(errors["part"])
    assert "Permission denied" in str(errors["part"])
    assert "\n" not in str(errors["part"])


def test_a_closed_category_is_listed_and_fails_alone(
    case, close_folder: Callable[[Path], None]
) -> None:
    name, root, good, bad = case
    (write_set(root.parent / "other", good, bad) / "part").rename(root / "zebra")
    close_folder(root / "part")
    result = run_benchmark(dataset=name, root=root, **SMALL)
    errors = {one.category: one.error for one in result.categories}
    assert set(errors) == {"part", "zebra"}
    assert errors["zebra"] is None
    assert "Permission denied" in str(errors["part"])


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every folder"
)
def test_a_folder_without_permission_fails_its_category(case) -> None:
    name, root, _, _ = case
    secret = root / "part/test/secret"
    secret.mkdir(mode=0)
    (one,) = run_benchmark(dataset=name, root=root, **SMALL).categories
    assert f"cannot read folder {secret}: Permission denied" in str(one.error)


def test_a_closed_root_is_one_line(case, close_folder: Callable[[Path], None]) -> None:
    close_folder(case[1])
    with pytest.raises(DatasetError):
        resolve_categories(case[0], case[1], None)


@pytest.mark.parametrize("name", ["Good", "GOOD", "good ", "ok", "OK", "normal", "Normal"])
def test_folders_that_a_person_takes_for_the_good_one_are_no_defects(
    tmp_path: Path, name: str
) -> None:
    root = write_set(tmp_path, "good", "scratch")
    (root / "part/test/good").rename(root / f"part/test/{name}")
    with pytest.raises(DatasetError, match="would count as a kind of defect.*'good'.*rename it"):
        load_dataset("mvtec", root, "part").get_test_paths()


def test_a_training_folder_of_another_name_is_named(tmp_path: Path) -> None:
    root = write_set(tmp_path, "good", "scratch")
    (root / "part/train/good").rename(root / "part/train/Good")
    with pytest.raises(DatasetError, match="there is 'Good', and 'good' is what is read"):
        load_dataset("mvtec", root, "part").get_train_paths()


def test_a_root_that_is_a_category_itself_says_how_to_name_the_two(case) -> None:
    name, root, _, _ = case
    part = root / "part"
    hint = f"{part} is a category itself: take {root} as root and part as category"
    if name == "visa":
        with pytest.raises(DatasetError, match="expected"):
            resolve_categories(name, part, None)
        return
    for categories in (None, "part"):
        with pytest.raises(DatasetError) as caught:
            resolve_categories(name, part, categories)
        assert hint in str(caught.value)
    with pytest.raises(DatasetError, match="is a category itself"):
        load_dataset(name, part, "part")


def test_the_layout_of_another_set_is_named(tmp_path: Path) -> None:
    root = write_set(tmp_path, "ok", "ko")
    (root / "part/test").rename(root / "test_of_part")
    with pytest.raises(DatasetError, match="it has the layout of btad, category part"):
        resolve_categories("mvtec", root, None)


@pytest.mark.parametrize(
    ("given", "meant"),
    [("btech", "btad"), ("BTech", "btad"), ("mvtec_ad", "mvtec"), ("MVTec-AD", "mvtec"),
     ("visa_pytorch", "visa"), ("folder", "custom"), ("synth", "synthetic"), ("mvtek", "mvtec")],
)  # fmt: skip
def test_a_set_under_another_name_is_recognised(tmp_path: Path, given: str, meant: str) -> None:
    with pytest.raises(
        UnknownNameError, match=f"unknown dataset '{given}'; did you mean '{meant}'"
    ):
        load_dataset(given, tmp_path)


@pytest.mark.parametrize("below", [False, True])
def test_custom_takes_the_roots_that_python_takes(tmp_path: Path, below: bool) -> None:
    root = write_set(tmp_path / "set", "good", "scratch")
    result = run_benchmark(dataset="custom", root=root if below else root / "part", **SMALL)
    (one,) = result.categories
    assert (one.category, one.error, one.n_train, one.n_test) == ("part", None, 4, 4)


class TestCustom:
    def test_folders_below_a_named_one_are_read(self, tmp_path: Path) -> None:
        write_image(tmp_path / "ok/cam1/0.png", texture(0))
        write_image(tmp_path / "fine/cam1/0.png", texture(1))
        dataset = load_dataset("custom", tmp_path, normal_dir="ok", test_good_dir="fine")
        assert len(dataset.get_train_paths()) == 1
        assert dataset.get_test_paths().labels.tolist() == [0]

    def test_folders_below_a_bare_folder_are_counted(self, tmp_path: Path) -> None:
        write_image(tmp_path / "0.png", texture(0))
        write_image(tmp_path / "defects/deep/0.png", texture(1))
        dataset = load_dataset("custom", tmp_path)
        assert [Path(p).name for p in dataset.get_train_paths()] == ["0.png"]
        assert dataset.left_out.describe() == (
            "1 file left out: 1 image below a bare folder (name its folder with normal_dir)"
            f" ({tmp_path / 'defects/deep/0.png'})"
        )

    def test_a_folder_in_another_is_not_of_both(self, tmp_path: Path) -> None:
        write_image(tmp_path / "0.png", texture(0))
        write_image(tmp_path / "test/0.png", texture(1))
        write_image(tmp_path / "bad/1.png", texture(2, (8, 8)))
        write_image(tmp_path / "bad/masks/1.png", np.full((8, 8), 255, np.uint8))
        dataset = load_dataset(
            "custom", tmp_path, normal_dir=".", test_good_dir="test", test_defect_dir="bad",
            mask_dir="bad/masks",
        )  # fmt: skip
        assert dataset.get_train_paths() == [str(tmp_path / "0.png")]
        paths, labels, masks = dataset.get_test_paths()
        assert [Path(p).name for p in paths] == ["1.png", "0.png"]
        assert labels.tolist() == [1, 0]
        assert masks[0].all()
