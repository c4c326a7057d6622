"""VisA: each layout written as its authors ship it, and what may be wrong with it."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from pyimgano.errors import DatasetError, UnknownNameError
from pyimgano.pipelines.mvtec_visa import run_benchmark
from pyimgano.utils.datasets import VisADataset, list_categories, load_dataset
from tests.conftest import texture, with_blot, write_image

CATEGORIES = ("candle", "pcb1")
N_TRAIN, N_GOOD, N_BAD = 6, 3, 3
OPTIONS = {"backbone": "filterbank", "image_size": (48, 64), "contamination": 0.2}


def index_mask(i: int) -> np.ndarray:
    """Label indices 1..n, as the raw masks hold them: none is near 127."""
    mask = np.zeros((48, 64), np.uint8)
    mask[16:28, 24:36] = 1 + i
    return mask


def write_raw(root: Path) -> Path:
    """The archive: images by class, index masks, split file in shuffled order."""
    rows = []
    for c, category in enumerate(CATEGORIES):
        images, masks = f"{category}/Data/Images", f"{category}/Data/Masks/Anomaly"
        for i in range(N_TRAIN + N_GOOD):
            name = f"{images}/Normal/{i:04d}.JPG"
            write_image(root / name, texture(100 * c + i))
            rows.append((category, "train" if i < N_TRAIN else "test", "normal", name, ""))
        for i in range(N_BAD):
            name, mask = f"{images}/Anomaly/{i:03d}.JPG", f"{masks}/{i:03d}.png"
            write_image(root / name, with_blot(texture(100 * c + 50 + i)))
            write_image(root / mask, index_mask(i))
            rows.append((category, "test", "anomaly", name, mask))
        (root / category / "image_anno.csv").write_text("image,label,mask\n")
    np.random.default_rng(0).shuffle(rows)
    write_split(root, rows)
    return root


def write_split(root: Path, rows: list) -> None:
    (root / "split_csv").mkdir(parents=True, exist_ok=True)
    with (root / "split_csv/1cls.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("object", "split", "label", "image", "mask"), *rows])


def write_prepared(base: Path) -> Path:
    """What the authors' script writes: names and suffixes kept, masks 0 and 255."""
    for c, category in enumerate(CATEGORIES):
        for i in range(N_TRAIN + N_GOOD):
            half = "train" if i < N_TRAIN else "test"
            write_image(base / category / half / f"good/{i:04d}.JPG", texture(100 * c + i))
        for i in range(N_BAD):
            bad = with_blot(texture(100 * c + 50 + i))
            write_image(base / category / f"test/bad/{i:03d}.JPG", bad)
            mask = np.where(index_mask(i) != 0, 255, 0).astype(np.uint8)
            write_image(base / category / f"ground_truth/bad/{i:03d}.png", mask)
    return base


def official_script(root: Path) -> Path:
    write_prepared(root / "1cls")
    return root


def visa_pytorch(root: Path) -> Path:
    write_prepared(root / "visa_pytorch")
    return root


LAYOUTS = [write_raw, official_script, visa_pytorch]


@pytest.fixture(params=LAYOUTS, ids=lambda write: write.__name__)
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return request.param(tmp_path / "VisA")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_raw(tmp_path / "VisA")


def test_every_layout_gives_the_same_split(root: Path) -> None:
    assert list_categories("visa", root) == list(CATEGORIES)
    dataset = load_dataset("visa", root, "candle")
    assert [Path(p).name for p in dataset.get_train_paths()] == [
        f"{i:04d}.JPG" for i in range(N_TRAIN)
    ]
    paths, labels, masks = dataset.get_test_paths()
    assert paths == sorted(paths)
    assert [Path(p).name for p in paths] == ["000.JPG", "001.JPG", "002.JPG"] + [
        f"{i:04d}.JPG" for i in range(N_TRAIN, N_TRAIN + N_GOOD)
    ]
    assert labels.tolist() == [1, 1, 1, 0, 0, 0]
    assert labels.dtype.kind == "i"
    # Indices 1, 2 and 3 all count as defect, and as 1.
    assert [int(m.sum()) for m in masks] == [144, 144, 144, 0, 0, 0]
    assert {m.dtype for m in masks} == {np.dtype(np.uint8)}
    np.testing.assert_array_equal(masks[2], index_mask(2) != 0)


