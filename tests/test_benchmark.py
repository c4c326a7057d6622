from __future__ import annotations

import numpy as np
import pytest

from pyimgano.benchmark import AlgorithmBenchmark, quick_benchmark
from pyimgano.errors import InvalidInputError, InvalidTypeError
from pyimgano.evaluation import compute_auroc, compute_average_precision
from pyimgano.models import create_model
from tests.conftest import texture, with_blot

TRAIN = [texture(i) for i in range(10)]
TEST = [texture(40), texture(41), with_blot(texture(42)), with_blot(texture(43))]
LABELS = [0, 0, 1, 1]


@pytest.fixture(autouse=True)
def _pyod() -> None:
    pytest.importorskip("pyod", reason="needs the extra pyod")


def test_results_hold_continuous_scores_and_figures_from_them() -> None:
    results = quick_benchmark(TRAIN, TEST, LABELS, algorithms=["ECOD", "COPOD"])
    assert list(results) == ["ECOD", "COPOD"]
    one = results["ECOD"]
    assert one["success"]
    assert one["error"] is None
    detector = create_model("vision_ecod").fit(TRAIN)
    np.testing.assert_array_equal(one["scores"], detector.decision_function(TEST))
    assert one["threshold"] == detector.threshold_
    assert one["auroc"] == compute_auroc(LABELS, one["scores"]) == 1.0
    assert one["ap"] == one["average_precision"] == compute_average_precision(LABELS, one["scores"])
    assert one["f1_max"] == 1.0
    predicted = one["scores"] > one["threshold"]
    np.testing.assert_array_equal(one["predictions"], predicted)
    hits = predicted[2:].sum()
    assert one["f1"] == pytest.approx(2 * hits / (predicted.sum() + 2))
    assert one["fit_seconds"] > 0
    assert one["predict_seconds"] > 0


def test_one_that_fails_says_why_and_the_others_go_on() -> None:
    runner = AlgorithmBenchmark(
        ["ECOD", "NoSuch", "KNN", "COPOD"], parameters={"KNN": {"n_neighbours": 3}}
    )
    results = runner.run(TRAIN, TEST, LABELS)
    assert [r["success"] for r in results.values()] == [True, False, False, True]
    assert "unknown model 'NoSuch'" in results["NoSuch"]["error"]
    assert "no parameter 'n_neighbours'" in results["KNN"]["error"]
    assert "scores" not in results["KNN"]
    assert runner.results_ is results


def test_any_model_can_take_part() -> None:
    results = AlgorithmBenchmark(
        ["patchcore"], parameters={"patchcore": {"backbone": "embedded", "image_size": 64}}
    ).run(TRAIN, TEST, LABELS)
    assert results["patchcore"]["auroc"] == 1.0


def test_test_images_of_one_class_give_undefined_figures_and_no_failure() -> None:
    result = quick_benchmark(TRAIN, TEST[:2], [0, 0], ["ECOD"])["ECOD"]
    assert result["success"]
    assert np.isnan(result["auroc"])


@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 1, 2], []])
def test_labels_that_do_not_go_with_the_images_are_an_error(labels: list[int]) -> None:
    with pytest.raises(InvalidInputError, match="test_labels"):
        quick_benchmark(TRAIN, TEST, labels, ["ECOD"])


def test_parameters_for_an_algorithm_that_is_not_compared_are_an_error() -> None:
    with pytest.raises(InvalidInputError, match="parameters has 'knn', which is not in algorithms"):
        quick_benchmark(TRAIN, TEST, LABELS, ["KNN"], parameters={"knn": {"n_neighbors": 3}})


def test_one_name_in_place_of_a_list_is_an_error() -> None:
    with pytest.raises(InvalidTypeError, match="list of names"):
        quick_benchmark(TRAIN, TEST, LABELS, "ECOD")
