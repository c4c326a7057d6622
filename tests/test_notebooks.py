"""Detectors, predictions and results in a notebook."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
import pytest

import pyimgano
from pyimgano.errors import InvalidInputError, MissingDependencyError
from pyimgano.types import Prediction
from tests.conftest import texture
from tests.reporting.support import category, run


@pytest.fixture(scope="module")
def detector() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = pyimgano.create_model("patchcore", backbone="filterbank", image_size=48)
        return made.fit([texture(i) for i in range(4)])


@pytest.fixture
def no_window(monkeypatch: pytest.MonkeyPatch) -> Any:
    matplotlib = pytest.importorskip("matplotlib", reason="needs the extra plot")
    matplotlib.use("agg")
    yield
    sys.modules["matplotlib.pyplot"].close("all")


FOUND = Prediction("in/<b>.png", 2.34567, 1, np.ones((48, 64), np.float32), ("darker: 3 of 4",))


def test_a_prediction_is_one_line_and_one_row() -> None:
    text = repr(FOUND)
    assert text == (
        "<Prediction defect, score 2.346, 'in/<b>.png', map of 48 x 64, 'darker: 3 of 4'>"
    )
    shown = FOUND._repr_html_()
    assert "<td>in/&lt;b&gt;.png</td><td>2.346</td><td>defect</td><td>darker: 3 of 4</td>" in shown
    assert repr(Prediction(None, 1.0, 0, None)) == "<Prediction ok, score 1>"


def test_a_benchmark_is_one_line_and_a_table() -> None:
    result = run(category("nut", 0.5), category("bolt", 0.25))
    text = repr(result)
    assert text.startswith(f"<BenchmarkResult of {result.title} on {result.dataset}, 2 categories:")
    assert "auroc 0.375" in text
    assert "\n" not in text
    assert len(text) < 300
    shown = result._repr_html_()
    assert "<td>nut</td><td>0.5000</td>" in shown
    assert shown.count("<tr>") == 3


def test_a_detector_says_what_differs_from_its_defaults(detector: Any) -> None:
    assert repr(detector) == "PatchCore(backbone='filterbank', image_size=48)"
    assert "PatchCore" in detector._repr_html_()


def test_all_of_them_are_frames(detector: Any) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    table = detector.to_pandas()
    np.testing.assert_array_equal(table["score"], detector.decision_scores_)
    assert list(table["file"]) == ["image 0", "image 1", "image 2", "image 3"]
    assert FOUND.to_pandas().to_dict("records") == [
        {"file": "in/<b>.png", "score": 2.34567, "verdict": "defect", "warnings": "darker: 3 of 4"}
    ]
    frame = run(category("nut", 0.5), category("bolt", 0.25)).to_pandas()
    assert frame["auroc"].to_dict() == {"nut": 0.5, "bolt": 0.25}


def test_all_of_them_can_be_drawn(detector: Any, no_window: None) -> None:
    drawn = detector.plot()
    assert sum(bar.get_height() for bar in drawn.patches) == 4
    assert drawn.lines[0].get_xdata()[0] == detector.threshold_
    picture = FOUND.plot(texture(0))
    assert [one.get_array().shape[:2] for one in picture.images] == [(48, 64)] * 2
    assert picture.get_title() == "defect, score 2.346"
    again = FOUND.plot(ax=picture)
    assert again is picture
    bars = run(category("nut", 0.5), category("bolt", 0.25)).plot("auroc")
    assert [bar.get_width() for bar in bars.patches] == [0.5, 0.25]


def test_what_cannot_be_drawn_is_said(detector: Any) -> None:
    with pytest.raises(InvalidInputError, match="this prediction has none"):
        Prediction(None, 1.0, 0, None).plot()
    with pytest.raises(InvalidInputError, match="no category has the metric 'speed'; there are: a"):
        run(category("nut", 0.5)).plot("speed")


def test_a_package_that_is_missing_is_named(detector: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pandas", "matplotlib", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, name, None)
    for one in (detector, FOUND, run(category("nut", 0.5))):
        with pytest.raises(MissingDependencyError, match=r"pandas \(needed for to_pandas\(\)\)"):
            one.to_pandas()
        with pytest.raises(MissingDependencyError, match=r"matplotlib \(needed for plot\(\)\)"):
            one.plot()
