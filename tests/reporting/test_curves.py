from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve, roc_curve

from pyimgano.reporting.curves import score_curves, score_histogram
from pyimgano.reporting.svg import histogram_plot, line_plot, ticks


def test_curves_by_hand() -> None:
    found = score_curves([1, 0, 1, 0], [0.9, 0.8, 0.8, 0.1])
    assert found.roc == [(0, 0), (0, 0.5), (0.5, 1), (1, 1)]
    assert found.pr == [(0.5, 1), (1, 2 / 3), (1, 0.5)]


def test_curves_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 80)
    scores = np.round(rng.normal(labels, 1.0), 1)  # with ties
    found = score_curves(labels.tolist(), scores.tolist())
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(found.roc, np.c_[fpr, tpr])
    precision, recall, _ = precision_recall_curve(labels, scores)
    np.testing.assert_allclose(found.pr, np.c_[recall, precision][:-1][::-1])


def test_images_without_a_label_do_not_count_and_one_class_has_no_curve() -> None:
    assert score_curves([1, None, 0], [2.0, 3.0, 1.0]).roc == [(0, 0), (0, 1), (1, 1)]
    assert score_curves([0, 0], [1.0, 2.0]).roc == []
    assert score_curves([], []).pr == []


def test_histogram_by_hand() -> None:
    found = score_histogram([0, 0, 1, None], [0.0, 1.0, 4.0, 3.0], n_bins=4)
    assert found.edges.tolist() == [0, 1, 2, 3, 4]
    assert found.normal.tolist() == [1, 1, 0, 0]
    assert found.anomalous.tolist() == [0, 0, 0, 1]
    assert found.unknown.tolist() == [0, 0, 0, 1]
    assert score_histogram([0], [2.0]).normal.sum() == 1
    assert score_histogram([], []).normal.sum() == 0


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 0.3, [0, 0.1, 0.2, 0.3]),
        (-7, 13, [-5, 0, 5, 10]),
        (1e-9, 1.1e-9, [1e-9, 1.02e-9, 1.04e-9, 1.06e-9, 1.08e-9, 1.1e-9]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_plots_escape_their_text_and_say_what_is_undefined() -> None:
    assert "a &lt;b&gt;" in line_plot("roc", "a <b>", [(0, 0), (1, 1)], x="x", y="y")
    assert ">n/a<" in line_plot("roc", "t", [], x="x", y="y")
    svg = histogram_plot("t", score_histogram([0], [1.0]), float("inf"))
    assert "inf" not in svg
    assert "nan" not in svg


def test_a_curve_is_cut_at_the_limit() -> None:
    svg = line_plot("pro", "t", [(0, 0), (0.2, 0.8), (0.6, 1.0)], x="x", y="y", x_max=0.3)
    # 44 + 242 px wide, 196 - 168 px high: (0.3, 0.85) is where the line crosses the limit.
    assert 'class="l" d="M44.0 196.0L205.33 61.6L286.0 53.2"' in svg
