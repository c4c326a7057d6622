"""A search computes on the detector's device, where it has one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyimgano import load
from pyimgano.errors import InvalidInputError
from pyimgano.models import create_model
from pyimgano.neighbors import create_neighbors
from pyimgano.neighbors.rust import RustNeighbors
from tests.conftest import texture
from tests.neighbors.test_neighbors import rows_of, same


@pytest.fixture
def torch_search() -> Any:
    pytest.importorskip("torch", reason="needs the extra torch")
    from pyimgano.neighbors import torch as torch_search

    return torch_search


def test_torch_holds_distances_of_a_few_queries_at_a_time(
    torch_search: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    shapes: list[tuple[int, int]] = []
    cdist = torch.cdist

    def count(one: Any, other: Any, **options: Any) -> Any:
        shapes.append((len(one), len(other)))
        return cdist(one, other, **options)

    monkeypatch.setattr(torch_search, "_AT_ONCE", 700)
    monkeypatch.setattr(torch, "cdist", count)
    same("torch", rows_of(100, 8), rows_of(20, 8, seed=1), 3)
    assert shapes == [(7, 100), (7, 100), (6, 100)]
    same("torch", rows_of(900, 8), rows_of(2, 8, seed=1), 3)  # one query at the least
    assert shapes[3:] == [(1, 900), (1, 900)]


def test_a_device_that_is_not_there_is_named_before_any_work(torch_search: Any) -> None:
    for name in ("cuda:99", "nonsense"):
        with pytest.raises(InvalidInputError, match=f"device='{name}' here: choose cpu"):
            create_neighbors("torch", device=name)
        detector = create_model("patchcore", backbone="resnet18", knn_backend="torch", device=name)
        with pytest.raises(InvalidInputError, match=f"device='{name}' here"):
            detector.check_params()
    # A search that has no device leaves it to the network, which is made later.
    create_model("patchcore", backbone="resnet18", device="cuda:99").check_params()


def test_a_detector_searches_on_its_device(
    torch_search: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[str] = []
    monkeypatch.setattr(torch_search, "check_device", lambda torch, device: made.append(device))
    options = {"layers": ["layer1"], "pretrained": False, "image_size": 32, "coreset_ratio": 1.0}
    detector = create_model("patchcore", backbone="resnet18", knn_backend="torch", **options)
    detector.fit([texture(i, (32, 32)) for i in range(3)]).save(tmp_path / "d.pyimgano")
    load(tmp_path / "d.pyimgano")
    assert set(made) == {"cpu"}
    detector.set_params(device="cuda:7").check_params()
    assert made[-1] == "cuda:7"


def test_the_device_may_be_that_of_the_search_alone(torch_search: Any, tmp_path: Path) -> None:
    options = {"image_size": 32, "device": "cpu:0"}
    train = [texture(i, (32, 32)) for i in range(3)]
    for backbone in ("embedded", "filterbank"):
        detector = create_model("patchcore", backbone=backbone, knn_backend="torch", **options)
        detector.fit(train).save(tmp_path / "d.pyimgano")
        loaded: Any = load(tmp_path / "d.pyimgano")
        assert loaded.device == "cpu:0"
        np.testing.assert_allclose(
            loaded.decision_function(train), detector.decision_function(train), rtol=1e-5
        )
        with pytest.raises(InvalidInputError, match="no use for device='cpu:0'"):
            detector.set_params(knn_backend="rust").fit(train)


@pytest.mark.parametrize("backend", ["auto", "rust", "sklearn", RustNeighbors()])
def test_a_search_without_a_device_refuses_one(backend: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"no use for device='cuda': leave out device"):
        create_neighbors(backend, device="cuda")
