"""Samples, and layouts of somebody's own."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pyimgano.datasets import (
    Dataset,
    Sample,
    list_categories,
    list_datasets,
    load_dataset,
    register_layout,
)
from pyimgano.datasets.listing import Listing
from pyimgano.datasets.load import _SETS
from pyimgano.errors import DatasetError, InvalidInputError, UnknownNameError
from pyimgano.images.left_out import Reason
from pyimgano.pipelines.mvtec_visa import run_benchmark
from pyimgano.reporting.report import save_run_report
from tests.conftest import texture, with_blot, write_image

BLURRED = Reason("blurred image", "blurred images")


class LineLayout:
    """``<line>/<split>_<label>_<part>_<light>.png``, masks in files beside the images."""

    name = "line"

    def categories(self, root: Path) -> list[str]:
        return sorted(folder.name for folder in root.iterdir())

    def samples(self, root: Path, category: str) -> Listing[Sample]:
        found: Listing[Sample] = Listing()
        for path in sorted((root / category).glob("*.png"), reverse=True):
            split, kind, part, light = path.stem.split("_")
            if kind == "blurred":
                found.left_out.add(BLURRED, path)
                continue
            masks = sorted(path.parent.glob(f"masks/{path.stem}_*.png"))
            found.append(
                Sample(
                    str(path), split, int(kind != "good"), tuple(map(str, masks)),
                    None if kind == "good" else kind, part, {"light": light},
                )
            )  # fmt: skip
        return found


def mask(top: int) -> np.ndarray:
    one = np.zeros((48, 64), np.uint8)
    one[top : top + 4, 8:12] = 1 + top
    return one


@pytest.fixture
def root(tmp_path: Path) -> Path:
    base = tmp_path / "set" / "a"
    for i in range(4):
        write_image(base / f"train_good_p{i}_left.png", texture(i))
        write_image(base / f"test_good_p{i}_right.png", texture(10 + i))
    for i in range(2):
        write_image(base / f"test_dent_q{i}_left.png", with_blot(texture(20 + i)))
        for number, top in enumerate((4, 30)):
            write_image(base / f"masks/test_dent_q{i}_left_{number}.png", mask(top))
    write_image(base / "train_blurred_p9_left.png", texture(9))
    write_image(base / "validation_good_p8_left.png", texture(8))
    return base.parent


@pytest.fixture
def line() -> Iterator[LineLayout]:
    layout = LineLayout()
    register_layout(layout)
    yield layout
    del _SETS._entries["line"]


def test_a_registered_layout_is_a_set_like_any_other(root: Path, line: LineLayout) -> None:
    assert "line" in list_datasets()
    assert list_categories("line", root) == ["a"]
    dataset = load_dataset("line", root, "a", resize=(24, 32))
    names = [Path(path).name for path in dataset.get_train_paths()]
    assert names == [f"train_good_p{i}_left.png" for i in range(4)]
    paths, labels, _ = dataset.get_test_paths()
    assert paths == sorted(paths)
    assert labels.tolist() == [1, 1, 0, 0, 0, 0]
    assert dataset.get_test_data()[0][0].shape == (24, 32, 3)
    assert dataset.left_out.describe().startswith("1 file left out: 1 blurred image (")


@pytest.mark.parametrize("name", ["a/b", "", "..", 5])
def test_a_category_that_can_name_no_file_is_an_error(
    root: Path, line: LineLayout, monkeypatch: pytest.MonkeyPatch, name: object
) -> None:
    monkeypatch.setattr(LineLayout, "categories", lambda *_: ["a", name])
    told = f"layout 'line' gives the category {name!r}: .* text that can name a file"
    with pytest.raises(DatasetError, match=told):
        list_categories("line", root)


def test_the_defects_of_several_masks_are_put_together(root: Path, line: LineLayout) -> None:
    masks = load_dataset("line", root, "a").get_test_paths().masks
    np.testing.assert_array_equal(masks[0], (mask(4) | mask(30)) != 0)
    assert [int(m.sum()) for m in masks] == [32, 32, 0, 0, 0, 0]


def test_samples_tell_what_a_set_knows(root: Path, line: LineLayout) -> None:
    dataset = load_dataset("line", root, "a")
    first = dataset.samples("test")[0]
    assert (first.label, first.defect_type, first.group) == (1, "dent", "q0")
    assert first.attributes == {"light": "left"}
    assert [Path(m).name for m in first.masks] == [
        f"test_dent_q0_left_{number}.png" for number in (0, 1)
    ]
    assert [len(dataset.samples(s)) for s in ("train", "test", "validation")] == [4, 6, 1]
    assert [s.path for s in dataset.samples()] == sorted(s.path for s in dataset.samples())
    assert len(dataset.samples()) == 11


def test_the_benchmark_hands_on_what_a_set_knows(
    root: Path, line: LineLayout, tmp_path: Path
) -> None:
    options = {"backbone": "embedded", "image_size": (48, 64), "n_overlays": 0}
    result = run_benchmark(dataset="line", root=root, output=tmp_path / "out", **options)
    (one,) = json.loads((tmp_path / "out/results.json").read_text())["categories"]
    assert (one["error"], one["n_train"], one["n_defect"]) == (None, 4, 2)
    assert "pixel_auroc" in one["metrics"]
    dent, good = one["images"][0], one["images"][5]
    assert (dent["label"], dent["defect_type"], dent["group"]) == (1, "dent", "q0")
    assert (good["label"], good["group"], good["attributes"]) == (0, "p3", {"light": "right"})
    assert "defect_type" not in good
    save_run_report(tmp_path / "report", result)
    with (tmp_path / "report/images.csv").open(newline="") as file:
        rows = [(row["defect_type"], row["group"]) for row in csv.DictReader(file)]
    assert rows[:3] == [("dent", "q0"), ("dent", "q1"), ("", "p0")]
    again = run_benchmark(dataset="line", root=root, output=tmp_path / "out", **options)
    assert again.categories[0].images[0].defect_type == "dent"


def test_the_folders_of_mvtec_are_types_of_defect_and_those_of_btad_are_not(
    mvtec_root: Path, tmp_path: Path
) -> None:
    types = [one.defect_type for one in load_dataset("mvtec", mvtec_root, "bolt").samples("test")]
    assert types == ["blot"] * 3 + [None] * 3
    for kind in ("ok", "ko"):
        write_image(tmp_path / f"btad/01/train/{kind}/0.png", texture(0))
        write_image(tmp_path / f"btad/01/test/{kind}/0.png", texture(1))
    found = load_dataset("btad", tmp_path / "btad", "01").samples("test")
    assert [(one.label, one.defect_type) for one in found] == [(1, None), (0, None)]


def test_a_dataset_takes_a_layout_that_nobody_registered(root: Path) -> None:
    dataset = Dataset(root, "a", load_masks=False, layout=LineLayout())
    assert (dataset.name, len(dataset.get_train_paths())) == ("line", 4)
    assert dataset.get_test_paths().masks is None
    with pytest.raises(InvalidInputError, match="Dataset needs a layout"):
        Dataset(root, "a")


def test_a_taken_name_and_what_is_no_layout_are_refused(line: LineLayout) -> None:
    register_layout(line)  # the same once more is no harm
    with pytest.raises(InvalidInputError, match="dataset 'line' is registered already"):
        register_layout(LineLayout())
    register_layout(LineLayout(), overwrite=True)
    for wrong in (LineLayout, object(), Sample("x")):
        with pytest.raises(InvalidInputError, match="layout"):
            register_layout(wrong)
    with pytest.raises(UnknownNameError, match="'lines'; did you mean 'line'"):
        load_dataset("lines", ".")


class Given:
    """A layout that lists what it is given."""

    name = "given"

    def __init__(self, samples: object) -> None:
        self._samples = samples

    def categories(self, root: Path) -> list[str]:
        return ["a"]

    def samples(self, root: Path, category: str):
        if isinstance(self._samples, Exception):
            raise self._samples
        yield from self._samples


def given(root: Path, samples: object) -> Dataset:
    return Dataset(root, "a", layout=Given(samples))


def test_defective_training_images_are_not_learnt_from_and_counted(tmp_path: Path) -> None:
    dataset = given(tmp_path, [Sample("b.png"), Sample("a.png", label=1)])
    assert dataset.get_train_paths() == ["b.png"]
    assert dataset.left_out.to_json() == [
        {"reason": "defective training images", "count": 1, "first": "a.png", "expected": True}
    ]


def test_labels_and_masks_are_of_all_test_images_or_of_none(tmp_path: Path) -> None:
    bare = given(tmp_path, [Sample("a.png", "test", None), Sample("b.png", "test", None)])
    assert bare.get_test_paths() == (["a.png", "b.png"], None, None)
    mixed = given(tmp_path, [Sample("a.png", "test", None), Sample("b.png", "test", 1)])
    with pytest.raises(DatasetError, match=r"a\.png has no label, other test images have one"):
        mixed.get_test_paths()
    one = [Sample("a.png", "test", 1, ("m.png",)), Sample("b.png", "test", 1)]
    with pytest.raises(DatasetError, match=r"no mask for b\.png"):
        given(tmp_path, one).get_test_paths()
    good = [Sample("a.png", "test", 1, ("m.png",)), Sample("b.png", "test", 0)]
    assert given(tmp_path, good).get_test_paths().labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (KeyError("part"), "layout 'given' failed with KeyError: 'part'"),
        (["a.png"], "layout 'given' lists 'a.png', which is no Sample"),
        ([Sample("a.png"), Sample("a.png")], r"layout 'given' lists a\.png twice among its train"),
        ([], "given category 'a' has no training image below"),
    ],
)
def test_what_a_layout_gets_wrong_is_one_error_that_names_it(
    tmp_path: Path, samples: object, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        given(tmp_path, samples).get_train_paths()


def test_samples_are_checked(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"a\.png: split is 'train', 'test' or 'validation'"):
        Sample("a.png", "tests")
    with pytest.raises(DatasetError, match=r"a\.png: label is 0, 1 or None, not 2"):
        Sample("a.png", label=2)
    assert Sample(Path("a.png"), masks=Path("m.png")).masks == ("m.png",)


def test_files_are_listed_once_and_again_after_an_error(mvtec_root: Path) -> None:
    lost = mvtec_root / "bolt/ground_truth/blot/001_mask.png"
    kept = lost.read_bytes()
    lost.unlink()
    dataset = load_dataset("mvtec", mvtec_root, "bolt")
    with pytest.raises(DatasetError, match="no mask"):
        dataset.samples("test")
    assert len(dataset.samples("train")) == 6
    lost.write_bytes(kept)
    assert len(dataset.samples("test")) == 6
    write_image(mvtec_root / "bolt/train/good/9.png", texture(9))
    assert len(dataset.samples("train")) == 6
