"""MVTec AD 2, written as its authors ship it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyimgano.datasets import list_categories, load_dataset
from pyimgano.errors import DatasetError
from tests.conftest import write_image
from tests.datasets.shipped import good, write_mvtec_ad2


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_mvtec_ad2(tmp_path / "mvtec_ad_2")


def test_the_public_set_has_labels_masks_lights_and_a_validation_split(root: Path) -> None:
    dataset = load_dataset("mvtec_ad2", root, "can")
    assert [len(dataset.samples(s)) for s in ("train", "validation", "test")] == [4, 2, 4]
    assert {one.label for one in dataset.samples("validation")} == {0}
    paths, labels, masks = dataset.get_test_paths()
    assert ["/".join(Path(p).parts[-2:]) for p in paths] == [
        "bad/000_overexposed.png", "bad/000_regular.png",
        "good/000_overexposed.png", "good/000_regular.png",
    ]  # fmt: skip
    assert labels.tolist() == [1, 1, 0, 0]
    assert [int(m.sum()) for m in masks] == [64, 64, 0, 0]
    lights = [one.attributes["light"] for one in dataset.samples("test")]
    assert lights == ["overexposed", "regular"] * 2
    assert dataset.left_out.describe() == ""


@pytest.mark.parametrize("name", ["mvtec_ad2_private", "mvtec_ad2_private_mixed"])
def test_private_sets_have_no_labels(root: Path, name: str) -> None:
    dataset = load_dataset(name, root, "vial")
    paths, labels, masks = dataset.get_test_paths()
    light = "mixed" if name.endswith("mixed") else "regular"
    assert [Path(p).name for p in paths] == [f"{i:03d}_{light}.png" for i in range(3)]
    assert {Path(p).parent.name for p in paths} == {name.replace("mvtec_ad2", "test")}
    assert (labels, masks) == (None, None)
    assert [len(dataset.samples(s)) for s in ("train", "validation")] == [4, 2]


def test_the_root_may_be_the_folder_above(root: Path) -> None:
    for given in (root, root.parent):
        assert list_categories("mvtec_ad2", given) == ["can", "vial"]
    with pytest.raises(DatasetError, match=r"can is a category itself: take .*mvtec_ad_2 as root"):
        load_dataset("mvtec_ad2", root / "can", "can")
    with pytest.raises(DatasetError, match="expected <category>/train/good and .*/test_public"):
        load_dataset("mvtec_ad2", root / "can/train/good", "can")


def test_an_image_without_its_mask_is_named(root: Path) -> None:
    (root / "can/test_public/ground_truth/bad/000_regular_mask.png").unlink()
    with pytest.raises(DatasetError, match=r"no mask for .*bad/000_regular\.png"):
        load_dataset("mvtec_ad2", root, "can").get_test_paths()


def test_without_validation_images_the_other_splits_can_be_read(root: Path) -> None:
    for path in (root / "can/validation/good").iterdir():
        path.unlink()
    dataset = load_dataset("mvtec_ad2", root, "can")
    assert len(dataset.get_test_paths().paths) == 4
    with pytest.raises(DatasetError, match="validation/good has no images"):
        dataset.samples("validation")


def test_an_image_loose_in_the_public_set_is_counted(root: Path) -> None:
    write_image(root / "can/test_public/7.png", good(1))
    dataset = load_dataset("mvtec_ad2", root, "can")
    assert len(dataset.samples("test")) == 4
    assert "1 image in test without a folder that gives its label" in dataset.left_out.describe()


def test_as_another_set_the_error_names_its_test_folders(root: Path) -> None:
    with pytest.raises(
        DatasetError,
        match="can/test does not exist .*there is 'test_private', .*'test_public', and 'test' is",
    ):
        load_dataset("mvtec", root, "can").get_test_paths()
