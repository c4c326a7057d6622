"""MPDD, GoodsAD, VAD, DAGM 2007 and AeBAD, written as their authors ship them."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from pyimgano.datasets import list_categories, list_datasets, load_dataset
from pyimgano.errors import DatasetError
from pyimgano.pipelines.mvtec_visa import run_benchmark
from tests.conftest import write_image
from tests.datasets.shipped import mask, write_aebad, write_dagm, write_mvtec_like


@pytest.mark.parametrize(
    ("name", "archive", "category", "kinds", "files"),
    [
        ("mpdd", "MPDD", "tubes", {"good": 2, "anomalous": 3}, {}),
        ("goodsad", "GoodsAD", "drink_can", {"good": 2, "deformation": 2, "opened": 1},
         {"images": "{:06d}.jpg", "masks": "{:06d}.png"}),
        ("vad", "VAD", "vad", {"good": 2, "bad": 3}, {"masks": "{:03d}.png"}),
    ],
)  # fmt: skip
def test_sets_in_the_layout_of_mvtec_ad(
    tmp_path: Path,
    name: str,
    archive: str,
    category: str,
    kinds: dict[str, int],
    files: dict[str, str],
) -> None:
    root = tmp_path / archive
    write_mvtec_like(root / category, kinds, **files)
    assert list_categories(name, root) == [category]
    dataset = load_dataset(name, root, category)
    assert len(dataset.get_train_paths()) == 3
    _, labels, masks = dataset.get_test_paths()
    assert (len(labels), labels.sum()) == (5, 3)
    assert Counter(int(m.sum()) for m in masks) == {64: 3, 0: 2}
    types = Counter(one.defect_type for one in dataset.samples("test"))
    typed = {kind: n for kind, n in kinds.items() if kind != "good"}
    assert types == {None: 2, **typed} if name != "vad" else types == {None: 5}
    next((root / category / "ground_truth").rglob("*.png")).unlink()
    with pytest.raises(DatasetError, match=f"no mask for .*{archive}/{category}/test"):
        load_dataset(name, root, category).get_test_paths()


@pytest.mark.parametrize(("name", "archive"), [("mpdd", "MPDD"), ("goodsad", "GoodsAD")])
def test_their_root_may_be_the_folder_above(tmp_path: Path, name: str, archive: str) -> None:
    write_mvtec_like(tmp_path / archive / "a", {"good": 1})
    assert list_categories(name, tmp_path) == ["a"]
    with pytest.raises(DatasetError, match="expected <category>/train/good and <category>/test"):
        load_dataset(name, tmp_path / archive / "a/train/good")


def test_dagm_labels_by_whether_there_is_a_mask(tmp_path: Path) -> None:
    root = write_dagm(tmp_path / "DAGM")
    assert list_categories("dagm", tmp_path) == ["Class1", "Class2"]
    dataset = load_dataset("dagm", root, "Class2")
    assert [one.label for one in dataset.samples("train")] == [0, 0, 1, 0]
    assert [Path(p).name for p in dataset.get_train_paths()] == ["0000.PNG", "0001.PNG", "0003.PNG"]
    paths, labels, masks = dataset.get_test_paths()
    assert [Path(p).name for p in paths] == ["0000.PNG", "0001.PNG", "0002.PNG"]
    assert labels.tolist() == [1, 1, 0]
    assert [int(m.sum()) for m in masks] == [64, 64, 0]


def test_dagm_names_masks_without_an_image_and_missing_folders(tmp_path: Path) -> None:
    root = write_dagm(tmp_path)
    write_image(root / "Class1/Test/Label/0007_label.PNG", mask())
    with pytest.raises(DatasetError, match=r"0007_label\.PNG has no image .*Test/0007\.PNG"):
        load_dataset("dagm", root, "Class1").get_test_paths()
    shutil.rmtree(root / "Class1/Test/Label")
    with pytest.raises(DatasetError, match="no folder of masks .*Class1/Test/Label: without it"):
        load_dataset("dagm", root, "Class1").get_test_paths()
    shutil.rmtree(root / "Class2/Test")
    dataset = load_dataset("dagm", root, "Class2")
    assert len(dataset.get_train_paths()) == 3
    with pytest.raises(DatasetError, match="Class2/Test' does not exist"):
        dataset.get_test_paths()
    with pytest.raises(DatasetError, match=r"no dagm category .*: expected ClassN/\{Train,Test\}"):
        load_dataset("dagm", root / "Class1/Train")


def test_the_shifts_of_aebad_are_attributes(tmp_path: Path) -> None:
    root = write_aebad(tmp_path / "AeBAD")
    assert list_categories("aebad", tmp_path) == ["AeBAD_S", "AeBAD_V"]
    dataset = load_dataset("aebad", root, "AeBAD_S")
    assert [one.attributes["shift"] for one in dataset.samples("train")] == [
        "background", "illumination",
    ]  # fmt: skip
    found = dataset.samples("test")
    assert Counter((one.defect_type, one.attributes["shift"]) for one in found) == {
        **{(None, shift): 1 for shift in ("same", "background", "illumination", "view")},
        **{(kind, shift): 1 for kind in ("ablation", "groove") for shift in ("same", "view")},
    }
    _, labels, masks = dataset.get_test_paths()
    assert (len(labels), labels.sum()) == (8, 4)
    assert sum(int(m.sum()) for m in masks) == 4 * 64
    (root / "AeBAD_S/ground_truth/groove/view/IMG_3.png").unlink()
    with pytest.raises(DatasetError, match=r"no mask for .*groove/view/IMG_3\.png"):
        load_dataset("aebad", root, "AeBAD_S").get_test_paths()


def test_the_videos_of_aebad_have_labels_and_no_masks(tmp_path: Path) -> None:
    root = write_aebad(tmp_path)
    dataset = load_dataset("aebad", root, "AeBAD_V")
    assert len(dataset.get_train_paths()) == 3
    _, labels, masks = dataset.get_test_paths()
    assert (labels.tolist(), masks) == ([1, 0, 0, 1, 0, 0], None)
    videos = [one.attributes["video"] for one in dataset.samples("test")]
    assert videos == ["video1"] * 3 + ["video2"] * 3
    (root / "AeBAD_V/test/video2/anomaly").rename(root / "AeBAD_V/test/video2/bad")
    with pytest.raises(DatasetError, match="video2/bad gives no label: expected good or anomaly"):
        load_dataset("aebad", root, "AeBAD_V").samples("test")


def test_the_benchmark_hands_on_shifts_and_runs_without_masks(tmp_path: Path) -> None:
    root = write_aebad(tmp_path)
    result = run_benchmark(dataset="aebad", root=root, backbone="filterbank", image_size=(24, 32))
    photos, videos = result.categories
    assert (photos.error, videos.error) == (None, None)
    assert {image.attributes["shift"] for image in photos.images} == {
        "same", "background", "illumination", "view",
    }  # fmt: skip
    assert "pixel_auroc" in photos.metrics
    assert "pixel_auroc" not in videos.metrics
    assert "auroc" in videos.metrics


def test_all_of_them_are_known_by_name() -> None:
    names = {"aebad", "dagm", "goodsad", "ksdd", "ksdd2", "mpdd", "mvtec_ad2", "mvtec_loco"}
    assert names | {"mvtec_ad2_private", "mvtec_ad2_private_mixed", "real_iad", "vad"} <= set(
        list_datasets()
    )
