"""Ground-truth masks: one rule for their size, and notes on those that look wrong."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pyimgano.datasets.masks import LazyMasks
from pyimgano.errors import DatasetError, ImageReadError
from pyimgano.evaluation import resize_mask
from pyimgano.images.geometry import resize_nearest
from tests.conftest import texture, write_image


def blot() -> np.ndarray:
    mask = np.zeros((48, 64), np.uint8)
    cv2.circle(mask, (30, 20), 9, 255, -1)
    return mask


def masks_of(tmp_path: Path, *masks: tuple[str, np.ndarray]) -> LazyMasks:
    images = [write_image(tmp_path / f"{i}.png", texture(i)) for i in range(len(masks))]
    return LazyMasks(images, [write_image(tmp_path / name, mask) for name, mask in masks])


def notes_of(tmp_path: Path, *masks: tuple[str, np.ndarray]) -> list[str]:
    found = masks_of(tmp_path, *masks)
    list(found)
    return found.notes()


def test_ordinary_masks_and_label_indices_have_no_notes(tmp_path: Path) -> None:
    labels = blot()
    labels[20:24, 20:40] = np.arange(20) + 1
    assert notes_of(tmp_path, ("m.png", blot()), ("l.png", labels)) == []


def test_masks_in_a_lossy_format_are_told(tmp_path: Path) -> None:
    (note,) = notes_of(tmp_path, ("m.jpg", blot()), ("n.png", blot()))
    assert note.startswith("1 mask in a lossy format")
    assert note.endswith("m.jpg")


def test_masks_that_mark_nearly_everything_are_told(tmp_path: Path) -> None:
    (note,) = notes_of(tmp_path, ("m.png", 255 - blot()))
    assert "more than 90 %" in note
    assert note.endswith("m.png")


def test_masks_of_shades_are_told_from_labels(tmp_path: Path) -> None:
    (note,) = notes_of(tmp_path, ("m.png", cv2.GaussianBlur(blot(), (0, 0), 4)))
    assert "more than 32 values, as shades have" in note


def test_a_mask_that_serves_two_images_is_told(tmp_path: Path) -> None:
    images = [write_image(tmp_path / f"{i}.png", texture(i)) for i in range(3)]
    mask = write_image(tmp_path / "m.png", blot())
    shared = LazyMasks(images, [mask, mask, None])
    assert shared.notes() == [f"1 mask serving more than one image, such as {mask}"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_mask_under_two_names_is_told(tmp_path: Path) -> None:
    images = [write_image(tmp_path / f"{i}.png", texture(i)) for i in range(2)]
    mask = write_image(tmp_path / "m.png", blot())
    os.symlink(mask, tmp_path / "other.png")
    assert (
        "serving more than one" in LazyMasks(images, [mask, str(tmp_path / "other.png")]).notes()[0]
    )


def test_a_mask_of_another_size_is_an_error_before_it_is_decoded(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"m\.png is 32 x 24 pixels, its image .* is 64 x 48"):
        list(masks_of(tmp_path, ("m.png", np.zeros((24, 32), np.uint8))))


def test_a_damaged_mask_is_named(tmp_path: Path) -> None:
    masks = masks_of(tmp_path, ("m.png", blot()))
    path = tmp_path / "m.png"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ImageReadError, match=r"m\.png"):
        list(masks)


@pytest.mark.parametrize("size", [16, 31, 64, 100])
def test_masks_are_resized_by_one_rule_everywhere(size: int) -> None:
    mask = blot() // 255
    expected = resize_mask(mask, size)
    np.testing.assert_array_equal(resize_nearest(mask, (size, size)), expected)
    # The pixel whose area holds the new one's centre.
    rows = ((np.arange(size) + 0.5) * 48 / size).astype(int)
    columns = ((np.arange(size) + 0.5) * 64 / size).astype(int)
    np.testing.assert_array_equal(expected, mask[rows][:, columns])
