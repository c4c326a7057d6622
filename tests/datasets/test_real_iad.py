"""Real-IAD, written as its authors ship it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pyimgano.datasets import list_categories, list_datasets, load_dataset
from pyimgano.errors import DatasetError
from tests.datasets.shipped import real_iad_entry, write_real_iad, write_split

VIEWS = ["C1", "C2", "C3", "C4", "C5"]
TRAIN = [real_iad_entry("OK", "S0001", view) for view in VIEWS]
TEST = [real_iad_entry("AK", "S0001", view) for view in VIEWS]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_real_iad(tmp_path / "Real-IAD")


def test_the_split_file_gives_labels_masks_defects_parts_and_views(root: Path) -> None:
    dataset = load_dataset("real_iad", root, "toy")
    assert [len(dataset.samples(s)) for s in ("train", "test")] == [10, 10]
    paths, labels, masks = dataset.get_test_paths()
    assert labels.tolist() == [1] * 5 + [0] * 5
    assert [int(m.sum()) for m in masks] == [64] * 5 + [0] * 5
    found = dataset.samples("test")
    assert [one.defect_type for one in found] == ["AK"] * 5 + [None] * 5
    # Numbers of parts are given anew for each kind of defect.
    assert [one.group for one in found] == ["NG/AK/S0001"] * 5 + ["OK/S0003"] * 5
    assert [one.attributes["view"] for one in found] == VIEWS * 2
    assert {one.group for one in dataset.samples("train")} == {"OK/S0001", "OK/S0002"}
    assert dataset.left_out.describe() == ""
    assert Path(paths[0]).suffix == ".jpg"


def test_the_single_view_split_is_a_set_of_its_own(root: Path) -> None:
    dataset = load_dataset("real_iad_sv", root, "toy")
    assert [len(dataset.samples(s)) for s in ("train", "test")] == [2, 2]
    assert {one.attributes["view"] for one in dataset.samples()} == {"C1"}
    assert dataset.left_out.describe() == ""


def test_the_unsupervised_splits_are_learnt_from_whole(root: Path) -> None:
    names = [name for name in list_datasets() if name.startswith("real_iad_fuiad")]
    assert names == [f"real_iad_fuiad_0.{i}" for i in range(5)]
    dataset = load_dataset("real_iad_fuiad_0.4", root, "toy")
    train = dataset.get_train_paths()
    assert len(train) == 15
    assert sum("/NG/" in path for path in train) == 5
    assert {one.label for one in dataset.samples("train")} == {None}
    assert dataset.get_test_paths().labels.sum() == 5
    with pytest.raises(DatasetError, match=r"no split files in .*jsons_fuiad_0\.1: expected"):
        load_dataset("real_iad_fuiad_0.1", root, "toy")


def test_defects_among_labelled_training_images_are_counted(root: Path) -> None:
    write_split(root, TRAIN + TEST[:2], TEST)
    dataset = load_dataset("real_iad", root, "toy")
    assert len(dataset.get_train_paths()) == 5
    (dropped,) = [e for e in dataset.left_out.to_json() if "defective" in e["reason"]]
    assert (dropped["count"], dropped["expected"]) == (2, True)


def test_the_root_may_be_one_of_several_resolutions(tmp_path: Path) -> None:
    root = write_real_iad(tmp_path, ("256", "1024"))
    with pytest.raises(DatasetError, match="several resolutions, realiad_1024, realiad_256: name"):
        list_categories("real_iad", root)
    dataset = load_dataset("real_iad", root / "realiad_256", "toy")
    assert all("/realiad_256/toy/" in path for path in dataset.get_test_paths().paths)
    with pytest.raises(DatasetError, match=r"toy is a category itself: take .*realiad_256 as root"):
        load_dataset("real_iad", root / "realiad_256/toy", "toy")
    with pytest.raises(DatasetError, match="expected realiad_256, .* and realiad_jsons"):
        load_dataset("real_iad", root / "realiad_256/toy/OK", "toy")


def test_split_files_may_lie_one_folder_higher(root: Path) -> None:
    inner = root / "realiad_jsons"
    for folder in list(inner.iterdir()):
        if folder.name != "realiad_jsons":
            shutil.move(folder, root / folder.name)
    shutil.move(inner / "realiad_jsons/toy.json", inner / "toy.json")
    for name in ("real_iad", "real_iad_sv"):
        assert load_dataset(name, root, "toy").get_test_paths().labels.any()


@pytest.mark.parametrize(
    "path", ["../other/a.jpg", "/etc/passwd", "OK/../../a.jpg", r"OK\..\..\a.jpg", "C:/a.jpg"]
)
@pytest.mark.parametrize("field", ["image_path", "mask_path"])
def test_paths_that_leave_the_set_are_an_error(root: Path, field: str, path: str) -> None:
    write_split(root, TRAIN, [{**TEST[0], field: path}])
    with pytest.raises(DatasetError, match=rf"toy\.json, test 0: {field} .* is outside the"):
        load_dataset("real_iad", root, "toy").samples()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (3, "test 0: expected an object"),
        ({**TEST[0], "image_path": ""}, "test 0: image_path is missing"),
        ({**TEST[0], "anomaly_class": None}, "test 0: anomaly_class is missing"),
        ({**TEST[0], "mask_path": None}, r"test 0: .* is a defect without mask_path"),
        ({**TEST[0], "mask_path": 3}, "test 0: mask_path is no text: 3"),
        (
            {**TEST[0], "image_path": "OK/none.jpg"},
            r"test 0: .*none\.jpg does not exist",
        ),
    ],
)
def test_a_damaged_entry_is_named(root: Path, entry: object, message: str) -> None:
    write_split(root, TRAIN, [entry])
    with pytest.raises(DatasetError, match=r"toy\.json, " + message):
        load_dataset("real_iad", root, "toy").samples("test")


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([], TEST, "train lists no image"),
        (None, TEST, "no list 'train'"),
        (TRAIN, {}, "no list 'test'"),
    ],
)
def test_a_split_without_its_lists_is_named(
    root: Path, train: object, test: object, message: str
) -> None:
    write_split(root, train, test)
    with pytest.raises(DatasetError, match=rf"toy\.json: {message}"):
        load_dataset("real_iad", root, "toy").samples()


def test_a_file_that_is_no_json_or_missing_is_named(root: Path) -> None:
    file = root / "realiad_jsons/realiad_jsons/toy.json"
    file.write_text("[" * 100_000)
    with pytest.raises(DatasetError, match=r"cannot read split file .*toy\.json"):
        load_dataset("real_iad", root, "toy").samples()
    file.rename(file.with_name("tape.json"))
    with pytest.raises(DatasetError, match=r"cannot read split file .*toy\.json: .*No such file"):
        load_dataset("real_iad", root, "toy").samples()


def test_views_that_a_part_lacks_are_counted_and_named(root: Path) -> None:
    write_split(root, TRAIN, TEST[:3])
    dataset = load_dataset("real_iad", root, "toy")
    assert len(dataset.samples("test")) == 3
    told = dataset.left_out.describe()
    assert told.startswith("2 views left out: 2 views of parts that the split file does not list")
    assert "NG/AK/S0001, C4" in told
