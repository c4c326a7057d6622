"""The same files read by anomalib's loaders: equal images, labels, splits and masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimgano.datasets import Dataset, load_dataset
from tests.datasets.shipped import (
    write_ksdd,
    write_loco,
    write_mvtec_ad2,
    write_mvtec_like,
    write_real_iad,
)


@pytest.fixture
def theirs() -> Iterator[Any]:
    found = pytest.importorskip("anomalib.data.datasets", reason="needs the extra anomalib")
    import pandas as pd

    # anomalib 2.7 puts lists into a column of texts, which pandas 3 refuses.
    with pd.option_context("future.infer_string", False):
        yield found


def by_path(dataset: Any) -> dict[str, tuple[int, int]]:
    """Label and number of marked pixels of each image, as anomalib loads it."""
    found = {}
    for one in dataset:
        marked = 0 if one.gt_mask is None else int(np.count_nonzero(one.gt_mask.numpy()))
        found[str(Path(one.image_path).resolve())] = (int(one.gt_label), marked)
    return found


def ours_by_path(dataset: Dataset) -> dict[str, tuple[int, int]]:
    paths, labels, masks = dataset.get_test_paths()
    assert labels is not None
    assert masks is not None
    counts = [int(mask.sum()) for mask in masks]
    pairs = zip(labels.tolist(), counts, strict=True)
    return dict(zip([str(Path(p).resolve()) for p in paths], pairs, strict=True))


def resolved(paths: Any) -> list[str]:
    return sorted(str(Path(path).resolve()) for path in paths)


def mpdd(root: Path) -> None:
    write_mvtec_like(root / "tubes", {"good": 2, "anomalous": 3})


def vad(root: Path) -> None:
    write_mvtec_like(root / "vad", {"good": 2, "bad": 3}, masks="{:03d}.png")


SETS: list[tuple[str, Callable[[Path], Any], str, str, str, dict[str, Any]]] = [
    ("mvtec_ad2", write_mvtec_ad2, "can", "mvtecad2", "MVTecAD2Dataset", {}),
    ("mvtec_loco", write_loco, "pushpins", "mvtec_loco", "MVTecLOCODataset", {}),
    ("mpdd", mpdd, "tubes", "mpdd", "MPDDDataset", {}),
    ("vad", vad, "vad", "vad", "VADDataset", {}),
    ("ksdd", write_ksdd, "ksdd", "kolektor", "KolektorDataset", {}),
    ("real_iad", write_real_iad, "toy", "realiad", "RealIADDataset", {}),
    (
        "real_iad_sv", write_real_iad, "toy", "realiad", "RealIADDataset",
        {"json_path": "realiad_jsons/realiad_jsons_sv/toy.json"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "write", "category", "module", "loader", "options"), SETS, ids=[s[0] for s in SETS]
)
def test_both_read_the_same(
    theirs: Any,
    tmp_path: Path,
    name: str,
    write: Callable[[Path], Any],
    category: str,
    module: str,
    loader: str,
    options: dict[str, Any],
) -> None:
    write(tmp_path)
    given = {} if loader == "KolektorDataset" else {"category": category}
    made = getattr(getattr(theirs.image, module), loader)

    def read(split: str) -> Any:
        return made(root=tmp_path, split=split, **given, **options)

    dataset = load_dataset(name, tmp_path, category)
    assert resolved(dataset.get_train_paths()) == resolved(read("train").samples.image_path)
    assert ours_by_path(dataset) == by_path(read("test"))
    if dataset.samples("validation"):
        paths = [one.path for one in dataset.samples("validation")]
        assert resolved(paths) == resolved(read("val").samples.image_path)


@pytest.mark.parametrize("private", ["private", "private_mixed"])
def test_both_read_the_same_private_images(theirs: Any, tmp_path: Path, private: str) -> None:
    write_mvtec_ad2(tmp_path)
    read = theirs.image.mvtecad2.MVTecAD2Dataset(
        root=tmp_path, category="can", split="test", test_type=private
    )
    paths = load_dataset(f"mvtec_ad2_{private}", tmp_path, "can").get_test_paths().paths
    assert resolved(paths) == resolved(read.samples.image_path)
    assert len(paths) == 3
