"""Training images that cannot be used: each is named, or skipped where that is asked for."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from pyimgano.errors import ImageReadError
from pyimgano.models import PatchCore
from tests.conftest import texture, write_image


def files(tmp_path: Path, *sides: int) -> list[str]:
    """Good photos, and squares of some sides that are too small for the network."""
    good = [write_image(tmp_path / f"good{i}.png", texture(i)) for i in range(10)]
    small = [
        write_image(tmp_path / f"small{side}.png", np.full((side, side), 9, np.uint8))
        for side in sides
    ]
    return [*good[:5], *small, *good[5:]]


def test_when_all_are_damaged_all_are_named(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{i}.png") for i in range(3)]
    for path in paths:
        Path(path).write_bytes(b"\x89PNG\r\n\x1a\n")
    for how in ("raise", "skip"):
        detector = PatchCore(backbone="filterbank", on_bad_image=how)
        with pytest.raises(ImageReadError, match=r"3 of 3 .*0\.png.*1\.png.*2\.png"):
            detector.fit(paths)


def test_images_too_small_for_the_filters_are_all_named(tmp_path: Path) -> None:
    detector = PatchCore(backbone="filterbank", image_size=None)
    with pytest.raises(ImageReadError, match=r"2 of 12 .*small4\.png.*small7\.png"):
        detector.fit(files(tmp_path, 4, 7))
    with pytest.raises(ImageReadError, match=r"2 of 2 .*small4\.png.*small7\.png"):
        detector.fit(files(tmp_path, 4, 7)[5:7])


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_images_too_small_for_the_filters_are_skipped_where_that_is_asked_for(
    batch_size: int, tmp_path: Path
) -> None:
    paths = files(tmp_path, 4, 7)
    how = {"backbone": "filterbank", "image_size": None, "batch_size": batch_size}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        detector = PatchCore(on_bad_image="skip", **how).fit(paths)
        others = PatchCore(**how).fit([path for path in paths if "small" not in Path(path).name])
    assert [Path(path).name for path in detector.skipped_] == ["small4.png", "small7.png"]
    np.testing.assert_array_equal(detector.decision_scores_, others.decision_scores_)
    assert len(detector.training_names_) == 10
