from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from pyimgano.errors import DatasetError, UnknownNameError
from pyimgano.utils.datasets import MVTecDataset, load_dataset
from tests.conftest import texture, write_image


def names(paths: list[str]) -> list[str]:
    return ["/".join(Path(p).parts[-2:]) for p in paths]


def test_paths_labels_and_masks_follow_the_layout(mvtec_root: Path) -> None:
    dataset = load_dataset("mvtec", mvtec_root, "bolt")
    assert names(dataset.get_train_paths()) == [f"good/{i:03d}.png" for i in range(6)]
    paths, labels, masks = dataset.get_test_paths()
    assert names(paths) == [f"{kind}/{i:03d}.png" for kind in ("blot", "good") for i in range(3)]
    assert labels.tolist() == [1, 1, 1, 0, 0, 0]
    assert len(masks) == 6
    assert masks[0].dtype == np.uint8
    assert (masks[0].sum(), masks[0].max()) == (12 * 12, 1)
    assert masks[5].shape == (48, 64)
    assert not masks[5].any()


def test_categories_are_the_folders_with_training_images(mvtec_root: Path) -> None:
    (mvtec_root / "notes").mkdir()
    assert MVTecDataset.list_categories(mvtec_root) == ["bolt", "cloth"]


def test_masks_are_read_when_asked_for_and_at_their_own_size(mvtec_root: Path) -> None:
    write_image(mvtec_root / "bolt/test/good/000.png", texture(1, (30, 20)))
    _, _, masks = load_dataset("mvtec", mvtec_root, "bolt").get_test_paths()
    assert [m.shape for m in masks[2:5]] == [(48, 64), (30, 20), (48, 64)]
    (mvtec_root / "bolt/ground_truth/blot/001_mask.png").write_bytes(b"")
    assert masks[0].any()  # the damaged file concerns nobody but itself
    with pytest.raises(OSError, match="001_mask"):
        masks[1]


def test_any_non_zero_pixel_is_defect(mvtec_root: Path) -> None:
    faint = np.zeros((48, 64), np.uint8)
    faint[0, 0] = 1
    write_image(mvtec_root / "bolt/ground_truth/blot/000_mask.png", faint)
    assert load_dataset("mvtec", mvtec_root, "bolt").get_test_paths().masks[0].sum() == 1


def test_suffixes_may_be_upper_case_and_other_files_are_counted(mvtec_root: Path) -> None:
    train = mvtec_root / "bolt/train/good"
    (train / "000.png").rename(train / "000.PNG")
    (train / "Thumbs.db").write_bytes(b"")
    (train / ".DS_Store").write_bytes(b"")
    dataset = load_dataset("mvtec", mvtec_root, "bolt")
    assert len(dataset.get_train_paths()) == 6
    assert dataset.ignored_files == 2


def test_without_ground_truth_there_are_no_masks(mvtec_root: Path) -> None:
    shutil.rmtree(mvtec_root / "bolt/ground_truth")
    paths, labels, masks = load_dataset("mvtec", mvtec_root, "bolt").get_test_paths()
    assert (len(paths), labels.sum(), masks) == (6, 3, None)


def test_one_missing_mask_is_an_error_that_names_the_image(mvtec_root: Path) -> None:
    (mvtec_root / "bolt/ground_truth/blot/001_mask.png").unlink()
    with pytest.raises(DatasetError, match=r"no mask for .*blot/001\.png: expected .*001_mask"):
        load_dataset("mvtec", mvtec_root, "bolt").get_test_paths()


def test_a_mask_of_another_size_is_an_error_that_names_both(mvtec_root: Path) -> None:
    write_image(mvtec_root / "bolt/ground_truth/blot/002_mask.png", np.zeros((10, 10), np.uint8))
    masks = load_dataset("mvtec", mvtec_root, "bolt").get_test_paths().masks
    with pytest.raises(DatasetError, match=r"002_mask\.png is 10 x 10 .*002\.png is 64 x 48"):
        masks[2]


def test_an_unknown_category_lists_those_found(mvtec_root: Path) -> None:
    with pytest.raises(UnknownNameError, match="'bolts'.*did you mean 'bolt'.*bolt, cloth"):
        load_dataset("mvtec", mvtec_root, "bolts")
    with pytest.raises(DatasetError, match=r"name a category.*'bolt', 'cloth'"):
        load_dataset("mvtec", mvtec_root)


def test_missing_and_empty_folders_are_named(mvtec_root: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere does not exist"):
        load_dataset("mvtec", tmp_path / "nowhere", "bolt")
    for path in (mvtec_root / "bolt/train/good").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match="train/good has no images"):
        load_dataset("mvtec", mvtec_root, "bolt").get_train_paths()
    shutil.rmtree(mvtec_root / "cloth/test")
    (mvtec_root / "cloth/test").mkdir()
    with pytest.raises(DatasetError, match="cloth/test has no folders of images"):
        load_dataset("mvtec", mvtec_root, "cloth").get_test_paths()


def test_a_category_with_one_half_only_is_listed_and_named_with_its_path(mvtec_root: Path) -> None:
    shutil.rmtree(mvtec_root / "bolt/test")
    shutil.rmtree(mvtec_root / "cloth/train")
    assert MVTecDataset.list_categories(mvtec_root) == ["bolt", "cloth"]
    assert len(load_dataset("mvtec", mvtec_root, "bolt").get_train_paths()) == 6
    with pytest.raises(DatasetError, match="'bolt' has no test half: .*bolt/test does not exist"):
        load_dataset("mvtec", mvtec_root, "bolt").get_test_paths()
    with pytest.raises(DatasetError, match="'cloth' has no training half: .*cloth/train/good"):
        load_dataset("mvtec", mvtec_root, "cloth").get_train_paths()


def test_data_are_the_pixels_of_the_paths(mvtec_root: Path) -> None:
    dataset = load_dataset("mvtec", mvtec_root, "cloth")
    np.testing.assert_array_equal(dataset.get_train_data()[2], texture(102))
    images, labels, masks = dataset.get_test_data()
    assert (len(images), len(labels), len(masks)) == (6, 6, 6)
    small = load_dataset("mvtec", mvtec_root, "cloth", resize=(24, 32))
    images, _, masks = small.get_test_data()
    assert {i.shape for i in images} == {(24, 32, 3)}
    assert {m.shape for m in masks} == {(24, 32)}
    assert set(np.unique(masks[0])) == {0, 1}


def test_an_unknown_set_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="'mvtek'; did you mean 'mvtec'"):
        load_dataset("mvtek", tmp_path)


def test_real_sets_are_read_whole(shared_data: Path) -> None:
    dataset = load_dataset("mvtec", shared_data, "screw")
    assert len(dataset.get_train_paths()) == 64
    paths, labels, masks = dataset.get_test_paths()
    assert (len(paths), labels.sum()) == (61, 40)
    first = int(np.argmax(labels))
    assert masks[first].shape == (1024, 1024)
    assert masks[first].any()


def test_a_folder_of_masks_per_image_is_called_the_layout_of_loco(mvtec_root: Path) -> None:
    masks = mvtec_root / "bolt/ground_truth/blot"
    (masks / "000_mask.png").unlink()
    write_image(masks / "000/000.png", np.full((48, 64), 255, np.uint8))
    with pytest.raises(DatasetError, match=r"masks of .*000\.png are a folder, .*as in MVTec LOCO"):
        MVTecDataset(mvtec_root, "bolt").get_test_paths()
