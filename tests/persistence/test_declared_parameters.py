"""No constructor parameter of a storable detector is lost on the way into a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pyimgano
from pyimgano import create_model, list_models
from pyimgano.errors import InvalidInputError
from pyimgano.models import PatchDetector
from pyimgano.models.catalogue import _STORABLE, storable_class
from pyimgano.persistence.encode import _encode_params
from tests.conftest import texture


def test_a_further_parameter_goes_to_the_file_or_is_refused() -> None:
    given = {**storable_class("classical")().get_params(), "n_bins": 4}
    assert _encode_params("classical", given)["params"] == {"n_bins": 4}
    with pytest.raises(InvalidInputError, match="no file can hold the parameter rings"):
        _encode_params("patchcore", {**storable_class("patchcore")().get_params(), "rings": 4})


OTHERS = {
    "patchcore": {
        "backbone": "embedded",
        "image_size": (16, 24),
        "coreset_ratio": 0.5,
        "n_neighbors": 3,
        "knn_backend": "sklearn",
        "batch_size": 2,
        "random_state": 7,
        "contamination": 0.25,
        "gaussian_sigma": 1.5,
        "bit_depth": 8,
        "max_pixels": 10_000,
        "on_bad_image": "skip",
        "verbose": True,
    },
    "padim": {
        "backbone": "embedded",
        "image_size": (16, 24),
        "n_features": 5,
        "selection": "principal",
        "regularization": 0.5,
        "image_score": ("map_top", 0.25),
    },
    "subspacead": {
        "backbone": "embedded",
        "image_size": (16, 24),
        "variance": 0.75,
        "image_score": ("top", 0.25),
    },
    "anomalydino": {
        "backbone": "embedded",
        "image_size": (16, 24),
        "coreset_ratio": 0.5,
        "knn_backend": "sklearn",
        "image_score": "map_max",
        "references": ("rotations", 3),
        "projection": 4,
    },
    "superadd": {
        "backbone": "embedded",
        "image_size": (16, 24),
        "preset": "paper",
        "coreset_ratio": 0.5,
        "knn_backend": "sklearn",
        "image_score": ("top", 0.25),
    },
    "mutual": {
        "backbone": "embedded",
        "image_size": (32, 48),
        "share": 0.5,
        "layerwise": True,
        "image_score": "map_max",
    },
    "classical": {
        "detector": "knn",
        "contamination": 0.25,
        "random_state": 7,
        "standardize": False,
        "max_dims": 3,
        "batch_size": 2,
        "on_bad_image": "skip",
        "verbose": True,
        "n_neighbors": 2,
    },
}


@pytest.mark.filterwarnings("ignore::pyimgano.errors.ThresholdWarning")
@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_set_comes_back(kind: str, tmp_path: Path) -> None:
    if kind == "classical":
        pytest.importorskip("pyod", reason="needs the extra pyod")
    detector = storable_class(kind)(**OTHERS[kind])
    detector.fit([texture(i, (16, 24)) for i in range(8)])
    detector.save(tmp_path / "one.pyimgano")
    loaded = pyimgano.load(tmp_path / "one.pyimgano")
    assert OTHERS[kind].items() <= loaded.get_params().items()
    test = [texture(30, (16, 24))]
    np.testing.assert_array_equal(loaded.decision_function(test), detector.decision_function(test))


def test_the_registrys_storable_detectors_are_all_here() -> None:
    core = {type(create_model(name)) for name in list_models("core")}
    registered = {*core, type(create_model("vision_knn")), PatchDetector}
    assert {storable_class(kind) for kind in _STORABLE.names()} == registered