def test_the_benchmark_runs_through_every_layout(root: Path) -> None:
    result = run_benchmark(dataset="visa", root=root, **OPTIONS)
    assert [(c.category, c.error) for c in result.categories] == [(c, None) for c in CATEGORIES]
    for one in result.categories:
        assert (one.n_train, one.n_test, one.n_defect) == (N_TRAIN, N_GOOD + N_BAD, N_BAD)
        assert one.metrics["auroc"] == 1.0
        assert one.metrics["aupro"] > 0.8


@pytest.mark.parametrize("below", ["1cls", "VisA_pytorch", "VisA_pytorch/1cls"])
def test_the_root_may_be_any_level(tmp_path: Path, below: str) -> None:
    base = write_prepared(tmp_path / "set" / below)
    while base != tmp_path:
        assert list_categories("visa", base) == list(CATEGORIES)
        assert len(VisADataset(base, "pcb1").get_train_paths()) == N_TRAIN
        base = base.parent


def test_data_are_the_pixels_of_the_paths(root: Path) -> None:
    images, labels, masks = VisADataset(root, "pcb1", resize=(24, 32)).get_test_data()
    assert (len(images), len(labels), len(masks)) == (6, 6, 6)
    assert {i.shape for i in images} == {(24, 32, 3)}
    assert masks[0].sum() == 36


def test_raw_and_prepared_side_by_side_are_read_as_downloaded(raw: Path) -> None:
    write_prepared(raw / "visa_pytorch")
    (train, *_) = load_dataset("visa", raw, "candle").get_train_paths()
    assert "Data/Images/Normal" in train
    (raw / "split_csv/1cls.csv").unlink()
    (train, *_) = load_dataset("visa", raw, "candle").get_train_paths()
    assert "visa_pytorch/candle/train/good" in train


def test_suffixes_may_be_in_another_case_than_the_split_file_says(raw: Path) -> None:
    for image in (raw / "candle/Data/Images/Normal").iterdir():
        image.rename(image.with_suffix(".jpg"))
    assert len(load_dataset("visa", raw, "candle").get_train_paths()) == N_TRAIN


def test_columns_may_stand_in_any_order_and_the_file_may_have_a_bom(raw: Path) -> None:
    file = raw / "split_csv/1cls.csv"
    with file.open(newline="") as source:
        rows = [list(reversed(row)) for row in csv.reader(source)]
    with file.open("w", newline="", encoding="utf-8-sig") as target:
        csv.writer(target).writerows(rows)
    assert load_dataset("visa", raw, "pcb1").get_test_paths().labels.sum() == N_BAD


def test_masks_are_optional_as_a_whole_but_not_one_by_one(root: Path) -> None:
    assert load_dataset("visa", root, "pcb1", load_masks=False).get_test_paths().masks is None
    mask = next(p for p in root.rglob("001.png") if "pcb1" in p.parts)
    mask.unlink()
    with pytest.raises(DatasetError, match=r"001\.(png|JPG)"):
        load_dataset("visa", root, "pcb1").get_test_paths()
    folder = mask.parents[1] if mask.parents[1].name == "Masks" else mask.parents[0].parent
    shutil.rmtree(folder)
    paths, labels, masks = load_dataset("visa", root, "pcb1").get_test_paths()
    assert (len(paths), labels.sum(), masks) == (6, 3, None)


# Mistakes


def test_raw_images_without_the_split_file_name_it(raw: Path) -> None:
    (raw / "split_csv/1cls.csv").unlink()
    for attempt in (lambda: list_categories("visa", raw), lambda: VisADataset(raw, "candle")):
        with pytest.raises(DatasetError, match=r"needs its split file .*split_csv/1cls\.csv"):
            attempt()


def edit(raw: Path, line: int, text: str | None) -> None:
    """Replace one line of the split file (1 is the header); None drops everything from there."""
    file = raw / "split_csv/1cls.csv"
    lines = file.read_text().splitlines()
    lines[line - 1 :] = [] if text is None else [text, *lines[line:]]
    file.write_text("\n".join(lines) + "\n")


