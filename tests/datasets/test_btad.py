"""BTAD, written as its authors ship it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from pyimgano.errors import DatasetError, UnknownNameError
from pyimgano.pipelines.mvtec_visa import run_benchmark
from pyimgano.utils.datasets import BTADDataset, list_categories, load_dataset
from tests.conftest import texture, with_blot, write_image

#: Suffixes of images and masks: they differ from product to product.
SUFFIXES = {"01": (".bmp", ".png"), "02": (".png", ".png"), "03": (".bmp", ".bmp")}
N_TRAIN, N_OK, N_KO = 6, 2, 3
OPTIONS = {"backbone": "embedded", "image_size": (48, 64), "contamination": 0.2}


def write_btad(base: Path) -> Path:
    """Three products, each with the suffixes that it is shipped with."""
    mask = np.zeros((48, 64), np.uint8)
    mask[16:28, 24:36] = 255
    for c, (category, (image, truth)) in enumerate(SUFFIXES.items()):
        for i in range(N_TRAIN):
            write_image(base / category / f"train/ok/{i:04d}{image}", texture(100 * c + i))
        for i in range(N_OK):
            write_image(base / category / f"test/ok/{i:04d}{image}", texture(100 * c + 20 + i))
        for i in range(N_KO):
            bad = with_blot(texture(100 * c + 30 + i))
            write_image(base / category / f"test/ko/{i:04d}{image}", bad)
            write_image(base / category / f"ground_truth/ko/{i:04d}{truth}", mask)
    return base


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Below the archive's own folder."""
    return write_btad(tmp_path / "BTech_Dataset_transformed")


@pytest.mark.parametrize("category", SUFFIXES)
def test_paths_labels_and_masks_follow_the_layout(root: Path, category: str) -> None:
    dataset = load_dataset("btad", root, category)
    names = [f"{i:04d}{SUFFIXES[category][0]}" for i in range(N_TRAIN)]
    assert [Path(p).name for p in dataset.get_train_paths()] == names
    paths, labels, masks = dataset.get_test_paths()
    assert ["/".join(Path(p).parts[-2:]) for p in paths] == [
        f"{kind}/{name}" for kind, n in (("ko", N_KO), ("ok", N_OK)) for name in names[:n]
    ]
    assert labels.tolist() == [1, 1, 1, 0, 0]
    assert [int(m.sum()) for m in masks] == [144, 144, 144, 0, 0]


def test_the_root_may_be_the_folder_above(root: Path) -> None:
    for given in (root, root.parent):
        assert list_categories("btad", given) == ["01", "02", "03"]
        assert len(BTADDataset(given, "02").get_train_paths()) == N_TRAIN


def test_the_benchmark_runs_through_it(root: Path) -> None:
    result = run_benchmark(dataset="btad", root=root, **OPTIONS)
    assert [(c.category, c.error) for c in result.categories] == [(c, None) for c in SUFFIXES]
    assert all(c.metrics["auroc"] == 1.0 and c.metrics["aupro"] > 0.8 for c in result.categories)


def test_data_are_loaded_at_the_size_asked_for(root: Path) -> None:
    dataset = BTADDataset(root, "03", resize=24)
    assert {i.shape for i in dataset.get_train_data()} == {(24, 24, 3)}
    images, _, masks = dataset.get_test_data()
    assert {i.shape[:2] for i in images} == {m.shape for m in masks} == {(24, 24)}


def test_a_category_with_one_half_only_is_named_with_its_path(root: Path) -> None:
    shutil.rmtree(root / "01/test")
    shutil.rmtree(root / "02/train")
    assert list_categories("btad", root) == ["01", "02", "03"]
    with pytest.raises(DatasetError, match="'01' has no test half: .*01/test does not exist"):
        load_dataset("btad", root, "01").get_test_paths()
    with pytest.raises(DatasetError, match="'02' has no training half: .*02/train/ok does not"):
        load_dataset("btad", root, "02").get_train_paths()
    result = run_benchmark(dataset="btad", root=root, **OPTIONS)
    assert [c.category for c in result.failed] == ["01", "02"]


def test_missing_masks_and_unknown_categories_are_named(root: Path) -> None:
    (root / "03/ground_truth/ko/0001.bmp").unlink()
    with pytest.raises(DatasetError, match=r"no mask for .*03/test/ko/0001\.bmp"):
        load_dataset("btad", root, "03").get_test_paths()
    shutil.rmtree(root / "03/ground_truth")
    assert load_dataset("btad", root, "03").get_test_paths().masks is None
    with pytest.raises(UnknownNameError, match="'04'.*01, 02, 03"):
        load_dataset("btad", root, "04")
    with pytest.raises(DatasetError, match="no btad category below"):
        run_benchmark(dataset="btad", root=root / "01", **OPTIONS)
