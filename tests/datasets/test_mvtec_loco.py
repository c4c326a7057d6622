"""MVTec LOCO AD, written as its authors ship it."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pyimgano.datasets import Saturation, load_dataset, masks
from pyimgano.errors import DatasetError
from pyimgano.images.reading import Mask
from pyimgano.pipelines.mvtec_visa import run_benchmark
from tests.conftest import write_image
from tests.datasets.shipped import LOCO_KINDS, SIZE, mask, write_loco


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_loco(tmp_path / "mvtec_loco_anomaly_detection")


def test_types_masks_and_saturation_follow_the_layout(root: Path) -> None:
    dataset = load_dataset("mvtec_loco", root, "pushpins")
    assert [len(dataset.samples(s)) for s in ("train", "validation", "test")] == [3, 1, 5]
    found = dataset.samples("test")
    logical, structural = "logical_anomalies", "structural_anomalies"
    assert [one.defect_type for one in found] == [None, None, logical, logical, structural]
    assert [one.label for one in found] == [0, 0, 1, 1, 1]
    assert [len(one.masks) for one in found] == [0, 0, 2, 1, 1]
    kinds = {255: Saturation(16.0, name="missing_pin"), 254: Saturation(0.5, True, "scratch")}
    assert [one.saturation for one in found] == [{}, {}, kinds, kinds, kinds]


def test_defects_that_overlap_count_each_for_itself_and_their_pixels_once(root: Path) -> None:
    masks = load_dataset("mvtec_loco", root.parent, "pushpins").get_test_paths().masks
    # 8 x 8 from row 4, and from row 8: 64 + 64 pixels, 32 of them in both.
    assert [int(m.sum()) for m in masks] == [0, 0, 96, 64, 16]
    first, second = masks.defects(2, SIZE)
    assert (int(first.pixels.sum()), first.saturation) == (64, 16)
    assert (int(second.pixels.sum()), second.saturation) == (64, 32)
    np.testing.assert_array_equal(first.pixels, mask(1))
    assert masks.defects(4, SIZE)[0].saturation == 8
    assert masks.notes() == []


def test_kinds_that_no_mask_shows_are_named_once_all_masks_were_read(tmp_path: Path) -> None:
    extra = {**LOCO_KINDS[0], "defect_name": "broken", "pixel_value": 200}
    write_loco(tmp_path, [*LOCO_KINDS, extra])
    masks = load_dataset("mvtec_loco", tmp_path, "pushpins").get_test_paths().masks
    assert masks[2].any()
    assert masks.notes() == []
    assert len(list(masks)) == 5
    assert masks.notes() == ["1 kind of defect is listed and in no mask, such as broken (200)"]


def test_a_value_that_the_list_does_not_have_is_named(tmp_path: Path) -> None:
    write_loco(tmp_path, LOCO_KINDS[:1])
    masks = load_dataset("mvtec_loco", tmp_path, "pushpins").get_test_paths().masks
    with pytest.raises(DatasetError, match=r"001\.png has the value 254, whose saturation"):
        masks.defects(2, SIZE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixel_value": 255}, r"entry 1: pixel_value 255 is that of 'missing_pin' already"),
        ({"pixel_value": 0}, r"entry 1: pixel_value must be from 1 to 65535: 0"),
        ({"pixel_value": True}, r"entry 1: pixel_value is missing or of another kind: True"),
        ({"saturation_threshold": None}, r"entry 1: saturation_threshold is missing"),
        ({"saturation_threshold": 1.5}, r"entry 1: saturation threshold of 'scratch' must be a sh"),
        ({"saturation_threshold": -1}, r"entry 1: saturation threshold of 'scratch'"),
        ({"relative_saturation": 1}, r"entry 1: relative_saturation is missing or of another kind"),
    ],
)
def test_a_damaged_list_is_named_and_leaves_the_images(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    write_loco(tmp_path, [LOCO_KINDS[0], {**LOCO_KINDS[1], **change}])
    with pytest.raises(DatasetError, match=r"defects_config\.json, " + message):
        load_dataset("mvtec_loco", tmp_path, "pushpins").get_test_paths()
    alone = load_dataset("mvtec_loco", tmp_path, "pushpins", load_masks=False)
    assert alone.get_test_paths().labels.tolist() == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("content", ["{}", "[3]", "[", '[{"defect_name": "a"}]'])
def test_what_is_no_list_of_kinds_is_one_error(root: Path, content: str) -> None:
    (root / "pushpins/defects_config.json").write_text(content)
    with pytest.raises(DatasetError, match=r"defects_config\.json"):
        load_dataset("mvtec_loco", root, "pushpins").get_test_paths()


def test_missing_files_are_named(root: Path) -> None:
    truth = root / "pushpins/ground_truth/logical_anomalies"
    (truth / "001/000.png").unlink()
    with pytest.raises(DatasetError, match=r"logical_anomalies/001 has no images"):
        load_dataset("mvtec_loco", root, "pushpins").get_test_paths()
    shutil.rmtree(truth / "001")
    with pytest.raises(DatasetError, match=r"no masks for .*001\.png: expected a folder of them"):
        load_dataset("mvtec_loco", root, "pushpins").get_test_paths()
    write_image(truth / "001/000.png", mask())
    (root / "pushpins/defects_config.json").unlink()
    with pytest.raises(DatasetError, match=r"cannot read kinds of defect .*defects_config\.json"):
        load_dataset("mvtec_loco", root, "pushpins").get_test_paths()


def test_as_another_set_the_error_names_this_one(root: Path) -> None:
    with pytest.raises(DatasetError, match=r"are a folder, .*layout mvtec_loco reads those"):
        load_dataset("mvtec", root, "pushpins").get_test_paths()


def test_a_benchmark_decodes_each_mask_once_for_all_metrics_of_pixels(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: Counter[str] = Counter()
    decode = masks.inspect_mask

    def counting(path: str, **given: int) -> Mask:
        decoded["/".join(Path(path).parts[-3:])] += 1
        return decode(path, **given)

    monkeypatch.setattr(masks, "inspect_mask", counting)
    result = run_benchmark(
        dataset="mvtec_loco", root=root, backbone="filterbank", image_size=SIZE,
        metrics=("pixel_auroc", "spro"), strict=True,
    )  # fmt: skip
    assert {"pixel_auroc", "spro"} <= result.categories[0].metrics.keys()
    assert decoded == {
        "logical_anomalies/000/000.png": 1,
        "logical_anomalies/000/001.png": 1,
        "logical_anomalies/001/000.png": 1,
        "structural_anomalies/000/000.png": 1,
    }
