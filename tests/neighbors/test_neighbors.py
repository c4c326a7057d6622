"""All searches give what a slow float64 search gives: with groups or without, whatever the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyimgano.datasets import load_dataset
from pyimgano.errors import InvalidInputError, InvalidTypeError, NotFittedError, UnknownNameError
from pyimgano.features import build_features
from pyimgano.models import create_model, knn_index
from pyimgano.neighbors import create_neighbors
from pyimgano.neighbors.exhaustive import ExhaustiveNeighbors
from pyimgano.neighbors.faiss import FaissNeighbors
from pyimgano.neighbors.rust import RustNeighbors
from pyimgano.neighbors.sklearn import SklearnNeighbors
from pyimgano.utils import ImagePreprocessor, optional_import
from tests.conftest import texture, with_blot
from tests.reference.neighbors import nearest

FAISS = pytest.param(
    "faiss",
    marks=pytest.mark.skipif(optional_import("faiss")[0] is None, reason="needs the extra faiss"),
)
TORCH = pytest.param(
    "torch",
    marks=pytest.mark.skipif(optional_import("torch")[0] is None, reason="needs the extra torch"),
)
OTHERS = ["sklearn", FAISS, TORCH]
ALL = ["rust", *OTHERS]


def rows_of(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def same(
    backend: str,
    rows: np.ndarray,
    queries: np.ndarray,
    k: int,
    groups: np.ndarray | None = None,
    own: np.ndarray | None = None,
) -> None:
    """The backend finds the same rows as the oracle, at the same distances."""
    distances, indices = create_neighbors(backend).fit(rows, groups).kneighbors(queries, k, own)
    expected, numbers = nearest(rows, queries, k, groups, own)
    assert (distances.dtype, indices.dtype) == (np.float32, np.int64)
    np.testing.assert_allclose(distances, expected, rtol=2e-7)
    np.testing.assert_array_equal(indices, numbers)


@pytest.mark.parametrize("k", [1, 3, 9])
@pytest.mark.parametrize("backend", OTHERS)
def test_patch_features_of_images_have_the_same_neighbours(backend: str, k: int) -> None:
    pixels = ImagePreprocessor(resize=None)([texture(i, (96, 96)) for i in range(4)])
    features = build_features("embedded").fit(pixels)
    rows = np.concatenate([grid.rows for grid in features.extract_batch(pixels)])
    bank, queries = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    found = create_neighbors(backend).fit(bank).kneighbors(queries, k)
    expected = create_neighbors("rust").fit(bank).kneighbors(queries, k)
    np.testing.assert_allclose(found[0], expected[0], rtol=2e-7)
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("k", [1, 9])
@pytest.mark.parametrize("backend", OTHERS)
def test_real_resnet_features_have_the_same_neighbours(
    backend: str, k: int, shared_data: Path, resnet18_file: Path
) -> None:
    pytest.importorskip("torchvision", reason="needs the extra torch")
    paths = load_dataset("mvtec", shared_data, "cookie").get_train_paths()[:4]
    features = build_features("resnet18", weights=resnet18_file)
    grids = features.extract_batch(ImagePreprocessor(resize=128)(paths))
    rows = np.concatenate([grid.rows for grid in grids])
    same(backend, rows[256:], rows[:64], k)


@pytest.mark.parametrize("backend", ALL)
@settings(max_examples=40)
@given(
    n=st.integers(1, 60),
    m=st.integers(1, 10),
    k=st.integers(1, 12),
    n_groups=st.integers(0, 4),
    seed=st.integers(0, 2**16),
)
def test_random_rows_have_the_same_neighbours(
    backend: str, n: int, m: int, k: int, n_groups: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows, queries = rows_of(n, 5, seed=seed), rows_of(m, 5, seed=seed + 1)
    if n_groups:
        same(backend, rows, queries, k, rng.integers(n_groups, size=n), rng.integers(5, size=m))
    else:
        same(backend, rows, queries, k)


@pytest.mark.parametrize("backend", ALL)
def test_a_query_skips_the_rows_of_its_own_group(backend: str) -> None:
    rows = np.array([[0.0], [1.0], [3.0], [6.0]], np.float32)
    index = create_neighbors(backend).fit(rows, np.array([7, 7, 8, 7]))
    distances, indices = index.kneighbors(rows[[0, 0, 0]], 2, np.array([7, 8, -5]))
    np.testing.assert_array_equal(indices, [[2, -1], [0, 1], [0, 1]])
    np.testing.assert_array_equal(distances, [[3, np.inf], [0, 1], [0, 1]])


@pytest.mark.parametrize("backend", ALL)
def test_a_query_of_the_only_group_finds_nothing(backend: str) -> None:
    rows, all_one = rows_of(4, 3), np.ones(4, np.int64)
    distances, indices = create_neighbors(backend).fit(rows, all_one).kneighbors(rows, 2, all_one)
    assert np.isinf(distances).all()
    assert (indices == -1).all()


@pytest.mark.parametrize("backend", ALL)
def test_a_query_sees_other_groups_whatever_group_is_beside_it(backend: str) -> None:
    groups = np.repeat(np.arange(5), 20)
    same(backend, rows_of(100, 8), rows_of(100, 8), 3, groups, groups)


@pytest.mark.parametrize("backend", ALL)
def test_equally_far_rows_come_by_their_number(backend: str) -> None:
    corners = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], np.float32)
    rows = np.concatenate([np.tile(corners, (20, 1)), np.zeros((20, 2), np.float32)])
    queries = np.array([[0.0, 0.0], [2.0, 0.0]], np.float32)
    same(backend, rows, queries, 30)
    same(backend, rows, queries, 30, np.arange(100) % 3, np.array([0, 2]))


@pytest.mark.parametrize("backend", ALL)
@pytest.mark.parametrize("offset", [1e3, 1e6])
def test_far_from_the_origin_no_neighbour_is_missed(backend: str, offset: float) -> None:
    rows = (rows_of(300, 16) * 4 + np.float32(offset)).astype(np.float32)
    same(backend, rows, rows[:40], 5)
    same(backend, rows, rows[:40], 5, np.arange(300), np.arange(40))


@pytest.mark.parametrize("backend", OTHERS)
def test_only_where_the_search_rounds_too_much_all_rows_are_computed(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyimgano.neighbors import exhaustive

    computed: list[int] = []
    settle = exhaustive._settle

    def count(query: Any, candidates: Any, rows: Any, k: int) -> Any:
        computed.append(len(candidates))
        return settle(query, candidates, rows, k)

    monkeypatch.setattr(exhaustive, "_settle", count)
    rows = rows_of(300, 16)
    create_neighbors(backend).fit(rows).kneighbors(rows_of(20, 16, seed=1), 1)
    assert computed == [17] * 20
    create_neighbors(backend).fit(np.zeros((300, 16), np.float32)).kneighbors(rows[:1], 1)
    assert computed[20:] == [17, 300]


@pytest.mark.parametrize("backend", ["rust", "sklearn"])
@pytest.mark.parametrize("value", [1e-38, 1e-20, 1e19, 3e38])
def test_rows_of_any_magnitude_keep_their_order(backend: str, value: float) -> None:
    rows = rows_of(40, 4)
    scaled = (rows / np.abs(rows).max() * np.float32(value)).astype(np.float32)
    _, numbers = nearest(scaled, scaled[:9], 3)
    distances, indices = create_neighbors(backend).fit(scaled).kneighbors(scaled[:9], 3)
    np.testing.assert_array_equal(indices, numbers)
    np.testing.assert_array_equal(distances[:, 0], 0)


@pytest.mark.parametrize("backend", ["rust", "sklearn"])
def test_a_distance_beyond_float32_is_infinite_and_has_its_row(backend: str) -> None:
    rows = np.full((1, 4), 3e38, np.float32)
    distances, indices = create_neighbors(backend).fit(rows).kneighbors(-rows, 1)
    assert (distances.item(), indices.item()) == (np.inf, 0)


@pytest.mark.parametrize("backend", ALL)
def test_more_neighbours_than_rows_are_filled_up(backend: str) -> None:
    rows = np.array([[0.0, 0.0], [3.0, 4.0]], np.float32)
    distances, indices = create_neighbors(backend).fit(rows).kneighbors(rows[:1], 3)
    np.testing.assert_array_equal(distances, [[0, 5, np.inf]])
    np.testing.assert_array_equal(indices, [[0, 1, -1]])


@pytest.mark.parametrize("backend", ALL)
def test_no_queries_give_no_rows(backend: str) -> None:
    rows, none = np.ones((3, 2), np.float32), np.empty((0, 2), np.float32)
    for groups, own in ((None, None), (np.arange(3), np.empty(0, np.int64))):
        distances, indices = create_neighbors(backend).fit(rows, groups).kneighbors(none, 2, own)
        assert distances.shape == indices.shape == (0, 2)


@pytest.mark.parametrize("backend", ALL)
def test_rows_that_are_not_contiguous_are_found(backend: str) -> None:
    wide = rows_of(60, 12)
    same(backend, wide[::2, ::3], np.asfortranarray(wide[:5, :4]), 3)
    same(backend, wide[::2, ::3], wide[:5, :4], 3, np.arange(60)[::2] % 4, np.arange(10)[::2])


@pytest.mark.parametrize("backend", ALL)
def test_unusable_rows_and_queries_are_errors(backend: str) -> None:
    index = create_neighbors(backend)
    with pytest.raises(NotFittedError):
        index.kneighbors(np.ones((1, 2), np.float32), 1)
    unusable = (
        np.empty((0, 2)), np.empty((2, 0)), np.ones(3),
        np.full((2, 2), np.nan), np.full((2, 2), np.inf),
    )  # fmt: skip
    for rows in unusable:
        with pytest.raises(InvalidInputError):
            create_neighbors(backend).fit(rows.astype(np.float32))
    for dtype in (np.float64, np.int64, np.float16, ">f4"):
        with pytest.raises(InvalidTypeError, match="float32"):
            create_neighbors(backend).fit(np.ones((2, 2), dtype))
    index.fit(np.ones((2, 2), np.float32))
    for queries, k in ((np.ones((1, 3)), 1), (np.ones((1, 2)), 0), (np.full((1, 2), np.nan), 1)):
        with pytest.raises(InvalidInputError):
            index.kneighbors(queries.astype(np.float32), k)
    with pytest.raises(InvalidTypeError, match="float32"):
        index.kneighbors(np.ones((1, 2)), 1)


@pytest.mark.parametrize("backend", ALL)
def test_groups_go_with_rows_and_queries_alike(backend: str) -> None:
    rows, groups = np.ones((3, 2), np.float32), np.arange(3)
    with pytest.raises(InvalidInputError, match="groups"):
        create_neighbors(backend).fit(rows, groups).kneighbors(rows, 1)
    with pytest.raises(InvalidInputError, match="groups"):
        create_neighbors(backend).fit(rows).kneighbors(rows, 1, groups)
    with pytest.raises(InvalidInputError, match="groups"):
        create_neighbors(backend).fit(rows, groups[:2])
    with pytest.raises(InvalidInputError, match="groups"):
        create_neighbors(backend).fit(rows, groups).kneighbors(rows, 1, groups[:2])
    with pytest.raises(InvalidTypeError, match="groups must be integers"):
        create_neighbors(backend).fit(rows, np.ones(3))


@pytest.mark.parametrize("backend", OTHERS)
def test_patchcore_scores_the_same_with_either(backend: str) -> None:
    train, test = [texture(i) for i in range(8)], [texture(30), with_blot(texture(31))]
    expected = create_model("patchcore", backbone="embedded", image_size=48).fit(train)
    other = create_model("patchcore", backbone="embedded", image_size=48, knn_backend=backend)
    np.testing.assert_allclose(
        other.fit(train).decision_function(test), expected.decision_function(test), rtol=1e-6
    )


def test_auto_is_always_rust_and_unknown_names_list_the_others() -> None:
    index: Any = create_neighbors("auto")
    assert isinstance(index.index, RustNeighbors)
    with pytest.raises(UnknownNameError, match="did you mean 'faiss'.* Known: .*rust, sklearn"):
        create_neighbors("fais")


def test_former_names_lead_to_the_same_classes() -> None:
    found = [getattr(knn_index, f"{name}KNNIndex") for name in ("Rust", "Sklearn", "Faiss")]
    assert found == [RustNeighbors, SklearnNeighbors, FaissNeighbors]
    assert issubclass(knn_index.SklearnKNNIndex, ExhaustiveNeighbors)
    with pytest.raises(AttributeError, match="OtherKNNIndex"):
        knn_index.OtherKNNIndex  # noqa: B018


@pytest.mark.parametrize("backend", [FAISS, TORCH])
@pytest.mark.parametrize("value", [1e19, 1e30, 3e38, 1e-20, 1e-38])
def test_what_a_library_cannot_square_is_refused(backend: str, value: float) -> None:
    rows = rows_of(20, 4)
    scaled = (rows / np.abs(rows).max() * value).astype(np.float32)
    with pytest.raises(InvalidInputError, match=f'{backend} cannot square .*knn_backend="rust"'):
        create_neighbors(backend).fit(scaled)


def test_faiss_refuses_queries_that_it_cannot_square() -> None:
    pytest.importorskip("faiss", reason="needs the extra faiss")
    index = create_neighbors("faiss").fit(np.ones((3, 4), np.float32))
    with pytest.raises(InvalidInputError, match="queries has magnitudes up to 1e"):
        index.kneighbors(np.full((1, 4), 1e20, np.float32), 1)


@pytest.mark.parametrize("value", [1e-12, 1.0, 1e17])
def test_faiss_is_exact_within_its_range(value: float) -> None:
    pytest.importorskip("faiss", reason="needs the extra faiss")
    rows = (np.random.default_rng(0).normal(size=(50, 4)) * value).astype(np.float32)
    same("faiss", rows, rows, 3)


def test_faiss_takes_rows_of_zeros() -> None:
    pytest.importorskip("faiss", reason="needs the extra faiss")
    index = create_neighbors("faiss").fit(np.zeros((3, 4), np.float32))
    assert index.kneighbors(np.ones((1, 4), np.float32), 1)[0].tolist() == [[2.0]]
