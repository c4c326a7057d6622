"""The synthetic set: its layout, its masks, its randomness, and what it may overwrite."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pyimgano.datasets.synthetic import CATEGORIES, generate_synthetic, render_image
from pyimgano.datasets.synthetic.catalogue import CATALOGUE
from pyimgano.errors import DatasetError

SMALL = {"n_train": 2, "n_test_good": 1, "n_test_defect": 1, "image_size": 48}
DEFECTS = [(name, defect) for name in CATEGORIES for defect in CATALOGUE[name].defects]


def contents(folder: Path) -> dict[str, str]:
    """Relative path and digest of every file."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def images(folder: Path) -> dict[str, str]:
    return {path: digest for path, digest in contents(folder).items() if path.endswith(".png")}


# Layout


def test_there_are_textures_and_objects_each_with_at_least_four_kinds_of_defect() -> None:
    assert {"fabric", "leather", "wood", "gear", "board", "blister"} <= set(CATEGORIES)
    assert all(len(category.defects) >= 4 for category in CATALOGUE.values())


def test_the_layout_is_that_of_mvtec_ad(tmp_path: Path) -> None:
    names = generate_synthetic(
        tmp_path, categories=["gear"], n_train=3, n_test_good=2, n_test_defect=1, image_size=48
    )
    assert names == ["gear"]
    assert list(contents(tmp_path / "gear")) == [
        "ground_truth/broken_tooth/000_mask.png",
        "ground_truth/dent/000_mask.png",
        "ground_truth/rust/000_mask.png",
        "ground_truth/scratch/000_mask.png",
        "synthetic.json",
        "test/broken_tooth/000.png",
        "test/dent/000.png",
        "test/good/000.png",
        "test/good/001.png",
        "test/rust/000.png",
        "test/scratch/000.png",
        "train/good/000.png",
        "train/good/001.png",
        "train/good/002.png",
    ]


def test_every_category_is_written_by_default(tmp_path: Path) -> None:
    names = generate_synthetic(tmp_path, n_train=1, n_test_good=0, n_test_defect=0, image_size=32)
    assert names == list(CATEGORIES)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(CATEGORIES)


def test_masks_are_0_and_255_and_as_large_as_their_images(tmp_path: Path) -> None:
    generate_synthetic(tmp_path, categories=["leather", "wood"], **SMALL)
    found = sorted(tmp_path.glob("*/ground_truth/*/*_mask.png"))
    assert len(found) == 9
    for path in found:
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        category, _, defect, file = path.relative_to(tmp_path).parts
        image = tmp_path / category / "test" / defect / file.replace("_mask", "")
        assert mask.shape == cv2.imread(str(image)).shape[:2]
        assert np.unique(mask).tolist() == [0, 255]


def test_progress_counts_images_over_all_categories(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    generate_synthetic(
        tmp_path,
        categories=["wood", "gear"],
        **SMALL,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(n, 14) for n in range(1, 15)]


# Sizes


def test_a_category_keeps_its_shape_whatever_size_is_asked_for() -> None:
    assert render_image("gear", None, "train/good", 0, (64, 64), 0).image.shape == (64, 64, 3)
    assert render_image("wood", None, "train/good", 0, (64, 64), 0).image.shape == (64, 48, 3)
    assert render_image("blister", None, "train/good", 0, (64, 64), 0).image.shape == (48, 64, 3)
    assert render_image("gear", None, "train/good", 0, (40, 72), 0).image.shape == (40, 72, 3)


def test_the_mesh_is_photographed_in_grey() -> None:
    assert render_image("mesh", None, "train/good", 0, (64, 64), 0).image.shape == (64, 64)


@pytest.mark.parametrize("name", ["leather", "cap"])
def test_sizes_differ_from_file_to_file_in_these_categories(name: str) -> None:
    shapes = [render_image(name, None, "train/good", n, (64, 64), 0).image.shape for n in range(8)]
    assert len(set(shapes)) > 4
    assert all(48 <= side <= 80 for shape in shapes for side in shape[:2])


# What a defect is


@pytest.mark.parametrize(("name", "defect"), DEFECTS)
@pytest.mark.parametrize("side", [32, 128])
def test_a_defect_changes_the_pixels_of_its_mask_and_no_others(
    name: str, defect: str, side: int
) -> None:
    got = render_image(name, defect, f"test/{defect}", 0, (side, side), 0)
    marked = got.mask > 0
    change = np.abs(got.image.astype(int) - got.flawless.astype(int))
    change = change if change.ndim == 2 else change.max(2)
    assert got.mask.shape == got.image.shape[:2]
    assert marked.sum() >= 6
    assert marked.mean() < 0.25
    assert change[~marked].max() == 0
    # The mean change stands well above the noise, which is about 2.5 grey levels.
    assert change[marked].mean() > 6


@pytest.mark.parametrize("name", CATEGORIES)
def test_a_good_image_has_an_empty_mask_and_a_plausible_exposure(name: str) -> None:
    got = render_image(name, None, "test/good", 0, (64, 64), 0)
    assert not got.mask.any()
    assert np.array_equal(got.image, got.flawless)
    assert 25 < got.image.mean() < 230
    assert got.image.std() > 5


def test_light_varies_strongly_in_some_categories_in_training_and_test_alike() -> None:
    def brightness(name: str, split: str) -> float:
        means = [render_image(name, None, split, n, (32, 32), 0).image.mean() for n in range(16)]
        return float(np.std(means) / np.mean(means))

    for split in ("train/good", "test/good"):
        for name in ("blister", "brushed_metal", "cap"):
            assert brightness(name, split) > 0.10
        assert brightness("board", split) < 0.05


# Randomness


def test_the_same_seed_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    names = ["cap", "fabric"]
    generate_synthetic(tmp_path / "here", categories=names, **SMALL, seed=5)
    code = (
        "import sys; from pyimgano.datasets.synthetic import generate_synthetic as g; "
        f"g(sys.argv[1], categories={names!r}, **{SMALL!r}, seed=5)"
    )
    # A different hash seed: nothing may hang on the order of a set or on hash().
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "there")], env=environment, check=True
    )
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_another_seed_gives_other_images(tmp_path: Path) -> None:
    for seed in (0, 1):
        generate_synthetic(tmp_path / str(seed), categories=["gear"], **SMALL, seed=seed)
    first, second = images(tmp_path / "0"), images(tmp_path / "1")
    assert first.keys() == second.keys()
    assert not set(first.values()) & set(second.values())


