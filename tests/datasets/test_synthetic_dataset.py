from __future__ import annotations

from pathlib import Path

import pytest

from pyimgano.datasets.synthetic import CATEGORIES
from pyimgano.errors import DatasetError, UnknownNameError
from pyimgano.utils.datasets import SyntheticDataset, list_categories, load_dataset

SMALL = {"n_train": 3, "n_test_good": 1, "n_test_defect": 1, "image_size": 48}


def test_it_writes_itself_where_it_is_missing(tmp_path: Path) -> None:
    dataset = load_dataset("synthetic", tmp_path / "new", "gear", **SMALL)
    assert len(dataset.get_train_paths()) == 3
    paths, labels, masks = dataset.get_test_paths()
    assert len(paths) == len(labels) == len(masks) == 1 + labels.sum()
    assert all(mask.any() == bool(label) for mask, label in zip(masks, labels, strict=True))


def test_a_complete_category_is_taken_as_it_is(tmp_path: Path) -> None:
    load_dataset("synthetic", tmp_path, "gear", **SMALL)
    assert len(load_dataset("synthetic", tmp_path, "gear").get_train_paths()) == 3
    with pytest.raises(DatasetError, match="other parameters"):
        load_dataset("synthetic", tmp_path, "gear", **{**SMALL, "seed": 1})


def test_all_categories_can_be_asked_for(tmp_path: Path) -> None:
    assert list_categories("synthetic", tmp_path / "nowhere yet") == sorted(CATEGORIES)
    with pytest.raises(UnknownNameError, match="did you mean 'gear'"):
        SyntheticDataset(tmp_path, "gears")
