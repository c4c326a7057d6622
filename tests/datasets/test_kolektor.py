"""KolektorSDD and KolektorSDD2, written as their authors ship them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pyimgano.datasets import list_categories, load_dataset
from pyimgano.errors import DatasetError, ImageReadError
from pyimgano.pipelines.mvtec_visa import run_benchmark
from tests.conftest import write_image
from tests.datasets.shipped import good, mask, write_ksdd, write_ksdd2


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return write_ksdd(tmp_path / "KolektorSDD")


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return write_ksdd2(tmp_path / "KolektorSDD2")


def test_all_defects_and_a_fifth_of_the_good_images_are_tested(first: Path) -> None:
    dataset = load_dataset("ksdd", first)
    assert (dataset.category, list_categories("ksdd", first.parent)) == ("ksdd", ["ksdd"])
    train, (paths, labels, masks) = dataset.get_train_paths(), dataset.get_test_paths()
    assert (len(train), len(paths), int(labels.sum())) == (8, 4, 2)
    assert not set(train) & set(paths)
    defects = [p for p, label in zip(paths, labels, strict=True) if label]
    assert ["/".join(Path(p).parts[-2:]) for p in defects] == ["kos01/Part2.jpg", "kos03/Part0.jpg"]
    assert sorted(int(m.sum()) for m in masks) == [0, 0, 64, 64]
    assert {one.group for one in dataset.samples()} == {"kos01", "kos02", "kos03"}
    assert load_dataset("ksdd", first).get_train_paths() == train


def test_an_image_of_the_first_set_without_its_mask_is_named(first: Path) -> None:
    (first / "kos02/Part1_label.bmp").unlink()
    with pytest.raises(DatasetError, match=r"no mask for .*kos02/Part1\.jpg: expected .*label"):
        load_dataset("ksdd", first).samples()


def test_a_first_set_of_one_good_image_cannot_be_split(tmp_path: Path) -> None:
    write_image(tmp_path / "kos01/Part0.jpg", good(0))
    write_image(tmp_path / "kos01/Part0_label.bmp", mask(0))
    with pytest.raises(DatasetError, match="has 1 good image: a split needs 2"):
        load_dataset("ksdd", tmp_path).samples()


def test_training_images_with_a_defect_are_dropped_and_the_results_say_so(second: Path) -> None:
    dataset = load_dataset("ksdd2", second)
    assert [Path(p).name for p in dataset.get_train_paths()] == [
        f"{i}.png" for i in (10000, 10002, 10003, 10004)
    ]
    assert [one.label for one in dataset.samples("train")] == [0, 1, 0, 0, 0]
    _, labels, masks = dataset.get_test_paths()
    assert labels.tolist() == [1, 0, 0, 1]
    assert [int(m.sum()) for m in masks] == [64, 0, 0, 64]
    result = run_benchmark(
        dataset="ksdd2", root=second, backbone="filterbank", image_size=(24, 32), strict=True
    )
    (one,) = result.categories
    assert (one.error, one.category, one.n_train, one.n_defect) == (None, "ksdd2", 4, 2)
    assert "1 training image with a defect left out" in one.notes


def test_copies_and_missing_masks_of_the_second_set_are_named(second: Path) -> None:
    shutil.copy(second / "train/10001_GT.png", second / "train/10001_GT (copy).png")
    dataset = load_dataset("ksdd2", second)
    assert len(dataset.samples("train")) == 5
    assert "10001_GT (copy).png" in dataset.left_out.describe()
    (second / "test/20003_GT.png").unlink()
    dataset = load_dataset("ksdd2", second.parent)
    assert len(dataset.get_train_paths()) == 4
    with pytest.raises(DatasetError, match=r"no mask for .*20003\.png: expected .*20003_GT\.png"):
        dataset.get_test_paths()


def test_a_mask_that_cannot_be_read_gives_no_label(second: Path) -> None:
    (second / "test/20001_GT.png").write_bytes(b"\x89PNG")
    with pytest.raises(ImageReadError, match=r"20001_GT\.png"):
        load_dataset("ksdd2", second).samples("test")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ksdd", "kos01, kos02, .* with PartN.jpg"), ("ksdd2", "train and test, with NNNNN.png")],
)
def test_another_root_is_told_what_is_expected(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(DatasetError, match=f"no {name} category below .*: expected {expected}"):
        load_dataset(name, tmp_path)
    with pytest.raises(DatasetError, match=f"no {name} category below .*: expected {expected}"):
        run_benchmark(dataset=name, root=tmp_path, backbone="filterbank")
    with pytest.raises(DatasetError, match="does not exist or is not a folder"):
        list_categories(name, tmp_path / "none")
