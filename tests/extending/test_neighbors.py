"""A search from another package serves detectors by its name, in files and in new processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimgano import create_model, load
from pyimgano.errors import (
    CheckFailedError,
    InvalidInputError,
    NotEnoughMemoryError,
)
from pyimgano.extend import check_neighbors, register_neighbors
from pyimgano.neighbors import catalogue
from pyimgano.neighbors.rust import RustNeighbors
from tests.conftest import texture, with_blot
from tests.extending.plugin.pyimgano_example_plugin.neighbors import TableNeighbors
from tests.neighbors.test_neighbors import OTHERS

TRAIN = [texture(i, (48, 48)) for i in range(9)]
TEST = [texture(30, (48, 48)), with_blot(texture(31, (48, 48)))]


def model(**params: Any) -> Any:
    return create_model("patchcore", backbone="embedded", image_size=48, **params)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search "table", registered for one test."""
    known = dict(catalogue.NEIGHBORS._entries)
    monkeypatch.setattr(catalogue.NEIGHBORS, "_entries", known)
    register_neighbors("table", TableNeighbors)


def test_an_object_serves_as_well_and_stays_as_it_is(tmp_path: Path) -> None:
    ours = TableNeighbors()
    detector = model(knn_backend=ours).fit(TRAIN)
    assert detector.knn_backend is ours
    assert vars(ours) == {}
    expected = model().fit(TRAIN).decision_function(TEST)
    np.testing.assert_allclose(detector.decision_function(TEST), expected, rtol=1e-5)
    with pytest.raises(InvalidInputError, match="knn_backend"):
        detector.save(tmp_path / "lid.pyimgano")


def test_a_detector_with_a_registered_search_scores_alike_after_loading(
    table: None, tmp_path: Path
) -> None:
    detector = model(knn_backend="table").fit(TRAIN)
    detector.save(tmp_path / "lid.pyimgano")
    loaded = load(tmp_path / "lid.pyimgano")
    assert loaded.get_params()["knn_backend"] == "table"
    expected = detector.decision_function(TEST)
    np.testing.assert_array_equal(loaded.decision_function(TEST), expected)


def test_a_taken_name_is_refused(table: None) -> None:
    with pytest.raises(InvalidInputError, match="knn_backend 'rust' is registered already"):
        register_neighbors("rust", TableNeighbors)
    register_neighbors("table", RustNeighbors, overwrite=True)


class Liar(TableNeighbors):
    """Answers with ``answer(distances, indices)`` in place of what it found."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def kneighbors(self, queries: Any, k: int = 1, groups: Any = None) -> Any:
        return self.answer(*super().kneighbors(queries, k, groups))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda d, i: d, r"kneighbors must return \(distances, indices\)"),
        (lambda d, i: (d.astype(float), i), r"distances must be float32 \(36, 1\), not float64"),
        (lambda d, i: (d, i.astype(np.int32)), r"indices must be int64 \(36, 1\), not int32"),
        (lambda d, i: (d[:1], i[:1]), r"distances must be float32 \(36, 1\), not float32 \(1, 1\)"),
        (lambda d, i: (d.tolist(), i), "distances must be float32 .* not list"),
        (lambda d, i: (d * np.float32(np.nan), i), "distances must be 0 or more, nearest first"),
        (lambda d, i: (-1 - d, i), "distances must be 0 or more, nearest first"),
        (lambda d, i: (d, i + 10**6), "indices must be row numbers below"),
        (lambda d, i: (d, i * 0 - 1), "distances must be infinite where there is no row"),
        (lambda d, i: 1 / 0, "fails with ZeroDivisionError: division by zero"),
    ],
)
def test_a_wrong_answer_is_one_error_that_names_the_search(answer: Any, told: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^knn_backend Liar (answers wrongly: )?{told}"):
        model(knn_backend=Liar(answer)).fit(TRAIN).decision_function(TEST)


def test_a_search_that_cannot_be_made_is_named_and_memory_errors_pass(table: None) -> None:
    def broken() -> Any:
        raise RuntimeError("no licence")

    def hungry() -> Any:
        raise NotEnoughMemoryError("too large")

    register_neighbors("table", broken, overwrite=True)
    with pytest.raises(InvalidInputError, match="knn_backend 'table' fails with RuntimeError: no"):
        model(knn_backend="table").fit(TRAIN)
    register_neighbors("table", hungry, overwrite=True)
    with pytest.raises(NotEnoughMemoryError, match="too large"):
        model(knn_backend="table").fit(TRAIN)
    register_neighbors("table", lambda: 5, overwrite=True)  # type: ignore[arg-type, return-value]
    with pytest.raises(InvalidInputError, match="with fit and kneighbors: 'table' gives 5"):
        model(knn_backend="table").fit(TRAIN)


@pytest.mark.parametrize("given", [5, [], TableNeighbors, object()])
def test_what_is_no_search_is_refused(given: Any) -> None:
    with pytest.raises(InvalidInputError, match="knn_backend must be .* with fit and kneighbors"):
        model(knn_backend=given).fit(TRAIN)


@pytest.mark.parametrize("name", ["table", "rust", *OTHERS])
def test_ours_and_theirs_pass_the_checks(name: str, table: None) -> None:
    index: Any = catalogue.create_neighbors(name)
    check_neighbors(index.index)


def test_the_checks_name_what_is_wrong() -> None:
    with pytest.raises(CheckFailedError, match="Fixed fails 12 checks: ordinary rows: .*TypeError"):
        check_neighbors(Fixed())
    with pytest.raises(CheckFailedError, match="Far fails .*ordinary rows: the distances are not"):
        check_neighbors(Far())
    with pytest.raises(CheckFailedError, match="Alone fails .*, with groups: "):
        check_neighbors(Alone())


class Fixed(TableNeighbors):
    """Cannot be copied."""

    def __reduce__(self) -> Any:
        raise TypeError("one of a kind")


class Far(TableNeighbors):
    """A little off."""

    def kneighbors(self, queries: Any, k: int = 1, groups: Any = None) -> Any:
        distances, indices = super().kneighbors(queries, k, groups)
        return distances * np.float32(1.001), indices


class Alone(TableNeighbors):
    """Knows no groups."""

    def kneighbors(self, queries: Any, k: int = 1, groups: Any = None) -> Any:
        return super().kneighbors(queries, k)