GOOD = "candle,train,normal,candle/Data/Images/Normal/0000.JPG,"
BAD = "candle,test,anomaly,candle/Data/Images/Anomaly/000.JPG,candle/Data/Masks/Anomaly/000.png"


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (1, "object,split,label,image", "line 1: no column 'mask'; expected object, split"),
        (1, None, "line 1: no column 'object', 'split', .*found nothing"),
        (4, GOOD.replace("train", "validation"), "line 4: unknown split 'validation'"),
        (5, GOOD.replace("normal", "ok"), "line 5: unknown label 'ok'; expected normal or anomaly"),
        (2, GOOD[:-1], "line 2: 4 values for 5 columns"),
        (2, GOOD.replace("candle,", ",", 1), "line 2: the object is empty"),
        (3, "candle,train,normal,,", "line 3: the image is empty"),
        (2, GOOD.replace("candle/", "../"), r"line 2: image '\.\./Data.* is outside the data set"),
        (2, GOOD.replace("candle/", "/etc/"), "line 2: image '/etc/Data.* is outside"),
        (2, BAD.replace("test", "train"), "line 2: an anomaly among the training images"),
        (2, GOOD + "candle/m.png", "line 2: a normal image with a mask"),
        (2, GOOD.replace("0000", "0777"), r"line 2: image .*Normal/0777\.JPG does not exist"),
        (2, '"' + GOOD, "line .*values for 5 columns"),
    ],
)
def test_a_malformed_split_file_is_an_error_that_names_file_and_line(
    raw: Path, line: int, text: str | None, message: str
) -> None:
    edit(raw, line, text)
    with pytest.raises(DatasetError, match=rf"split_csv/1cls\.csv, {message}"):
        load_dataset("visa", raw, "candle").get_train_paths()


def test_a_row_with_a_missing_mask_is_named(raw: Path) -> None:
    lines = (raw / "split_csv/1cls.csv").read_text().splitlines()
    line = lines.index(BAD) + 1
    edit(raw, line, BAD.replace("000.png", "nine.png"))
    with pytest.raises(DatasetError, match=rf"line {line}: mask .*nine\.png does not exist"):
        load_dataset("visa", raw, "candle").get_test_paths()
    edit(raw, line, BAD.split("candle/Data/Masks")[0])
    with pytest.raises(DatasetError, match=rf"line {line}: anomaly .*000\.JPG' has no mask"):
        load_dataset("visa", raw, "candle").get_test_paths()


def test_an_image_in_both_halves_is_refused(raw: Path) -> None:
    with (raw / "split_csv/1cls.csv").open("a") as file:
        file.write(GOOD.replace("train", "test") + "\n")
    with pytest.raises(DatasetError, match=r"line 26: .*0000\.JPG' is listed already \(train:"):
        load_dataset("visa", raw, "candle").get_train_paths()


def test_bytes_that_are_no_text_are_an_error(raw: Path) -> None:
    (raw / "split_csv/1cls.csv").write_bytes(b"\xff\xfe\x00o")
    with pytest.raises(DatasetError, match=r"cannot read split file .*1cls\.csv"):
        load_dataset("visa", raw, "candle").get_train_paths()


def test_a_category_with_one_half_only_is_named_with_its_path(root: Path) -> None:
    split = root / "split_csv/1cls.csv"
    for half, read in (("train", "get_train_paths"), ("test", "get_test_paths")):
        if split.is_file():
            text = split.read_text()
            split.write_text(text.replace(f"pcb1,{half},", f"fryum,{half},"))
        else:
            (folder,) = root.glob(f"*/pcb1/{half}")
            folder.rename(root / "away")
        assert list_categories("visa", root) == list(CATEGORIES)
        with pytest.raises(DatasetError, match=r"'pcb1' has no (train|training|test) half: .*VisA"):
            getattr(load_dataset("visa", root, "pcb1"), read)()
        failed = run_benchmark(dataset="visa", root=root, **OPTIONS).failed
        assert [c.category for c in failed] == ["pcb1"]
        if split.is_file():
            split.write_text(text)
        else:
            (root / "away").rename(folder)


def test_an_unknown_category_lists_those_found(root: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'candle'.*candle, pcb1"):
        load_dataset("visa", root, "candles")


def test_a_folder_of_something_else_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no layout of VisA below .*split_csv/1cls\.csv"):
        list_categories("visa", tmp_path)
    with pytest.raises(DatasetError, match="gone does not exist"):
        VisADataset(tmp_path / "gone", "candle")


def test_images_that_the_split_file_does_not_list_are_counted(tmp_path: Path) -> None:
    root = write_raw(tmp_path)
    images = root / "candle/Data/Images"
    write_image(images / "Normal/extra.JPG", texture(1))
    write_image(images / "Normal/.cache/x.JPG", texture(1))
    (images / "Anomaly/000.JPG").rename(images / "Anomaly/000.jpg")
    dataset = load_dataset("visa", root, "candle")
    assert len(dataset.get_train_paths()) == N_TRAIN
    assert dataset.left_out.describe() == (
        "1 file left out: 1 image that the split file does not list"
        f" ({images / 'Normal/extra.JPG'})"
    )
