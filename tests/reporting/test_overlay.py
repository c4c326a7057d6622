from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from pyimgano.errors import OutputError
from pyimgano.images.reading import read_image
from pyimgano.reporting.gallery import choose_images
from pyimgano.reporting.overlay import MapScale, heat_overlay, to_rgb8
from pyimgano.reporting.pictures import write_png
from tests.conftest import texture

SCALE = MapScale.around(level=1.0, threshold=3.0)


def test_colour_starts_between_normal_surface_and_threshold_and_never_ends() -> None:
    values = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 1e6], np.float32)
    np.testing.assert_allclose(SCALE.unit(values), [0, 0, 0, 1 / 2, 2 / 3, 1], atol=2e-6)


def test_an_infinite_threshold_still_gives_a_scale() -> None:
    scale = MapScale.around(level=2.0, threshold=math.inf)
    assert np.isfinite(scale.unit(np.array([0.0, 2.0, 9.0], np.float32))).all()


def test_the_values_of_colours_are_known() -> None:
    values = np.array([2.5, 3.0, 40.0])
    np.testing.assert_allclose(SCALE.value(SCALE.unit(values)), values, rtol=1e-5)


@pytest.mark.parametrize("level", [0.0, 1.0, 3e4, 1e20])
def test_a_level_at_the_threshold_still_gives_a_scale(level: float) -> None:
    scale = MapScale.around(level, level)
    assert scale.unit(np.array([level, 2 * level + 1], np.float32))[0] == 0
    assert scale.unit(np.array([1e30])) == pytest.approx(1)


def test_normal_surface_keeps_its_look_and_defects_are_coloured_and_outlined() -> None:
    image = np.full((40, 60, 3), 100, np.uint8)
    anomaly_map = np.zeros((40, 60), np.float32)
    anomaly_map[10:20, 10:20] = 9.0
    drawn = heat_overlay(image, anomaly_map, SCALE, anomaly_map > 3)
    np.testing.assert_array_equal(drawn[25:, 25:], image[25:, 25:])
    np.testing.assert_array_equal(drawn[10, 10:20], np.full((10, 3), 255))  # the contour
    red, green, blue = (int(v) for v in drawn[15, 15])
    assert red > green
    assert red > blue


def test_deep_and_grey_images_can_be_shown() -> None:
    grey = texture(0)[..., 0]
    np.testing.assert_array_equal(to_rgb8(grey)[..., 1], grey)
    np.testing.assert_allclose(to_rgb8(grey.astype(np.uint16) * 257)[..., 0], grey, atol=1)
    assert to_rgb8(np.full((2, 2), 4095, np.uint16), bit_depth=12).min() == 255


def test_pictures_are_written_as_rgb_or_the_file_is_named(tmp_path: Path) -> None:
    write_png(tmp_path / "ä.png", texture(1))
    np.testing.assert_array_equal(read_image(tmp_path / "ä.png"), texture(1))
    with pytest.raises(OutputError, match="missing/x.png"):
        write_png(tmp_path / "missing/x.png", texture(1))


def test_the_best_and_the_worst_of_both_classes_are_chosen_once() -> None:
    labels = [1, 1, 1, 1, 0, 0, 0, 0]
    scores = [9, 8, 7, 6, 1, 2, 3, 4]
    chosen = choose_images(labels, scores, 4)
    assert chosen == [
        ("best_defect", 0),
        ("best_defect", 1),
        ("best_good", 4),
        ("best_good", 5),
        ("worst_defect", 3),
        ("worst_defect", 2),
        ("worst_good", 7),
        ("worst_good", 6),
    ]
    few = choose_images([1, 0], [2, 1], 8)
    assert sorted(i for _, i in few) == [0, 1]
    assert choose_images([0, 0, 1], [1, 2, 3], 1) == [("best_defect", 2)]
    assert choose_images(None, [1, 5, 3], 2) == [("highest", 1), ("highest", 2)]
