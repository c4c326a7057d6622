"""Local contrast: part of the mean around a patch is taken off its distance, in the map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pyimgano
from pyimgano.errors import InvalidInputError
from pyimgano.models import PatchCore
from pyimgano.models.patch_map import CONTRAST_PATCHES, PatchMapper
from tests.conftest import texture, with_blot

GOOD = [texture(i) for i in range(10)]
OPTIONS = {"backbone": "filterbank", "image_size": (48, 64)}


def around(distances: np.ndarray) -> np.ndarray:
    """The mean of the square around each patch, patch by patch; the grid mirrored beyond it."""
    half = CONTRAST_PATCHES // 2
    padded = np.pad(distances.astype(np.float64), half, mode="symmetric")
    found = np.empty(distances.shape)
    for i, j in np.ndindex(distances.shape):
        found[i, j] = padded[i : i + CONTRAST_PATCHES, j : j + CONTRAST_PATCHES].mean()
    return found


@pytest.mark.parametrize("shape", [(30, 41), (8, 8), (1, 1), (3, 50)])
def test_the_share_of_the_mean_around_each_patch_is_taken_off(shape: tuple[int, int]) -> None:
    distances = np.random.default_rng(0).random(shape, np.float32) * 9
    found = PatchMapper(0.0, local_contrast=0.5).at_input(distances, shape)
    np.testing.assert_allclose(found, distances - 0.5 * around(distances), atol=1e-5)


def test_a_level_that_is_the_same_everywhere_stays_one() -> None:
    flat = np.full((12, 9), 4.0, np.float32)
    found = PatchMapper(2.0, local_contrast=0.25).at_input(flat, (96, 72))
    np.testing.assert_allclose(found, 3.0, rtol=1e-6)


def test_what_was_not_scored_has_no_part_in_the_mean() -> None:
    distances = np.full((20, 30), 2.0, np.float32)
    distances[:, 12:] = np.nan  # such as outside of a region of interest
    found = PatchMapper(0.0, local_contrast=0.5).at_input(distances, (20, 30))
    np.testing.assert_allclose(found[:, :11], 1.0, rtol=1e-6)
    assert (found[:, 20:] == 0).all()


def test_a_faint_place_in_a_quiet_part_comes_before_noise_in_a_loud_one() -> None:
    distances = np.ones((40, 90), np.float32)
    distances[:, 45:] = 3.0
    distances[20, 10], distances[20, 80] = 2.5, 3.2
    plain = PatchMapper(0.0).at_input(distances, distances.shape)
    contrast = PatchMapper(0.0, local_contrast=1.0).at_input(distances, distances.shape)
    assert plain[20, 80] > plain[20, 10]
    assert contrast[20, 10] > contrast[20, 80]


def test_maps_and_their_levels_follow_and_scores_of_patches_stay(tmp_path: Path) -> None:
    plain = PatchCore(**OPTIONS).fit(GOOD)
    detector = PatchCore(**OPTIONS, local_contrast=0.5).fit(GOOD)
    np.testing.assert_array_equal(detector.decision_scores_, plain.decision_scores_)
    assert detector.threshold_ == plain.threshold_
    assert detector.map_threshold_ < plain.map_threshold_
    held_out = [detector.held_out_map(i, image).max() for i, image in enumerate(GOOD)]
    assert detector.map_threshold_ == np.sort(held_out)[-1]  # rank ceil(11 * 0.9) of 10
    detector.save(tmp_path / "a.pyimgano")
    loaded, bad = pyimgano.load(tmp_path / "a.pyimgano"), with_blot(texture(30))
    np.testing.assert_array_equal(
        loaded.predict_one(bad).anomaly_map, detector.predict_one(bad).anomaly_map
    )


def test_scores_of_maps_follow() -> None:
    options = {**OPTIONS, "image_score": "map_max"}
    detector = PatchCore(**options, local_contrast=0.5).fit(GOOD)
    found = detector.predict_one(with_blot(texture(30)))
    assert found.score == found.anomaly_map.max()
    assert found.score < PatchCore(**options).fit(GOOD).predict_one(with_blot(texture(30))).score


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_is_from_0_to_1(share: float) -> None:
    with pytest.raises(InvalidInputError, match="local_contrast must be .*at least 0 and at most"):
        PatchCore(**OPTIONS, local_contrast=share).fit(GOOD)
