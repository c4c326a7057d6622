from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyimgano.datasets import load_dataset
from pyimgano.errors import InvalidInputError, InvalidTypeError, NotFittedError, UnknownNameError
from pyimgano.features import build_features
from pyimgano.models import create_model
from pyimgano.models.knn_index import RustKNNIndex, create_knn_index
from pyimgano.utils import ImagePreprocessor, optional_import
from tests.conftest import texture, with_blot

OTHERS = [
    "sklearn",
    pytest.param(
        "faiss",
        marks=pytest.mark.skipif(
            optional_import("faiss")[0] is None, reason="needs the extra faiss"
        ),
    ),
]


def same(backend: str, bank: np.ndarray, queries: np.ndarray, k: int) -> None:
    distances, indices = create_knn_index(backend).fit(bank).kneighbors(queries, k)
    expected, rows = RustKNNIndex().fit(bank).kneighbors(queries, k)
    assert (distances.dtype, indices.dtype) == (np.float32, np.int64)
    assert distances.shape == indices.shape == (len(queries), k)
    np.testing.assert_allclose(distances, expected, rtol=1e-6)
    np.testing.assert_array_equal(indices, rows)


@pytest.mark.parametrize("k", [1, 3, 9])
@pytest.mark.parametrize("backend", OTHERS)
def test_patch_features_of_images_have_the_same_neighbours(backend: str, k: int) -> None:
    images = [texture(i, (96, 96)) for i in range(4)]
    pixels = ImagePreprocessor(resize=None)(images)
    features = build_features("embedded").fit(pixels)
    rows = np.concatenate([grid.rows for grid in features.extract_batch(pixels)])
    bank, queries = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    same(backend, bank, queries, k)


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
    same(backend, rows[256:], rows[:256], k)


@pytest.mark.parametrize("backend", OTHERS)
def test_a_row_of_the_bank_is_at_distance_zero_far_from_the_origin(backend: str) -> None:
    rows = np.random.default_rng(0).normal(1000, 1, (50, 64)).astype(np.float32)
    distances, indices = create_knn_index(backend).fit(rows).kneighbors(rows, 1)
    np.testing.assert_array_equal(distances[:, 0], 0)
    np.testing.assert_array_equal(indices[:, 0], np.arange(50))


@pytest.mark.parametrize("backend", ["rust", *OTHERS])
def test_more_neighbours_than_rows_are_filled_up(backend: str) -> None:
    bank = np.array([[0.0, 0.0], [3.0, 4.0]], np.float32)
    distances, indices = create_knn_index(backend).fit(bank).kneighbors(bank[:1], 3)
    np.testing.assert_array_equal(distances, [[0, 5, np.inf]])
    np.testing.assert_array_equal(indices, [[0, 1, -1]])


@pytest.mark.parametrize("backend", ["rust", *OTHERS])
def test_no_queries_give_no_rows(backend: str) -> None:
    index = create_knn_index(backend).fit(np.ones((3, 2), np.float32))
    distances, indices = index.kneighbors(np.empty((0, 2), np.float32), 2)
    assert distances.shape == indices.shape == (0, 2)


@pytest.mark.parametrize("backend", ["rust", *OTHERS])
def test_unusable_banks_and_queries_are_errors(backend: str) -> None:
    index = create_knn_index(backend)
    with pytest.raises(NotFittedError):
        index.kneighbors(np.ones((1, 2), np.float32), 1)
    for bank in (np.empty((0, 2)), np.ones(3), np.full((2, 2), np.nan), np.full((2, 2), np.inf)):
        with pytest.raises(InvalidInputError):
            create_knn_index(backend).fit(bank.astype(np.float32))
    with pytest.raises(InvalidTypeError, match="float32"):
        create_knn_index(backend).fit(np.ones((2, 2)))
    index.fit(np.ones((2, 2), np.float32))
    with pytest.raises(InvalidInputError):
        index.kneighbors(np.ones((1, 3), np.float32), 1)
    with pytest.raises(InvalidInputError):
        index.kneighbors(np.ones((1, 2), np.float32), 0)


@pytest.mark.parametrize("backend", OTHERS)
@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 40), m=st.integers(1, 10), k=st.integers(1, 12), seed=st.integers(0, 2**16))
def test_random_rows_have_the_same_neighbours(
    backend: str, n: int, m: int, k: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    bank, queries = rng.normal(size=(n, 5)), rng.normal(size=(m, 5))
    same(backend, bank.astype(np.float32), queries.astype(np.float32), k)


@pytest.mark.parametrize("backend", OTHERS)
def test_patchcore_scores_the_same_with_either(backend: str) -> None:
    train, test = [texture(i) for i in range(8)], [texture(30), with_blot(texture(31))]
    expected = create_model("patchcore", backbone="embedded", image_size=48).fit(train)
    other = create_model("patchcore", backbone="embedded", image_size=48, knn_backend=backend)
    np.testing.assert_allclose(
        other.fit(train).decision_function(test), expected.decision_function(test), rtol=1e-6
    )


def test_auto_is_always_rust_and_unknown_names_list_the_others() -> None:
    assert isinstance(create_knn_index("auto"), RustKNNIndex)
    with pytest.raises(UnknownNameError, match="faiss"):
        create_knn_index("fais")


@pytest.mark.parametrize("value", [1e19, 1e30, 3e38, 1e-20, 1e-38])
def test_faiss_refuses_what_it_cannot_square(value: float) -> None:
    pytest.importorskip("faiss", reason="needs the extra faiss")
    rows = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    scaled = (rows / np.abs(rows).max() * value).astype(np.float32)
    with pytest.raises(InvalidInputError, match='faiss cannot square .*knn_backend="rust"'):
        create_knn_index("faiss").fit(scaled)
    exact = create_knn_index("rust").fit(scaled).kneighbors(scaled, 1)
    np.testing.assert_array_equal(exact[1][:, 0], np.arange(20))


def test_faiss_refuses_queries_that_it_cannot_square() -> None:
    pytest.importorskip("faiss", reason="needs the extra faiss")
    index = create_knn_index("faiss").fit(np.ones((3, 4), np.float32))
    with pytest.raises(InvalidInputError, match="queries has magnitudes up to 1e"):
        index.kneighbors(np.full((1, 4), 1e20, np.float32), 1)


@pytest.mark.parametrize("value", [1e-12, 1.0, 1e17])
def test_faiss_agrees_with_rust_within_its_range(value: float) -> None:
    pytest.importorskip("faiss", reason="needs the extra faiss")
    rows = (np.random.default_rng(0).normal(size=(50, 4)) * value).astype(np.float32)
    one, two = (create_knn_index(name).fit(rows).kneighbors(rows, 3) for name in ("faiss", "rust"))
    np.testing.assert_array_equal(one[1], two[1])
    np.testing.assert_allclose(one[0], two[0], rtol=1e-6)


def test_faiss_takes_rows_of_zeros() -> None:
    pytest.importorskip("faiss", reason="needs the extra faiss")
    index = create_knn_index("faiss").fit(np.zeros((3, 4), np.float32))
    assert index.kneighbors(np.ones((1, 4), np.float32), 1)[0].tolist() == [[2.0]]