def test_no_image_is_written_twice(tmp_path: Path) -> None:
    generate_synthetic(tmp_path, categories=["wood"], **SMALL)
    pictures = [d for p, d in images(tmp_path).items() if "ground_truth" not in p]
    assert len(set(pictures)) == len(pictures)


def test_other_counts_and_other_categories_leave_an_image_as_it_is(tmp_path: Path) -> None:
    generate_synthetic(tmp_path / "few", categories=["fabric"], **SMALL)
    generate_synthetic(
        tmp_path / "many",
        categories=["wood", "fabric"],
        n_train=4,
        n_test_good=3,
        n_test_defect=2,
        image_size=48,
    )
    few, many = images(tmp_path / "few" / "fabric"), images(tmp_path / "many" / "fabric")
    assert len(many) == 4 + 3 + 2 * 2 * 5
    assert few.items() < many.items()


# What is already there


def stamps(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_complete_category_with_the_same_parameters_is_left_alone(tmp_path: Path) -> None:
    generate_synthetic(tmp_path, categories=["wood"], **SMALL)
    before = stamps(tmp_path)
    for overwrite in (False, True):
        assert generate_synthetic(tmp_path, categories=["wood"], **SMALL, overwrite=overwrite) == [
            "wood"
        ]
    assert stamps(tmp_path) == before


def test_other_parameters_need_overwrite_and_leave_nothing_of_the_old_set(tmp_path: Path) -> None:
    generate_synthetic(tmp_path, categories=["wood"], **SMALL)
    smaller = {**SMALL, "n_train": 1}
    with pytest.raises(DatasetError, match=r"other parameters.*overwrite=True") as caught:
        generate_synthetic(tmp_path, categories=["wood"], **smaller)
    assert str(tmp_path / "wood") in str(caught.value)
    generate_synthetic(tmp_path, categories=["wood"], **smaller, overwrite=True)
    assert [p.name for p in (tmp_path / "wood/train/good").iterdir()] == ["000.png"]


def test_a_folder_with_other_files_is_refused_and_kept_even_with_overwrite(tmp_path: Path) -> None:
    precious = tmp_path / "wood" / "train" / "good" / "000.png"
    precious.parent.mkdir(parents=True)
    precious.write_bytes(b"mine")
    with pytest.raises(DatasetError, match="is not empty"):
        generate_synthetic(tmp_path, categories=["gear", "wood"], **SMALL)
    with pytest.raises(DatasetError, match=r"did not write.*000.png"):
        generate_synthetic(tmp_path, categories=["gear", "wood"], **SMALL, overwrite=True)
    assert precious.read_bytes() == b"mine"
    # Checked before anything is written, the categories before it included.
    assert not (tmp_path / "gear").exists()


def test_an_interrupted_run_is_not_taken_as_complete(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_synthetic(tmp_path, categories=["wood"], **SMALL, progress=stop)
    assert not (tmp_path / "wood" / "synthetic.json").exists()
    with pytest.raises(DatasetError, match="half written"):
        generate_synthetic(tmp_path, categories=["wood"], **SMALL)
    generate_synthetic(tmp_path, categories=["wood"], **SMALL, overwrite=True)
    generate_synthetic(tmp_path / "fresh", categories=["wood"], **SMALL)
    assert contents(tmp_path / "wood") == contents(tmp_path / "fresh" / "wood")


def test_a_category_that_lost_a_file_is_written_again(tmp_path: Path) -> None:
    generate_synthetic(tmp_path, categories=["wood"], **SMALL)
    before = contents(tmp_path)
    (tmp_path / "wood/test/good/000.png").unlink()
    with pytest.raises(DatasetError, match="files are missing"):
        generate_synthetic(tmp_path, categories=["wood"], **SMALL)
    generate_synthetic(tmp_path, categories=["wood"], **SMALL, overwrite=True)
    assert contents(tmp_path) == before


def test_a_manifest_that_points_outside_deletes_nothing_there(tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes(b"mine")
    generate_synthetic(tmp_path, categories=["wood"], **SMALL)
    manifest = tmp_path / "wood" / "synthetic.json"
    plan = json.loads(manifest.read_text())
    plan["files"].append("../outside.png")
    manifest.write_text(json.dumps(plan))
    generate_synthetic(tmp_path, categories=["wood"], **SMALL, overwrite=True)
    assert outside.read_bytes() == b"mine"


# Arguments


def test_an_unknown_category_is_an_error_that_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"'bottle'.*known are blister, board"):
        generate_synthetic(tmp_path, categories=["bottle"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong", [{"n_train": -1}, {"n_test_good": 1.5}, {"seed": -1}, {"image_size": 8},
              {"image_size": (64,)}, {"image_size": (64, 64.0)}]
)  # fmt: skip
def test_an_impossible_argument_is_named(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(DatasetError, match=next(iter(wrong))):
        generate_synthetic(tmp_path, **wrong)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
