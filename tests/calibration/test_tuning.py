from __future__ import annotations

import numpy as np
import pytest

from pyimgano.calibration.fewshot import tune_postprocess
from pyimgano.errors import InvalidInputError, UnknownNameError
from pyimgano.evaluation import compute_pixel_metrics
from pyimgano.postprocess import AnomalyMapPostprocess


@pytest.fixture
def noisy() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """A 6 x 6 defect in noise, and a good image, of differing sizes."""
    rng = np.random.default_rng(0)
    maps = [rng.normal(size=size).astype(np.float32) for size in ((24, 30), (20, 16))]
    masks = [np.zeros(one.shape, np.uint8) for one in maps]
    masks[0][8:14, 10:16] = 255
    maps[0][8:14, 10:16] += 1.5
    return maps, masks


def test_the_best_of_the_grid_is_returned_with_all_figures(noisy: tuple) -> None:
    maps, masks = noisy
    best, table = tune_postprocess({"gaussian_sigma": [0.0, 1.5, 30.0]}, maps, masks)
    assert [row["gaussian_sigma"] for row in table] == [0.0, 1.5, 30.0]
    assert best == AnomalyMapPostprocess(gaussian_sigma=1.5)
    for row in table:
        processed = [AnomalyMapPostprocess(gaussian_sigma=row["gaussian_sigma"])(m) for m in maps]
        assert row["aupro"] == compute_pixel_metrics(masks, processed).aupro
    assert table[1]["aupro"] > max(table[0]["aupro"], table[2]["aupro"])


def test_all_combinations_are_tried_in_order_and_the_first_of_equals_wins(noisy: tuple) -> None:
    grid = {"normalize": ["dataset", None], "morph_open_ksize": [0, 1]}
    best, table = tune_postprocess(grid, *noisy, metric="pixel_auroc")
    assert [(r["normalize"], r["morph_open_ksize"]) for r in table] == [
        ("dataset", 0),
        ("dataset", 1),
        (None, 0),
        (None, 1),
    ]
    assert len({r["pixel_auroc"] for r in table}) == 1
    # Fitted to the maps given, so it can be used at once.
    lowest = min(float(m.min()) for m in noisy[0])
    highest = max(float(m.max()) for m in noisy[0])
    assert best == AnomalyMapPostprocess(normalize="dataset", value_range=(lowest, highest))


def test_a_list_of_grids_leaves_impossible_combinations_out(noisy: tuple) -> None:
    grids = [
        {"gaussian_sigma": [1.5]},
        {"gaussian_sigma": [1.5], "component_threshold": [0.5], "min_component_area": [1, 12]},
    ]
    best, table = tune_postprocess(grids, *noisy, metric="pixel_f1_max")
    assert len(table) == 3
    assert "component_threshold" not in table[0]
    assert best.min_component_area == 12
    assert table[2]["pixel_f1_max"] > table[0]["pixel_f1_max"]


def test_a_metric_may_be_a_function() -> None:
    maps = [np.float32([[0.0, 4.0, 0.0]])]
    masks = [np.uint8([[0, 1, 0]])]

    def peak(truth: list, processed: list) -> float:
        assert truth[0].tolist() == [[0, 1, 0]]
        return -float(processed[0].max())

    best, table = tune_postprocess({"gaussian_sigma": [0.0, 1.0]}, maps, masks, metric=peak)
    assert best.gaussian_sigma == 1.0
    assert table[0] == {"gaussian_sigma": 0.0, "score": -4.0}


def test_stacked_arrays_are_taken_too(noisy: tuple) -> None:
    maps, masks = np.stack([noisy[0][0]] * 2), np.stack([noisy[1][0]] * 2)
    _, table = tune_postprocess({"gaussian_sigma": [1]}, maps, masks, metric="pixel_ap")
    assert 0 < table[0]["pixel_ap"] < 1


def test_aupro_never_sees_a_component_filter(noisy: tuple) -> None:
    with pytest.raises(InvalidInputError, match="component_threshold cannot be tuned by AUPRO"):
        tune_postprocess({"component_threshold": [None, 0.5]}, *noisy)


def test_mistakes_in_the_grid_are_named(noisy: tuple) -> None:
    with pytest.raises(UnknownNameError, match="'sigma'.*did you mean 'gaussian_sigma'"):
        tune_postprocess({"sigma": [1]}, *noisy)
    with pytest.raises(InvalidInputError, match=r"\{'morph_open_ksize': 4\}: morph_open_ksize"):
        tune_postprocess({"morph_open_ksize": [3, 4]}, *noisy)
    for empty in ({}, [], {"gaussian_sigma": []}):
        if empty == {}:
            # No parameter is one combination: the defaults.
            assert tune_postprocess(empty, *noisy)[0] == AnomalyMapPostprocess()
            continue
        with pytest.raises(InvalidInputError, match=r"params_grid.* is empty"):
            tune_postprocess(empty, *noisy)
    with pytest.raises(InvalidInputError, match=r"params_grid\['gaussian_sigma'\] must be a list"):
        tune_postprocess({"gaussian_sigma": 1.0}, *noisy)
    with pytest.raises(UnknownNameError, match="unknown metric 'pro'"):
        tune_postprocess({"gaussian_sigma": [1]}, *noisy, metric="pro")


def test_maps_that_say_nothing_are_refused(noisy: tuple) -> None:
    maps, masks = noisy
    with pytest.raises(InvalidInputError, match="got 2 maps and 1 masks"):
        tune_postprocess({"gaussian_sigma": [1]}, maps, masks[:1])
    with pytest.raises(InvalidInputError, match="got 0 maps and 0 masks"):
        tune_postprocess({"gaussian_sigma": [1]}, [], [])
    with pytest.raises(InvalidInputError, match="aupro is undefined"):
        tune_postprocess({"gaussian_sigma": [1]}, maps[1:], masks[1:])
