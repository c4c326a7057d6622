"""Masks that do not fit their image, and images of one name, in every set read as shipped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pyimgano.datasets import list_categories, load_dataset
from pyimgano.errors import DatasetError
from tests.conftest import write_image
from tests.datasets import shipped

WRITERS: dict[str, Callable[[Path], Path]] = {
    "aebad": shipped.write_aebad,
    "dagm": shipped.write_dagm,
    "ksdd": shipped.write_ksdd,
    "ksdd2": shipped.write_ksdd2,
    "mvtec_ad2": shipped.write_mvtec_ad2,
    "mvtec_loco": shipped.write_loco,
    "real_iad": shipped.write_real_iad,
    **{
        name: lambda root: shipped.write_mvtec_like(root / "one", {"good": 1, "bad": 2}).parent
        for name in ("goodsad", "mpdd", "vad")
    },
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_mask_of_another_size_is_an_error_that_names_both(tmp_path: Path, name: str) -> None:
    root = WRITERS[name](tmp_path)
    category = list_categories(name, root)[0]
    dataset = load_dataset(name, root, category)
    paths = dataset.get_test_paths().paths
    assert len(dataset.get_test_data()[0]) == len(paths)
    defect = next(one for one in dataset.samples("test") if one.label)
    assert defect.masks
    write_image(Path(defect.masks[0]), shipped.mask(side=12)[:20])
    masks = load_dataset(name, root, category).get_test_paths().masks
    assert masks is not None
    with pytest.raises(DatasetError) as raised:
        masks[paths.index(defect.path)]
    assert str(raised.value) == (
        f"mask {defect.masks[0]} is 32 x 20 pixels, its image {defect.path} is 32 x 24"
    )


@pytest.mark.parametrize("name", ["dagm", "ksdd", "ksdd2"])
def test_images_of_one_name_in_two_formats_are_both_there(tmp_path: Path, name: str) -> None:
    root = WRITERS[name](tmp_path)
    before = load_dataset(name, root, list_categories(name, root)[0])
    defect = next(one for one in before.samples("test") if one.label)
    other = write_image(Path(defect.path).with_suffix(".tif"), shipped.bad(0))
    after = load_dataset(name, root, before.category)
    assert {one.path for one in after.samples()} == {other, *(s.path for s in before.samples())}
    (twin,) = (one for one in after.samples("test") if one.path == other)
    assert (twin.label, twin.masks) == (1, defect.masks)
    masks = after.get_test_paths().masks
    assert masks is not None
    assert [note for note in masks.notes() if "serving more than one image" in note]
