from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyimgano.errors import DatasetError
from pyimgano.utils.datasets import CustomDataset, load_dataset
from tests.conftest import texture, write_image


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name, count in (("ok", 4), ("fine", 2), ("bad", 3)):
        for i in range(count):
            write_image(tmp_path / name / f"{name}{i}.png", texture(i, (16, 20)))
    for i in range(3):
        mask = np.zeros((16, 20), np.uint8)
        mask[i, i] = 255
        write_image(tmp_path / "masks" / f"bad{i}.png", mask)
    return tmp_path


def test_named_folders_make_a_labelled_set(folders: Path) -> None:
    dataset = CustomDataset(
        folders, normal_dir="ok", test_good_dir="fine", test_defect_dir="bad", mask_dir="masks"
    )
    assert len(dataset.get_train_paths()) == 4
    paths, labels, masks = dataset.get_test_paths()
    assert [Path(p).stem for p in paths] == ["bad0", "bad1", "bad2", "fine0", "fine1"]
    assert labels.tolist() == [1, 1, 1, 0, 0]
    assert [int(m.sum()) for m in masks] == [1, 1, 1, 0, 0]
    assert masks[1][1, 1] == 1


def test_without_masks_there_are_labels_only(folders: Path) -> None:
    dataset = CustomDataset(folders, normal_dir="ok", test_defect_dir="bad")
    assert dataset.get_test_paths().labels.tolist() == [1, 1, 1]
    assert dataset.get_test_paths().masks is None


def test_a_bare_folder_is_all_normal_training(folders: Path) -> None:
    dataset = load_dataset("custom", folders / "ok")
    assert len(dataset.get_train_paths()) == 4
    paths, labels, masks = dataset.get_test_paths()
    assert (paths, labels.tolist(), len(masks)) == ([], [], 0)


def test_an_unlabelled_test_folder_has_neither_labels_nor_masks(folders: Path) -> None:
    write_image(folders / "bad/deeper/x.png", texture(9))
    split = CustomDataset(folders, normal_dir="ok", test_dir="bad").get_test_paths()
    assert len(split.paths) == 4
    assert (split.labels, split.masks) == (None, None)


def test_images_in_the_mvtec_layout_go_by_the_path_that_was_given(
    mvtec_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link"
    link.symlink_to(mvtec_root / "bolt")
    first = Path("train", "good", "000.png")
    assert CustomDataset(link).get_train_paths()[0] == str(link / first)
    monkeypatch.chdir(tmp_path)
    assert CustomDataset("link").get_train_paths()[0] == str("link" / first)
    monkeypatch.chdir(mvtec_root / "bolt")
    assert CustomDataset(".").get_train_paths()[0] == str(mvtec_root / "bolt" / first)


def test_a_folder_in_the_mvtec_layout_is_read_as_such(mvtec_root: Path) -> None:
    for dataset in (
        load_dataset("custom", mvtec_root, "bolt"),
        load_dataset("custom", mvtec_root / "bolt"),
    ):
        assert len(dataset.get_train_paths()) == 6
        assert dataset.get_test_paths().labels.sum() == 3


def test_contradictions_and_missing_folders_are_errors(folders: Path) -> None:
    with pytest.raises(DatasetError, match="test_dir is for images without labels"):
        CustomDataset(folders, test_dir="bad", test_good_dir="fine")
    with pytest.raises(DatasetError, match="mask_dir needs test_defect_dir"):
        CustomDataset(folders, mask_dir="masks")
    with pytest.raises(DatasetError, match="gone' does not exist"):
        CustomDataset(folders, normal_dir="gone").get_train_paths()
    with pytest.raises(DatasetError, match="mask folder .*gone does not exist"):
        CustomDataset(folders, test_defect_dir="bad", mask_dir="gone").get_test_paths()
    (folders / "masks/bad1.png").unlink()
    with pytest.raises(DatasetError, match=r"no mask for .*bad1\.png"):
        CustomDataset(folders, test_defect_dir="bad", mask_dir="masks").get_test_paths()
